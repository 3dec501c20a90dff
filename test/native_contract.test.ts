import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type NativeAddon,
  type NativeEncoding,
  type NativeModel,
  type NativeModelFile,
  type NativeTokenizer,
  type NativeWanted,
  native,
} from '../lib/native';
import { fixture, temporaryFolder } from './helpers/fixtures';

/** What each name of an interface must be at run time; the compiler sees to it that no name is left out. */
type Shape<T> = { [K in keyof Required<T>]: Kind };
type Kind = 'function' | 'number' | 'string' | 'boolean' | 'object' | 'array' | 'Int32Array' | 'Uint32Array' | 'absent';

const addon: Shape<NativeAddon> = {
  AbortFlag: 'function',
  loadModel: 'function',
  listDevices: 'function',
  readModelFile: 'function',
  convertModel: 'function',
  copyModel: 'function',
  loadTokenizer: 'function',
  preprocessImage: 'function',
  similarity: 'function',
  systemInfo: 'function',
  shutDown: 'function',
};

const model: Shape<NativeModel> = {
  name: 'string',
  dtype: 'string',
  bytes: 'number',
  device: 'string',
  threads: 'number',
  logitScale: 'number',
  hparams: 'object',
  encodeText: 'function',
  encodeImage: 'function',
  dispose: 'function',
};

const modelFile: Shape<NativeModelFile> = {
  name: 'string',
  dtype: 'string',
  bytes: 'number',
  hparams: 'object',
  preprocessor: 'object',
  hasTokenizer: 'boolean',
  packedLayout: 'absent', // the demo is not packed
  tensors: 'array',
};

const tokenizer: Shape<NativeTokenizer> = {
  vocabSize: 'number',
  specialTokens: 'object',
  modelMaxLength: 'number',
  paddingSide: 'string',
  truncationSide: 'string',
  cleanUpTokenizationSpaces: 'boolean',
  modelInputNames: 'array',
  encode: 'function',
  encodeBatch: 'function',
  idToToken: 'function',
  tokenToId: 'function',
  decode: 'function',
  writeJson: 'function',
};

const encoding: Shape<NativeEncoding> = { ids: 'Int32Array', offsets: 'Uint32Array' };

function kindOf(value: unknown): Kind {
  if (value === undefined) return 'absent';
  if (Array.isArray(value)) return 'array';
  if (ArrayBuffer.isView(value)) return value.constructor.name as Kind;
  return typeof value as Kind;
}

function shapeOf<T extends object>(value: T, names: Shape<T>): Record<string, Kind> {
  return Object.fromEntries(Object.keys(names).map((name) => [name, kindOf(value[name as keyof T])]));
}

const demo = path.join(__dirname, '..', 'models', 'demo.gguf');
const wanted: NativeWanted = {
  lastHiddenState: true,
  poolerOutput: true,
  features: true,
  hiddenStates: true,
  attentions: true,
};

describe('the addon', () => {
  it('exports exactly what lib/native.ts says', () => {
    expect(Object.keys(native).sort()).toEqual(Object.keys(addon).sort());
    expect(shapeOf(native, addon)).toEqual(addon);
    expect(kindOf(new native.AbortFlag().abort)).toBe('function');
    expect(native.systemInfo()).toMatch(/ggml/i);
  });

  it('reads a model file', async () => {
    const file = await native.readModelFile(demo);
    expect(shapeOf(file, modelFile)).toEqual(modelFile);
    expect(Object.keys(file).filter((key) => !(key in modelFile))).toEqual([]);
    expect(file.hparams).toMatchObject({
      projectionDim: 128,
      text: { hiddenSize: 192, numHiddenLayers: 3, vocabSize: 8002, hiddenAct: 'gelu', projectDim: 192, padTokenId: 1 },
      vision: { hiddenSize: 192, numHiddenLayers: 4, imageSize: 64, patchSize: 8, hiddenAct: 'quick_gelu' },
    });
    const table = file.tensors.find((tensor) => tensor.name === 't.token_embd.weight');
    expect(table).toEqual({
      name: 't.token_embd.weight',
      type: 'q8_0',
      shape: [8002, 192],
      bytes: (8002 * 192 * 34) / 32,
    });
  });

  it('loads and runs a model', async () => {
    const fractions: number[] = [];
    const onProgress = (fraction: number): number => fractions.push(fraction);
    const loaded = await native.loadModel(demo, { towers: ['text', 'vision'], device: 'cpu', threads: 2, onProgress });
    expect(shapeOf(loaded, model)).toEqual(model);
    expect(loaded.threads).toBe(2);
    expect(Math.max(...fractions)).toBe(1);

    const text = await loaded.encodeText(
      { rows: 2, columns: 3, inputIds: BigInt64Array.of(0n, 9n, 2n, 0n, 7n, 2n) },
      wanted,
    );
    expect(Object.keys(text).sort()).toEqual(
      ['attentions', 'features', 'hiddenStates', 'lastHiddenState', 'poolerOutput', 'tokens'].sort(),
    );
    expect(text.tokens).toBe(3);
    expect(text.lastHiddenState).toBeInstanceOf(Float32Array);
    expect(text.lastHiddenState?.length).toBe(2 * 3 * 192);
    expect(text.poolerOutput?.length).toBe(2 * 192);
    expect(text.features?.length).toBe(2 * 128);
    expect(text.hiddenStates?.map((state) => state.length)).toEqual(Array(4).fill(2 * 3 * 192));
    expect(text.attentions?.map((attention) => attention.length)).toEqual(Array(3).fill(2 * 3 * 3 * 3));

    const pixels = { images: 1, channels: 3, height: 64, width: 64, interpolatePosEncoding: false };
    const featuresOnly = {
      ...wanted,
      lastHiddenState: false,
      poolerOutput: false,
      hiddenStates: false,
      attentions: false,
    };
    const image = await loaded.encodeImage({ ...pixels, pixelValues: new Float32Array(3 * 64 * 64) }, featuresOnly);
    expect(Object.keys(image).sort()).toEqual(['features', 'tokens']);
    expect(image.tokens).toBe(65);
    expect(image.features?.length).toBe(128);
    await loaded.dispose();
  });

  it('loads and runs a tokenizer', async () => {
    const loaded = await native.loadTokenizer(demo);
    expect(shapeOf(loaded, tokenizer)).toEqual(tokenizer);
    expect(loaded.specialTokens).toEqual({ bos: 0, eos: 2, unk: 3, sep: 2, pad: 1, cls: 0, mask: 8001 });
    expect(shapeOf(loaded.encode('red apple', true), encoding)).toEqual(encoding);
    expect(loaded.encode('red apple', false).offsets).toBeUndefined();
    expect(loaded.encodeBatch(['a', 'b'], false).ends).toHaveLength(2);
  });

  it('converts, preprocesses and compares', async () => {
    const output = path.join(temporaryFolder(), 'tiny.gguf');
    const report = await native.convertModel({ source: fixture('models', 'tiny'), output, dtype: 'f16' });
    expect(Object.keys(report).sort()).toEqual(['bytes', 'dtype', 'tensors']);
    expect(report.dtype).toBe('f16');

    const rgb = new Uint8Array(3 * 4 * 2).fill(9);
    expect(await native.preprocessImage(rgb, 4, 2, {})).toEqual(rgb);
    const scaled = await native.preprocessImage(rgb, 4, 2, { rescaleFactor: 1 / 255 });
    expect(scaled).toBeInstanceOf(Float32Array);

    const similarity = await native.similarity(Float32Array.of(3, 0), Float32Array.of(0, 2, 5, 0), 2, 0);
    expect(similarity).toEqual({
      textEmbeds: Float32Array.of(1, 0),
      imageEmbeds: Float32Array.of(0, 1, 1, 0),
      logitsPerText: Float32Array.of(0, 1),
    });
  });

  it('throws errors that the facade knows', async () => {
    await expect(
      native.loadModel('missing.gguf', { towers: ['text'], device: 'cpu', threads: 1 }),
    ).rejects.toMatchObject({
      code: 'IO',
      altclip: true,
    });
  });

  const wrong: Record<string, () => unknown> = {
    'loadModel()': () => native.loadModel(undefined as never, undefined as never),
    'loadModel with towers of another kind': () =>
      native.loadModel(demo, { towers: ['audio' as never], device: 'cpu', threads: 1 }),
    'loadModel onto a device that there is none of': () =>
      native.loadModel(demo, { towers: ['text'], device: 'vulkan:99', threads: 1 }),
    'readModelFile(number)': () => native.readModelFile(7 as never),
    'convertModel({})': () => native.convertModel({} as never),
    'copyModel({})': () => native.copyModel({} as never),
    'copyModel of another tower': () => native.copyModel({ source: demo, output: 'x', tower: 'audio' as never }),
    'loadTokenizer()': () => native.loadTokenizer(undefined as never),
    'preprocessImage with few bytes': () => native.preprocessImage(new Uint8Array(3), 4, 4, {}),
    'similarity of other widths': () => native.similarity(new Float32Array(3), new Float32Array(4), 2, 0),
  };

  it.each(Object.keys(wrong))('refuses %s', async (name) => {
    await expect((async () => wrong[name]?.())()).rejects.toBeInstanceOf(Error);
  });
});
