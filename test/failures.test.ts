/** What ends a run from outside: a full disk, a kill, a server that falls silent; and that the next run is whole. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { resolveModel } from '../lib/loading/loading';
import { fixture, temporaryFolder } from './helpers/fixtures';
import { HubServer } from './helpers/hub_server';

// thirty seconds of a user's patience
vi.mock('../lib/hub/patience', async (original) => ({ ...(await original<object>()), stallMs: 1000, firstWaitMs: 20 }));

const id = 'Some/Model';
const e2e = fixture('models', 'tiny-e2e');
const root = temporaryFolder();
const big = path.join(root, 'big');
let cache_dir: string;
let count = 0;

beforeAll(() => makeBig(200_000));
beforeEach(() => {
  cache_dir = path.join(root, `cache-${count++}`);
});
afterEach(() => vi.unstubAllEnvs());

/** The tiny checkpoint with a token table of zeros, 256 bytes a row: a conversion that can be met in the middle. */
function makeBig(rows: number): void {
  cpSync(fixture('models', 'tiny'), big, { recursive: true });
  const config = JSON.parse(readFileSync(path.join(big, 'config.json'), 'utf8'));
  config.text_config.vocab_size = rows;
  writeFileSync(path.join(big, 'config.json'), JSON.stringify(config));
  const weights = path.join(big, 'model.safetensors');
  const bytes = readFileSync(weights);
  const begin = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, begin));
  const table = header['text_model.roberta.embeddings.word_embeddings.weight'];
  // the old table stays behind as a tensor that every reader ignores: no byte may belong to nobody
  header['text_model.roberta.embeddings.position_ids'] = { ...table };
  const old = bytes.length - begin;
  table.shape = [rows, 64];
  table.data_offsets = [old, old + 256 * rows];
  const text = Buffer.from(JSON.stringify(header).padEnd(begin));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(weights, Buffer.concat([length, text, bytes.subarray(begin)]));
  truncateSync(weights, 8 + text.length + old + 256 * rows);
}

const script = `
  const { resolveModel } = require(process.argv[1]);
  resolveModel(process.argv[3], { cache_dir: process.argv[2], dtype: process.argv[4] }).then(
    ({ file }) => console.log(JSON.stringify({ file })),
    ({ name, code, message }) => console.log(JSON.stringify({ name, code, message })));`;
const programArguments = (name: string, dtype: string): string[] => [
  '-e',
  script,
  path.join(__dirname, '..', 'dist', 'loading/loading.js'),
  cache_dir,
  name,
  dtype,
];

async function answerOf(child: ChildProcess): Promise<Record<string, string>> {
  let text = '';
  child.stdout?.on('data', (data: Buffer) => {
    text += data;
  });
  await once(child, 'close');
  return JSON.parse(text);
}

const load = async (name: string, dtype: 'f32' | 'auto' = 'f32'): Promise<string> =>
  (await resolveModel(name, { cache_dir, dtype })).file;
const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

// a limit on the size of files is met as a full disk is: a write that comes back short
describe.runIf(process.platform === 'linux')('a full disk', () => {
  const limited = (name: string): Promise<Record<string, string>> =>
    answerOf(
      spawn('sh', ['-c', 'ulimit -f 200; exec "$0" "$@"', process.execPath, ...programArguments(name, 'f32')], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );

  it('while converting is an error that names the file, leaves nothing, and the next run succeeds', async () => {
    expect(await limited(e2e)).toMatchObject({
      name: 'AltCLIPError',
      code: 'IO',
      message: expect.stringMatching(/\.gguf: cannot be written: File too large/),
    });
    expect(readdirSync(cache_dir)).toEqual([]);
    expect(existsSync(await load(e2e))).toBe(true);
  });

  it('while downloading is an error that names the file, and the next run succeeds', async () => {
    const hub = await HubServer.start(id, e2e);
    vi.stubEnv('HF_HOME', path.join(root, 'full-home'));
    vi.stubEnv('HF_HUB_CACHE', '');
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
    expect(await limited(id)).toMatchObject({
      name: 'AltCLIPError',
      code: 'IO',
      message: expect.stringMatching(/\.incomplete: cannot be written: EFBIG/),
    });
    expect(existsSync(await load(id))).toBe(true);
    await hub.stop();
  });
});

describe('a killed conversion', () => {
  it('leaves nothing that the next run trusts or keeps, whenever it is killed', async () => {
    const expected = digest(await load(big));
    let left = 0;
    for (const [what, delay] of [
      ['.lock', 0],
      ['.tmp', 0],
      ['.tmp', 10],
      ['.tmp', 40],
    ] as const) {
      cache_dir = path.join(root, `killed-${count++}`);
      mkdirSync(cache_dir);
      const child = spawn(process.execPath, programArguments(big, 'f32'), { stdio: ['ignore', 'ignore', 'inherit'] });
      const ended = once(child, 'close');
      while (child.exitCode === null && !readdirSync(cache_dir).some((name) => name.endsWith(what))) await sleep(1);
      await sleep(delay);
      child.kill('SIGKILL');
      await ended;
      const found = readdirSync(cache_dir);
      if (found.some((name) => name.endsWith('.tmp'))) left++;
      const file = await load(big);
      expect(digest(file)).toBe(expected);
      // killed after its last step but one, it leaves a lock that nobody needs to look at
      if (!found.includes(path.basename(file))) expect(readdirSync(cache_dir)).toEqual([path.basename(file)]);
      rmSync(cache_dir, { recursive: true });
    }
    expect(left, 'conversions met in the middle').toBeGreaterThan(0);
  });
});

describe('a lock', () => {
  const lockOf = async (): Promise<string> => {
    const file = await load(e2e);
    rmSync(file);
    return `${file}.lock`;
  };

  it('of a process that is dead is taken over', async () => {
    const lock = await lockOf();
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'close');
    writeFileSync(lock, JSON.stringify({ pid: child.pid, host: os.hostname(), token: 'a' }));
    await load(e2e);
    expect(existsSync(lock)).toBe(false);
  });

  it('of another machine is taken over when nobody has touched it for long', async () => {
    const lock = await lockOf();
    writeFileSync(lock, JSON.stringify({ pid: process.pid, host: 'elsewhere', token: 'a' }));
    utimesSync(lock, new Date(), new Date(Date.now() - 60_000));
    await load(e2e);
    expect(existsSync(lock)).toBe(false);
  });

  it('of a process that lives is waited for', async () => {
    const lock = await lockOf();
    writeFileSync(lock, JSON.stringify({ pid: process.pid, host: os.hostname(), token: 'a' }));
    const loading = load(e2e);
    await sleep(300);
    expect(readdirSync(cache_dir)).toEqual([path.basename(lock)]);
    rmSync(lock);
    const file = await loading;
    expect(readdirSync(cache_dir)).toEqual([path.basename(file)]);
  });
});

describe('a server that falls silent', () => {
  let hub: HubServer;
  beforeEach(async () => {
    hub = await HubServer.start(id, e2e);
    vi.stubEnv('HF_HOME', path.join(root, `home-${count++}`));
    vi.stubEnv('HF_HUB_CACHE', '');
    vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  });
  afterEach(() => hub.stop());
  const ofWeights = (): number[] =>
    hub.requests.filter(({ path: where }) => where === '/lfs/model.safetensors').map(({ range }) => range);

  it('before it answers at all is asked again', async () => {
    let met = 0;
    hub.fault = () => (met++ % 3 === 0 ? { silent: true } : undefined);
    await load(id);
    expect(met).toBeGreaterThan(3);
  });

  it('and never answers is an error that says so, and the next run succeeds', async () => {
    hub.fault = () => ({ silent: true });
    await expect(load(id)).rejects.toMatchObject({
      code: 'HUB',
      message: expect.stringMatching(/the hub cannot be reached at http:.*: no answer for 1 s/),
    });
    expect(hub.requests).toHaveLength(5);
    hub.fault = () => undefined;
    await load(id);
  });

  it('is asked again for the rest', async () => {
    hub.fault = ({ path: where, range }) =>
      where === '/lfs/model.safetensors' && range === 0 ? { stallAfter: 100_000 } : undefined;
    await load(id);
    expect(ofWeights()).toEqual([0, expect.any(Number)]);
    expect(ofWeights()[1]).toBeGreaterThan(0);
  });

  it('for good is an error that says so, and the next run goes on', async () => {
    hub.fault = ({ path: where, range }) =>
      where === '/lfs/model.safetensors' ? { stallAfter: range === 0 ? 100_000 : 0 } : undefined;
    await expect(load(id)).rejects.toMatchObject({
      code: 'HUB',
      message: expect.stringMatching(/model.safetensors stopped at \d+ of \d+ bytes: nothing came for/),
    });
    hub.fault = () => undefined;
    hub.requests.length = 0;
    await load(id);
    expect(ofWeights()).toEqual([expect.any(Number)]);
    expect(ofWeights()[0]).toBeGreaterThan(0);
  });
});
