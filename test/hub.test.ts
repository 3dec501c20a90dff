import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AltCLIPConfig, AltCLIPModel, AltCLIPProcessor, CLIPImageProcessor, type ProgressInfo } from '../lib';
import { resolveModel } from '../lib/loading/loading';
import { fixture, temporaryFolder } from './helpers/fixtures';
import { HubServer } from './helpers/hub_server';

// what waits for a hub to recover waits a twentieth here
vi.mock('node:timers/promises', async (original) => {
  const timers = await original<typeof import('node:timers/promises')>();
  const hurried: typeof timers.setTimeout = (ms, value, options) => timers.setTimeout((ms ?? 0) / 20, value, options);
  return { ...timers, setTimeout: hurried };
});

const id = 'Some/Model';
const e2e = fixture('models', 'tiny-e2e');
const root = temporaryFolder();
let hub: HubServer;
let home: string;
let cache_dir: string;
let count = 0;

beforeEach(async () => {
  hub = await HubServer.start(id, e2e);
  home = path.join(root, `home-${count}`);
  cache_dir = path.join(root, `cache-${count++}`);
  vi.stubEnv('HF_HOME', home);
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  for (const name of ['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE', 'HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN', 'HF_TOKEN_PATH']) {
    vi.stubEnv(name, '');
  }
  for (const name of ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE']) vi.stubEnv(name, '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.stop();
});

const repository = (): string => path.join(home, 'hub', 'models--Some--Model');
const snapshot = (): string => path.join(repository(), 'snapshots', hub.commit);
const load = async (options = {}): Promise<string> => (await resolveModel(id, { cache_dir, ...options })).file;

describe('a model by its id', () => {
  it('is downloaded into the layout of huggingface_hub, converted, and found again', async () => {
    const events: ProgressInfo[] = [];
    const model = await AltCLIPModel.from_pretrained(id, { cache_dir, progress_callback: (info) => events.push(info) });
    const processor = await AltCLIPProcessor.from_pretrained(id);
    expect((await model.get_text_features(await processor({ text: 'a cat' }))).dims[0]).toBe(1);
    await model.dispose();

    expect(readFileSync(path.join(repository(), 'refs', 'main'), 'utf8')).toBe(hub.commit);
    const etag = hub.etag('model.safetensors');
    expect(readlinkSync(path.join(snapshot(), 'model.safetensors'))).toBe(path.join('..', '..', 'blobs', etag));
    for (const name of readdirSync(snapshot())) {
      expect(readFileSync(path.join(snapshot(), name)).equals(readFileSync(path.join(e2e, name))), name).toBe(true);
    }
    expect(readdirSync(path.join(repository(), 'blobs')).filter((name) => name.includes('incomplete'))).toEqual([]);

    const ofWeights = events.filter((event) => 'file' in event && event.file === 'model.safetensors');
    expect(ofWeights.map(({ status }) => status).slice(0, 3)).toEqual(['initiate', 'download', 'progress']);
    const bytes = statSync(path.join(e2e, 'model.safetensors')).size;
    expect(ofWeights).toContainEqual({
      status: 'progress',
      name: id,
      file: 'model.safetensors',
      progress: 100,
      loaded: bytes,
      total: bytes,
    });

    const before = hub.downloads().length;
    await load();
    expect(hub.downloads().length).toBe(before);
  });

  it('takes only the files it needs', async () => {
    hub.put('pytorch_model.bin', Buffer.from('another kind of weights'));
    hub.put('README.md', Buffer.from('# a card'));
    hub.put('extra.gguf', Buffer.from('not needed'));
    await CLIPImageProcessor.from_pretrained(id);
    expect(hub.downloads()).toEqual(['preprocessor_config.json']);
    await AltCLIPConfig.from_pretrained(id);
    await load();
    for (const name of ['pytorch_model.bin', 'README.md', 'extra.gguf']) expect(hub.downloads()).not.toContain(name);
  });

  it('is downloaded in shards that the index names', async () => {
    await hub.stop();
    hub = await HubServer.start(id, fixture('models', 'tiny-sharded'));
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    await load();
    expect(readdirSync(snapshot()).filter((name) => /-of-\d+\.safetensors$/.test(name)).length).toBeGreaterThan(1);
  });

  it('may be a .gguf alone', async () => {
    const gguf = readFileSync(path.join(__dirname, '..', 'models', 'demo.gguf'));
    for (const name of readdirSync(e2e)) hub.remove(name);
    hub.put('Model-q8_0.gguf', gguf);
    const model = await AltCLIPModel.from_pretrained(id);
    expect(model.dtype).toBe('q8_0');
    await model.dispose();
    expect((await AltCLIPProcessor.from_pretrained(id)).tokenizer.vocab_size).toBeGreaterThan(100);
  });

  it('is pinned by a commit, and asks nobody when the commit is here', async () => {
    const revision = hub.commit;
    await load({ revision });
    const before = hub.requests.length;
    await load({ revision });
    expect(hub.requests.length).toBe(before);
    expect(existsSync(path.join(repository(), 'refs'))).toBe(false);
  });

  it('follows its branch, and keeps working when the hub does not', async () => {
    await load();
    const first = snapshot();
    hub.put('preprocessor_config.json', Buffer.from('{"size": 32}'));
    await AltCLIPProcessor.from_pretrained(id);
    expect(snapshot()).not.toBe(first);
    hub.fault = () => ({ status: 503 });
    expect((await CLIPImageProcessor.from_pretrained(id)).to_dict().size).toEqual({ shortest_edge: 32 });
  });

  it.each([{ local_files_only: true }, { HF_HUB_OFFLINE: '1' }])(
    'needs no network where none is allowed: %j',
    async (how) => {
      const { HF_HUB_OFFLINE = '', ...options } = how as { HF_HUB_OFFLINE?: string };
      vi.stubEnv('HF_HUB_OFFLINE', HF_HUB_OFFLINE);
      await expect(load(options)).rejects.toMatchObject({
        code: 'HUB',
        message: expect.stringMatching(/not in the cache/),
      });
      expect(hub.requests).toEqual([]);
      vi.stubEnv('HF_HUB_OFFLINE', '');
      await load();
      const before = hub.requests.length;
      vi.stubEnv('HF_HUB_OFFLINE', HF_HUB_OFFLINE);
      await load(options);
      expect(hub.requests.length).toBe(before);
    },
  );
});

describe('the token', () => {
  it.each(['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN', 'file'])('comes from %s, and goes to the hub alone', async (place) => {
    hub.token = 'hf_secret';
    await expect(load()).rejects.toMatchObject({ code: 'HUB', message: expect.stringMatching(/401.*set HF_TOKEN/) });
    if (place === 'file') {
      mkdirSync(home, { recursive: true });
      writeFileSync(path.join(home, 'token'), 'hf_secret\n');
    } else vi.stubEnv(place, 'hf_secret');
    await load();
    const fromStorage = hub.requests.filter(({ path: where }) => where.startsWith('/lfs/'));
    expect([...new Set(fromStorage.map(({ token }) => token))]).toEqual([undefined]);
    const elsewhere = await HubServer.start(id, e2e);
    hub.fault = ({ path: where }) =>
      where.includes('/resolve/') ? { status: 307, headers: { Location: elsewhere.endpoint } } : undefined;
    rmSync(path.join(home, 'hub'), { recursive: true });
    await expect(load()).rejects.toMatchObject({ code: 'HUB' });
    expect([...new Set(elsewhere.requests.map(({ token }) => token))]).toEqual([undefined]);
    await elsewhere.stop();
  });
});

describe('a fault', () => {
  const inWeights = ({ path: where }: { path: string }): boolean => where === '/lfs/model.safetensors';
  const once = (matches: (request: { path: string }) => boolean, misdeed: object) => {
    let met = 0;
    hub.fault = (request) => (matches(request) && met++ === 0 ? (misdeed as never) : undefined);
  };

  it('that cuts the connection is resumed where it was cut', async () => {
    once(inWeights, { cutAfter: 100_000 });
    await load();
    const parts = hub.requests.filter(inWeights).map(({ range }) => range);
    expect(parts[0]).toBe(0);
    expect(parts.length).toBe(2);
    expect(parts[1]).toBeGreaterThan(0);
  });

  it('that stays ends in an error, and the next run goes on', async () => {
    let met = 0;
    hub.fault = (request) => (!inWeights(request) ? undefined : met++ === 0 ? { cutAfter: 100_000 } : { cutAfter: 0 });
    await expect(load()).rejects.toMatchObject({ code: 'HUB', message: expect.stringMatching(/stopped at|reached/) });
    hub.fault = () => undefined;
    hub.requests.length = 0;
    await load();
    expect(hub.requests.filter(inWeights).map(({ range }) => range > 0)).toEqual([true]);
  });

  it('that ignores Range or damages what was kept is no harm', async () => {
    once(inWeights, { cutAfter: 100_000 });
    const wasCut = hub.fault;
    hub.fault = (request) => wasCut(request) ?? (inWeights(request) && request.range > 0 ? { status: 500 } : undefined);
    await expect(load()).rejects.toMatchObject({ code: 'HUB' });
    const incomplete = path.join(repository(), 'blobs', `${hub.etag('model.safetensors')}.incomplete`);
    writeFileSync(incomplete, Buffer.alloc(5000, 1));
    once((request) => inWeights(request), { whole: true });
    await load();
  });

  it.each([
    ['500', { status: 500 }],
    ['503', { status: 503 }],
  ])('%s is tried again', async (_, misdeed) => {
    once(() => true, misdeed);
    await load();
  });

  it.each([
    ['seconds', () => '2'],
    ['a date', () => new Date(Date.now() + 3000).toUTCString()], // which has no fractions of a second
  ])('429 is tried again when Retry-After, in %s, has passed, not sooner', async (_, after) => {
    once(() => true, { status: 429, headers: { 'Retry-After': after() } });
    await load();
    const [first, second] = hub.requests as [(typeof hub.requests)[0], (typeof hub.requests)[0]];
    expect(second.path).toBe(first.path);
    expect(second.time - first.time).toBeGreaterThanOrEqual(2000 / 20 - 2); // timers are a millisecond or so early
  });

  it.each([
    ['401', { status: 401 }, /answered 401.*no such repository, or a private one: set HF_TOKEN/],
    ['403', { status: 403 }, /answered 403.*ask for access/],
    ['404', { status: 404 }, /answered 404.*no such repository/],
    ['404 for a revision', { status: 404, headers: { 'X-Error-Code': 'RevisionNotFound' } }, /no such revision/],
    ['429 for long', { status: 429, headers: { 'Retry-After': '3600' } }, /try again in 3600 s/],
    ['500 always', { status: 500 }, /answered 500/],
  ])('%s ends in an error, and the next run succeeds', async (_, misdeed, message) => {
    hub.fault = () => misdeed;
    await expect(load()).rejects.toMatchObject({ code: 'HUB', message: expect.stringMatching(message) });
    hub.fault = () => undefined;
    await load();
  });

  it.each([
    ['content that is not the listing’s', { corrupt: true }],
    ['too much content', { length: 2_000_000 }],
  ])('%s ends in an error, nothing of it is kept, and the next run succeeds', async (_, misdeed) => {
    hub.fault = (request) => (inWeights(request) ? (misdeed as never) : undefined);
    await expect(load()).rejects.toMatchObject({
      code: 'HUB',
      message: expect.stringMatching(/model.safetensors.*not what/),
    });
    expect(readdirSync(path.join(repository(), 'blobs')).filter((name) => name.length === 64)).toEqual([]);
    hub.fault = () => undefined;
    await load();
  });

  it('in one file ends the downloads of the others before the error is out', async () => {
    hub.fault = ({ path: where }) =>
      where.endsWith('/tokenizer.json')
        ? { stallAfter: 10 }
        : inWeights({ path: where })
          ? { corrupt: true }
          : undefined;
    await expect(load()).rejects.toMatchObject({ code: 'HUB', message: expect.stringMatching(/not what/) });
    await vi.waitFor(() => expect(hub.answering).toBe(0));
  });

  it('that is too little content is a cut connection', async () => {
    once(inWeights, { length: 0 });
    await load();
  });

  it('that is a new version between two runs gives the new one', async () => {
    hub.fault = (request) => (inWeights(request) ? { cutAfter: request.range === 0 ? 100_000 : 0 } : undefined);
    await expect(load()).rejects.toMatchObject({ code: 'HUB' });
    const weights = readFileSync(path.join(e2e, 'model.safetensors'));
    weights[weights.length - 1] = (weights.at(-1) as number) ^ 1;
    hub.put('model.safetensors', weights);
    hub.fault = () => undefined;
    await load();
    expect(readFileSync(path.join(snapshot(), 'model.safetensors')).equals(weights)).toBe(true);
  });

  it('that is an answer of no hub is named', async () => {
    hub.put('model.safetensors.index.json', Buffer.from('{"weight_map": {"a": "../../etc/passwd"}}'));
    hub.remove('model.safetensors');
    await expect(load()).rejects.toMatchObject({ code: 'MODEL_FORMAT', message: expect.stringMatching(/etc\/passwd/) });
    await hub.stop();
    rmSync(home, { recursive: true, force: true });
    await expect(load()).rejects.toMatchObject({ code: 'HUB', message: expect.stringMatching(/cannot be reached/) });
    hub = await HubServer.start(id, e2e);
    vi.stubEnv('HF_ENDPOINT', 'nowhere');
    await expect(load()).rejects.toMatchObject({ code: 'HUB', message: expect.stringMatching(/HF_ENDPOINT/) });
  });

  it('is not the caller’s who aborts, and what came is kept', async () => {
    const controller = new AbortController();
    const loading = load({
      signal: controller.signal,
      progress_callback: (info: ProgressInfo) => {
        if (info.status === 'progress' && info.file === 'model.safetensors') controller.abort();
      },
    });
    await expect(loading).rejects.toMatchObject({ code: 'ABORTED' });
    await load();
  });
});

describe('two processes', () => {
  const script = `
    const { resolveModel } = require(process.argv[1]);
    const stages = new Set();
    resolveModel(process.argv[3], { cache_dir: process.argv[2], progress_callback: (info) => stages.add(info.status + ' ' + info.file) })
      .then(({ file }) => console.log(JSON.stringify({ file, stages: [...stages] })));`;
  const run = async (name: string): Promise<{ file: string; stages: string[] }> => {
    const child = spawn(
      process.execPath,
      ['-e', script, path.join(__dirname, '..', 'dist', 'loading/loading.js'), cache_dir, name],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let text = '';
    child.stdout.on('data', (data: Buffer) => {
      text += data;
    });
    await once(child, 'close');
    return JSON.parse(text);
  };

  it('download once', async () => {
    const results = await Promise.all([run(id), run(id)]);
    expect(results[0]?.file).toBe(results[1]?.file);
    const weights = hub.requests.filter(({ path: where }) => where === '/lfs/model.safetensors');
    expect(weights.length).toBe(1);
    expect(readdirSync(cache_dir)).toEqual([path.basename(results[0]?.file as string)]);
  });

  it('convert once', async () => {
    const results = await Promise.all([run(e2e), run(e2e), run(e2e)]);
    expect(new Set(results.map(({ file }) => file)).size).toBe(1);
    // a folder's progress is that of the conversion, and comes from the process that converts
    expect(results.filter(({ stages }) => stages.includes('progress model.safetensors')).length).toBe(1);
    expect(readdirSync(cache_dir)).toEqual([path.basename(results[0]?.file as string)]);
  });
});
