import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AltCLIPModel, AltCLIPProcessor, type ProgressInfo, pipeline } from '../lib';
import { loadConfig, loadPreprocessorConfig, resolveModel, resolveTokenizerFile } from '../lib/loading/loading';
import { fixture, readJson, temporaryFolder } from './helpers/fixtures';

const tiny = fixture('models', 'tiny');
const e2e = fixture('models', 'tiny-e2e');
const root = temporaryFolder();
let cache_dir: string;
let count = 0;

beforeEach(() => {
  cache_dir = path.join(root, `cache-${count++}`);
});
afterEach(() => vi.unstubAllEnvs());

const modelFile = async (...args: Parameters<typeof resolveModel>): Promise<string> =>
  (await resolveModel(...args)).file;
const ggufs = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.gguf'));

describe('a folder', () => {
  it('is converted once and found again', async () => {
    const first = await modelFile(tiny, { cache_dir, dtype: 'f16' });
    const events: ProgressInfo[] = [];
    const again = await modelFile(tiny, { cache_dir, dtype: 'f16', progress_callback: (info) => events.push(info) });
    expect(again).toBe(first);
    expect(path.dirname(first)).toBe(cache_dir);
    expect(events.map((event) => event.status)).toEqual(['initiate', 'done']);
    expect(readdirSync(cache_dir)).toEqual([path.basename(first)]);
  });

  it('gives another file for another dtype, and when a source file changes', async () => {
    const copy = path.join(root, 'changing');
    cpSync(tiny, copy, { recursive: true });
    const first = await modelFile(copy, { cache_dir });
    expect(await modelFile(copy, { cache_dir, dtype: 'q8_0' })).not.toBe(first);
    utimesSync(path.join(copy, 'model.safetensors'), new Date(), new Date(2001, 1, 1));
    expect(await modelFile(copy, { cache_dir })).not.toBe(first);
    expect(ggufs(cache_dir).length).toBe(3);
  });

  it('is converted once for callers at the same time', async () => {
    const loaded: number[] = [0, 0, 0];
    const files = await Promise.all(
      loaded.map((_, i) =>
        modelFile(tiny, {
          cache_dir,
          progress_callback: (info) => {
            if (info.status === 'progress') loaded[i] = info.loaded;
          },
        }),
      ),
    );
    expect(new Set(files).size).toBe(1);
    expect(ggufs(cache_dir).length).toBe(1);
  });

  it('goes on for a caller when another aborts', async () => {
    const controller = new AbortController();
    const impatient = modelFile(tiny, { cache_dir, signal: controller.signal });
    const patient = modelFile(tiny, { cache_dir });
    controller.abort();
    await expect(impatient).rejects.toMatchObject({ code: 'ABORTED' });
    expect(ggufs(path.dirname(await patient)).length).toBe(1);
  });

  it('leaves nothing behind when every caller aborts, and can be converted then', async () => {
    const controller = new AbortController();
    const calls = [1, 2].map(() => modelFile(e2e, { cache_dir, signal: controller.signal }));
    setImmediate(() => controller.abort());
    for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('rejected');
    const file = await modelFile(e2e, { cache_dir });
    expect(readdirSync(cache_dir)).toEqual([path.basename(file)]);
  });

  it('without weights is an error that says what was expected', async () => {
    const folder = path.join(root, 'no-weights');
    mkdirSync(folder);
    cpSync(path.join(tiny, 'config.json'), path.join(folder, 'config.json'));
    await expect(AltCLIPModel.from_pretrained(folder, { cache_dir })).rejects.toMatchObject({
      code: 'MODEL_FORMAT',
      message: expect.stringMatching(/no-weights: no weights, expected model.safetensors/) as string,
    });
    await expect(AltCLIPProcessor.from_pretrained(folder)).rejects.toMatchObject({ code: 'IO' });
  });

  it('whose weights are damaged is an error, and nothing is cached', async () => {
    const folder = path.join(root, 'damaged');
    cpSync(tiny, folder, { recursive: true });
    const weights = path.join(folder, 'model.safetensors');
    writeFileSync(weights, readFileSync(weights).subarray(0, 5000));
    await expect(AltCLIPModel.from_pretrained(folder, { cache_dir })).rejects.toMatchObject({ code: 'MODEL_FORMAT' });
    expect(readdirSync(cache_dir)).toEqual([]);
  });

  it('with several files of weights is read by the documented preference', async () => {
    const inOrder = [
      'model.safetensors',
      'model.safetensors.index.json',
      'pytorch_model.bin',
      'pytorch_model.bin.index.json',
      'model-f16.gguf',
    ];
    const folder = path.join(root, 'several');
    mkdirSync(folder);
    cpSync(path.join(tiny, 'config.json'), path.join(folder, 'config.json'));
    for (const name of inOrder) writeFileSync(path.join(folder, name), 'no weights');
    for (const name of inOrder) {
      // the file that is read is the one that the error names
      await expect(AltCLIPModel.from_pretrained(folder, { cache_dir })).rejects.toMatchObject({
        message: expect.stringContaining(`${path.join(folder, name)}: `) as string,
      });
      rmSync(path.join(folder, name));
    }
    for (const name of ['model-f16.gguf', 'model-q8_0.gguf']) writeFileSync(path.join(folder, name), 'no weights');
    await expect(AltCLIPModel.from_pretrained(folder, { cache_dir, dtype: 'q8_0' })).rejects.toMatchObject({
      message: expect.stringContaining(`${path.join(folder, 'model-q8_0.gguf')}: `) as string,
    });
    await expect(AltCLIPModel.from_pretrained(folder, { cache_dir })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/several models, model-f16.gguf, model-q8_0.gguf/) as string,
    });
  });

  it('of several .gguf files is read from the one with the dtype in its name, with its configuration', async () => {
    const folder = path.join(root, 'several ggufs');
    mkdirSync(folder);
    for (const dtype of ['f16', 'q8_0'] as const) {
      cpSync(await modelFile(e2e, { cache_dir, dtype }), path.join(folder, `model-${dtype}.gguf`));
    }
    await using classifier = await pipeline('zero-shot-image-classification', folder, { dtype: 'q8_0' });
    expect(classifier.model.dtype).toBe('q8_0');
    expect(classifier.model.config.projection_dim).toBe((await loadConfig(e2e)).projection_dim);
  });

  it('may hold links to nothing', async () => {
    const folder = path.join(root, 'dangling');
    cpSync(tiny, folder, { recursive: true });
    symlinkSync('nowhere', path.join(folder, 'special_tokens_map.json'));
    await (await AltCLIPModel.from_pretrained(folder, { cache_dir })).dispose();
  });

  it.each(['initiate', 'progress', 'done', 'ready'])(
    'ends with what progress_callback throws at %s',
    async (status) => {
      const progress_callback = (info: ProgressInfo): void => {
        if (info.status === status) throw new RangeError(`thrown at ${status}`);
      };
      const loading = AltCLIPModel.from_pretrained(tiny, { cache_dir, progress_callback });
      await expect(loading).rejects.toThrow(new RangeError(`thrown at ${status}`));
    },
  );

  it('reports progress from start to end', async () => {
    const events: ProgressInfo[] = [];
    const model = await AltCLIPModel.from_pretrained(tiny, {
      cache_dir,
      progress_callback: (info) => events.push(info),
    });
    await model.dispose();
    expect(events[0]).toEqual({ status: 'initiate', name: tiny, file: 'model.safetensors' });
    expect(events.at(-1)).toEqual({ status: 'ready', name: tiny });
    for (const event of events) {
      if (event.status !== 'progress') continue;
      expect(event.progress).toBeGreaterThanOrEqual(0);
      expect(event.progress).toBeLessThanOrEqual(100);
      expect(event.loaded).toBeLessThanOrEqual(event.total);
    }
  });
});

describe('a GGUF file', () => {
  it('is taken as it is, with the configuration and preprocessing of the folder it was made from', async () => {
    const file = await modelFile(e2e, { cache_dir, dtype: 'f32' });
    expect(await modelFile(file)).toBe(file);
    expect(await resolveTokenizerFile(file)).toBe(file);
    expect(await loadPreprocessorConfig(file)).toMatchObject({ size: { shortest_edge: 224 }, do_normalize: true });
    const config = await loadConfig(file);
    const source = readJson<Record<string, Record<string, unknown>>>('models', 'tiny-e2e', 'config.json');
    for (const tower of ['text_config', 'vision_config']) {
      for (const [key, value] of Object.entries(config[tower] as Record<string, unknown>)) {
        if (key === 'projection_dim') continue; // of the whole model: the towers' own is not used by any
        if (typeof value === 'number') expect(value, key).toBeCloseTo(source[tower]?.[key] as number, 6);
        else expect(value, key).toEqual(source[tower]?.[key]);
      }
    }
    expect(config.projection_dim).toBe(source.projection_dim);
  });

  it('has one dtype only', async () => {
    await expect(AltCLIPModel.from_pretrained('demo', { dtype: 'f32' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/dtype: got f32, but .*demo.gguf holds q8_0/) as string,
    });
    const model = await AltCLIPModel.from_pretrained('demo', { dtype: 'q8_0' });
    expect(model.dtype).toBe('q8_0');
    expect(model.num_threads).toBeGreaterThan(0);
    await model.dispose();
  });

  it.each([
    ['text', () => Buffer.from('this is no model\n')],
    ['empty', () => Buffer.alloc(0)],
    ['truncated', () => readFileSync(path.join(__dirname, '..', 'models', 'demo.gguf')).subarray(0, 100_000)],
    ['weights cut off', () => readFileSync(path.join(__dirname, '..', 'models', 'demo.gguf')).subarray(0, 3_000_000)],
  ])('that is %s is an error naming the file', async (name, bytes) => {
    const file = path.join(root, `${name}.gguf`);
    writeFileSync(file, bytes());
    await expect(AltCLIPModel.from_pretrained(file)).rejects.toMatchObject({
      code: 'MODEL_FORMAT',
      message: expect.stringContaining(file) as string,
    });
  });
});

describe('names', () => {
  it.each([
    ['a missing path', './no/such/folder', 'IO', /no such file or folder/],
    ['a missing file', 'missing.gguf', 'IO', /missing.gguf: no such file/],
    ['an empty string', '', 'INVALID_ARGUMENT', /id_or_path/],
    ['no string', 7 as never, 'INVALID_ARGUMENT', /id_or_path: got number/],
    ['an id that is not downloaded', 'BAAI/AltCLIP', 'HUB', /BAAI\/AltCLIP: revision main is not in the cache/],
    ['a revision that is a path', 'BAAI/AltCLIP', 'INVALID_ARGUMENT', /revision/, '../../x'],
  ])('%s', async (_, id, code, message, revision?: string) => {
    vi.stubEnv('HF_HUB_CACHE', path.join(root, 'no-hub'));
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    await expect(AltCLIPModel.from_pretrained(id, { revision })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });

  it('finds an id in the cache of huggingface_hub', async () => {
    const hub = path.join(root, 'hub');
    const repository = path.join(hub, 'models--Some--Model');
    mkdirSync(path.join(repository, 'refs'), { recursive: true });
    writeFileSync(path.join(repository, 'refs', 'main'), 'abc123');
    cpSync(e2e, path.join(repository, 'snapshots', 'abc123'), { recursive: true });
    vi.stubEnv('HF_HUB_CACHE', hub);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const file = await modelFile('Some/Model', { cache_dir });
    expect(path.basename(file)).toMatch(/^Some--Model-auto-/);
    expect(await resolveTokenizerFile('Some/Model', { revision: 'abc123' })).toMatch(/tokenizer\.json$/);
    await expect(modelFile('Some/Model', { revision: 'v2' })).rejects.toMatchObject({ code: 'HUB' });
  });

  it('takes the cache folder from ALTCLIP_CACHE', async () => {
    vi.stubEnv('ALTCLIP_CACHE', cache_dir);
    expect(path.dirname(await modelFile(tiny))).toBe(cache_dir);
  });

  it('names a cache folder that cannot be made', async () => {
    const file = path.join(root, 'a-file');
    writeFileSync(file, '');
    await expect(modelFile(tiny, { cache_dir: path.join(file, 'x') })).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringMatching(/set cache_dir or ALTCLIP_CACHE/) as string,
    });
  });
});

describe('options', () => {
  it.each([
    [{ dtype: 'int3' }, 'INVALID_ARGUMENT', /dtype: got "int3", expected auto, f32/],
    [{ device: 'tpu' }, 'INVALID_ARGUMENT', /device: got "tpu", expected 'auto', 'cpu', 'cuda', 'metal', 'vulkan'/],
    [{ device: 'cuda:x' }, 'INVALID_ARGUMENT', /device: got "cuda:x"/],
    [{ device: 7 }, 'INVALID_ARGUMENT', /device: got 7/],
    [{ num_threads: -1 }, 'INVALID_ARGUMENT', /num_threads: got -1/],
  ])('%j', async (options, code, message) => {
    await expect(AltCLIPModel.from_pretrained('demo', options as never)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });
});
