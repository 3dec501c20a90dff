import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { AltCLIPModel, AltCLIPTextModel, AltCLIPVisionModel, Tensor } from '../lib';
import { abortable } from '../lib/abort';
import { AltCLIPError, type AltCLIPErrorCode, fromNative } from '../lib/errors';
import { type NativeConvertReport, type NativeDType, type NativeModelFile, native } from '../lib/native';
import { demoImages, fixture, readJson, temporaryFolder } from './helpers/fixtures';
import { type GgufTensor, readGguf } from './helpers/gguf';
import { readCheckpoint, type StoredTensor, writeCheckpoint } from './helpers/safetensors';

const folder = temporaryFolder();
const models = ['tiny', 'tiny-legacy-bin', 'tiny-sharded', 'tiny-f16', 'tiny-bf16', 'tiny-gelu-h80', 'tiny-e2e'];

async function convert(source: string, dtype: NativeDType | 'auto' = 'auto', output = path.join(folder, 'out.gguf')) {
  const report: NativeConvertReport = await fromNative(native.convertModel({ source, output, dtype }));
  return { report, output, ...readGguf(output) };
}

async function rowsOf(rows: AsyncIterable<Tensor<'float32'>>): Promise<Float32Array[]> {
  const all: Float32Array[] = [];
  for await (const { data } of rows) all.push(data);
  return all;
}

async function errorOf(call: Promise<unknown>): Promise<AltCLIPError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AltCLIPError);
  return error as AltCLIPError;
}

/** A few tensors of every kind by both names; the vision blocks are `layers` in tiny-sharded alone. */
const pairs: [gguf: string, source: RegExp][] = [
  ['logit_scale', /^logit_scale$/],
  ['t.token_embd.weight', /^text_model\.roberta\.embeddings\.word_embeddings\.weight$/],
  ['t.token_types.weight', /^text_model\.roberta\.embeddings\.token_type_embeddings\.weight$/],
  ['t.position_embd.weight', /^text_model\.roberta\.embeddings\.position_embeddings\.weight$/],
  ['t.embd_norm.bias', /^text_model\.roberta\.embeddings\.LayerNorm\.bias$/],
  ['t.blk.1.attn_q.weight', /^text_model\.roberta\.encoder\.layers?\.1\.attention\.self\.query\.weight$/],
  ['t.blk.1.attn_k.bias', /^text_model\.roberta\.encoder\.layers?\.1\.attention\.self\.key\.bias$/],
  ['t.blk.0.attn_v.weight', /^text_model\.roberta\.encoder\.layers?\.0\.attention\.self\.value\.weight$/],
  ['t.blk.0.attn_out.weight', /^text_model\.roberta\.encoder\.layers?\.0\.attention\.output\.dense\.weight$/],
  ['t.blk.1.ln1.weight', /^text_model\.roberta\.encoder\.layers?\.1\.attention\.output\.LayerNorm\.weight$/],
  ['t.blk.1.ffn_up.weight', /^text_model\.roberta\.encoder\.layers?\.1\.intermediate\.dense\.weight$/],
  ['t.blk.1.ffn_down.weight', /^text_model\.roberta\.encoder\.layers?\.1\.output\.dense\.weight$/],
  ['t.blk.0.ln2.bias', /^text_model\.roberta\.encoder\.layers?\.0\.output\.LayerNorm\.bias$/],
  ['t.post_ln.weight', /^text_model\.pre_LN\.weight$/],
  ['t.transform.weight', /^text_model\.transformation\.weight$/],
  ['t.projection.weight', /^text_projection\.weight$/],
  ['v.class_embd', /^vision_model\.embeddings\.class_embedding$/],
  ['v.patch_embd.weight', /^vision_model\.embeddings\.patch_embedding\.weight$/],
  ['v.position_embd.weight', /^vision_model\.embeddings\.position_embedding\.weight$/],
  ['v.pre_ln.bias', /^vision_model\.pre_layrnorm\.bias$/],
  ['v.blk.0.ln1.weight', /^vision_model\.encoder\.layers?\.0\.layer_norm1\.weight$/],
  ['v.blk.1.attn_q.weight', /^vision_model\.encoder\.layers?\.1\.self_attn\.q_proj\.weight$/],
  ['v.blk.1.attn_k.weight', /^vision_model\.encoder\.layers?\.1\.self_attn\.k_proj\.weight$/],
  ['v.blk.1.attn_v.bias', /^vision_model\.encoder\.layers?\.1\.self_attn\.v_proj\.bias$/],
  ['v.blk.0.attn_out.weight', /^vision_model\.encoder\.layers?\.0\.self_attn\.out_proj\.weight$/],
  ['v.blk.1.ln2.bias', /^vision_model\.encoder\.layers?\.1\.layer_norm2\.bias$/],
  ['v.blk.1.ffn_up.weight', /^vision_model\.encoder\.layers?\.1\.mlp\.fc1\.weight$/],
  ['v.blk.1.ffn_down.weight', /^vision_model\.encoder\.layers?\.1\.mlp\.fc2\.weight$/],
  ['v.post_ln.bias', /^vision_model\.post_layernorm\.bias$/],
  ['v.projection.weight', /^visual_projection\.weight$/],
];

function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** Round to nearest, ties to even. */
function numberToHalf(value: number): number {
  const magnitude = Math.abs(value);
  const exponent = Math.max(Math.floor(Math.log2(magnitude)), -14);
  const steps = magnitude * 2 ** (10 - exponent);
  let rounded = Math.floor(steps);
  if (steps - rounded > 0.5 || (steps - rounded === 0.5 && rounded % 2 === 1)) rounded++;
  return magnitude === 0 ? 0 : (value < 0 ? 0x8000 : 0) + (exponent + 14) * 1024 + rounded;
}

function widen({ dtype, bytes }: StoredTensor): Float32Array {
  if (dtype === 'F32') return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
  const bits = Uint32Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i));
  if (dtype === 'F16') return Float32Array.from(bits, halfToNumber);
  return new Float32Array(bits.map((half) => half << 16).buffer);
}

/** The bytes a tensor should have, worked out from the format's definition. */
function encode(values: Float32Array, type: GgufTensor['type']): Buffer {
  if (type === 'f32') return Buffer.from(values.buffer);
  if (type === 'f16') return Buffer.from(Uint16Array.from(values, numberToHalf).buffer);
  if (type === 'bf16') {
    const bits = new Uint32Array(values.buffer);
    return Buffer.from(Uint16Array.from(bits, (one) => (one + 0x7fff + ((one >>> 16) & 1)) >>> 16).buffer);
  }
  const bytes = Buffer.alloc((values.length / 32) * 34);
  for (let block = 0; block < values.length / 32; block++) {
    const part = values.subarray(32 * block, 32 * block + 32);
    const scale = Math.fround(part.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127);
    const inverse = scale ? Math.fround(1 / scale) : 0;
    bytes.writeUInt16LE(numberToHalf(scale), 34 * block);
    part.forEach((value, i) => {
      const scaled = Math.fround(value * inverse);
      bytes.writeInt8(Math.sign(scaled) * Math.round(Math.abs(scaled)), 34 * block + 2 + i);
    });
  }
  return bytes;
}

describe('values', () => {
  const dtypes = ['auto', 'f32', 'f16', 'bf16', 'q8_0'] as const;
  const cases = ['tiny', 'tiny-sharded', 'tiny-f16', 'tiny-bf16', 'tiny-gelu-h80'].flatMap((model) =>
    dtypes.map((dtype) => [model, dtype] as const),
  );
  it.each(cases)('of %s as %s are those of the checkpoint', async (model, dtype) => {
    const { tensors } = await convert(fixture('models', model), dtype);
    const source = readCheckpoint(fixture('models', model));
    for (const [name, pattern] of pairs) {
      const key = [...source.keys()].find((one) => pattern.test(one)) ?? '';
      const from = source.get(key) as StoredTensor;
      const to = tensors.get(name) as GgufTensor;
      expect(to.bytes.equals(encode(widen(from), to.type)), `${key} as ${name} (${to.type})`).toBe(true);
    }
    const own = { F32: 'f32', F16: 'f16', BF16: 'bf16' }[source.get('text_projection.weight')?.dtype ?? ''];
    expect(tensors.get('v.blk.0.ffn_up.weight')?.type).toBe(dtype === 'auto' ? own : dtype);
  });

  it('are the same whichever file holds them', async () => {
    for (const dtype of dtypes) {
      const digests = [];
      for (const model of ['tiny', 'tiny-legacy-bin', 'tiny-sharded']) {
        const { tensors } = await convert(fixture('models', model), dtype);
        const hash = createHash('sha256');
        for (const [name, { bytes }] of tensors) hash.update(name).update(bytes);
        digests.push(hash.digest('hex'));
      }
      expect(new Set(digests).size).toBe(1);
    }
  });
});

describe('a converted file', () => {
  it.each(models)('of %s is described by readModelFile', async (model) => {
    const { report, output, tensors } = await convert(fixture('models', model), 'q8_0');
    const info: NativeModelFile = await fromNative(native.readModelFile(output));
    expect(info).toMatchObject({ name: model, dtype: 'q8_0', bytes: report.bytes, hasTokenizer: model === 'tiny-e2e' });
    expect(info.tensors.map(({ name, type, shape, bytes }) => [name, type, shape, bytes])).toEqual(
      [...tensors].map(([name, { type, shape, bytes }]) => [name, type, shape, bytes.length]),
    );
    const config = readJson<{ projection_dim: number; text_config: Record<string, unknown> }>(
      'models',
      model,
      'config.json',
    );
    expect(info.hparams.projectionDim).toBe(config.projection_dim);
    expect(info.hparams.text).toMatchObject({
      hiddenSize: config.text_config.hidden_size,
      layerNormEps: config.text_config.layer_norm_eps,
      hiddenAct: config.text_config.hidden_act,
      typeVocabSize: config.text_config.type_vocab_size,
    });
    const { image_processor_type, feature_extractor_type, ...preprocessor } = readJson<Record<string, unknown>>(
      'models',
      model,
      'preprocessor_config.json',
    );
    expect(info.preprocessor).toEqual(preprocessor);
  });

  it('of the text tower embeds texts as the whole one, and refuses images', async () => {
    const source = fixture('models', 'tiny-e2e');
    const output = path.join(folder, 'text.gguf');
    const whole = path.join(folder, 'whole.gguf');
    await native.convertModel({ source, output: whole, dtype: 'q8_0' });
    await native.convertModel({ source, output, dtype: 'q8_0', tower: 'text' });
    const [both, one] = [await AltCLIPModel.from_pretrained(whole), await AltCLIPModel.from_pretrained(output)];
    const input_ids = [[0, 5, 6, 2]];
    expect(one.logit_scale).toBe(both.logit_scale);
    const features = await both.get_text_features({ input_ids });
    expect((await one.get_text_features({ input_ids })).data).toEqual(features.data);
    expect(await rowsOf(one.encode_texts(['a cat', '고양이']))).toEqual(
      await rowsOf(both.encode_texts(['a cat', '고양이'])),
    );
    const pixel_values = new Tensor('float32', new Float32Array(3 * 32 * 32), [1, 3, 32, 32]);
    for (const call of [
      async () => one.forward({ input_ids, pixel_values }),
      async () => one.get_image_features({ pixel_values }),
      async () => rowsOf(one.encode_images([])),
    ]) {
      const error = await errorOf(call());
      expect([error.code, error.message]).toEqual(['UNSUPPORTED', expect.stringMatching(/no vision tower.*no images/)]);
    }
    await (await AltCLIPTextModel.from_pretrained(output)).dispose();
    expect((await errorOf(AltCLIPVisionModel.from_pretrained(output))).message).toMatch(/no vision tower: .*loads/);
    await Promise.all([both.dispose(), one.dispose()]);
  });

  it('of the vision tower embeds images as the whole one, and refuses texts', async () => {
    const source = fixture('models', 'tiny-e2e');
    const output = path.join(folder, 'vision.gguf');
    const whole = path.join(folder, 'whole.gguf');
    await native.convertModel({ source, output: whole, dtype: 'q8_0' });
    await native.convertModel({ source, output, dtype: 'q8_0', tower: 'vision' });
    const [both, one] = [await AltCLIPModel.from_pretrained(whole), await AltCLIPModel.from_pretrained(output)];
    const image = path.join(demoImages, 'basketball.png');
    expect(one.logit_scale).toBe(both.logit_scale);
    expect(await rowsOf(one.encode_images([image]))).toEqual(await rowsOf(both.encode_images([image])));
    const input_ids = [[0, 5, 6, 2]];
    for (const call of [
      async () => one.forward({ input_ids }),
      async () => one.get_text_features({ input_ids }),
      async () => rowsOf(one.encode_texts(['a cat'])),
    ]) {
      const error = await errorOf(call());
      expect([error.code, error.message]).toEqual(['UNSUPPORTED', expect.stringMatching(/no text tower.*no texts/)]);
    }
    await (await AltCLIPVisionModel.from_pretrained(output)).dispose();
    expect((await errorOf(AltCLIPTextModel.from_pretrained(output))).message).toMatch(/no text tower: .*loads/);
    await Promise.all([both.dispose(), one.dispose()]);
  });

  it('of one tower needs no weights of the other', async () => {
    const whole = readCheckpoint(fixture('models', 'tiny-e2e'));
    const folderWith = (name: string, keep: (tensor: string) => boolean): string => {
      const target = path.join(folder, name);
      cpSync(fixture('models', 'tiny-e2e'), target, { recursive: true });
      writeCheckpoint(target, new Map([...whole].filter(([tensor]) => keep(tensor))));
      return target;
    };
    const ofVision = /^(?:vision_model\.|visual_projection)/;
    const make = async (source: string, tower?: 'text' | 'vision'): Promise<Buffer> => {
      const output = path.join(folder, 'one.gguf');
      await fromNative(native.convertModel({ source, output, dtype: 'q8_0', tower, name: 'same' }));
      return readFileSync(output);
    };
    const text = folderWith('text-only', (tensor) => !ofVision.test(tensor));
    const vision = folderWith('vision-only', (tensor) => ofVision.test(tensor) || tensor === 'logit_scale');
    const both = fixture('models', 'tiny-e2e');
    expect((await make(text, 'text')).equals(await make(both, 'text'))).toBe(true);
    expect((await make(vision, 'vision')).equals(await make(both, 'vision'))).toBe(true);
    expect((await errorOf(make(text))).message).toMatch(/'vision_model\.embeddings\.class_embedding' .* is missing/);
    expect((await errorOf(make(text, 'vision'))).message).toMatch(/'vision_model\.\S+' .* is missing/);
    const less = folderWith('less', (tensor) => !ofVision.test(tensor) && tensor !== 'text_projection.weight');
    expect((await errorOf(make(less, 'text'))).message).toMatch(/'text_projection\.weight' .* is missing/);
  });

  it('has the tokenizer of its folder', async () => {
    const a = await convert(fixture('models', 'tiny-e2e'));
    const b = await convert(fixture('models', 'tiny-e2e-spm'));
    expect(a.keys.get('tokenizer.ggml.model')).toBe('t5');
    const vocabulary = readJson<{ model: { vocab: [string, number][] } }>('models', 'tiny-e2e', 'tokenizer.json');
    const { vocab } = vocabulary.model;
    expect((a.keys.get('tokenizer.ggml.tokens') as string[]).slice(0, vocab.length)).toEqual(vocab.map(([t]) => t));
    expect((a.keys.get('tokenizer.ggml.scores') as number[]).slice(4, vocab.length - 1)).toEqual(
      vocab.slice(4, -1).map(([, score]) => Math.fround(score)),
    );
    const names = (keys: Map<string, unknown>): string[] => [...keys.keys()].filter((key) => key.includes('tokenizer'));
    expect(names(b.keys)).toEqual(names(a.keys));
    expect(b.keys.get('tokenizer.ggml.tokens')).toEqual(a.keys.get('tokenizer.ggml.tokens'));
  });

  it('can be made from a config alone, the same for the same seed', async () => {
    const config = readFileSync(fixture('models', 'tiny', 'config.json'), 'utf8');
    const digest = async (seed: number): Promise<string> => {
      const output = path.join(folder, 'random.gguf');
      await fromNative(native.convertModel({ source: { config, seed }, output, dtype: 'f16' }));
      return createHash('sha256').update(readFileSync(output)).digest('hex');
    };
    const first = await digest(1);
    expect(await digest(1)).toBe(first);
    expect(await digest(2)).not.toBe(first);
  });

  it('reports progress up to its end', async () => {
    const reports: [number, number][] = [];
    await native.convertModel({
      source: fixture('models', 'tiny'),
      output: path.join(folder, 'out.gguf'),
      dtype: 'f16',
      onProgress: (done, total) => reports.push([done, total]),
    });
    const [done, total] = reports.at(-1) ?? [];
    expect(done).toBe(total);
    expect(total).toBeGreaterThan(500_000);
  });
});

describe('bad input', () => {
  let count = 0;
  /** A folder of its own with a copy of a checkpoint in it. */
  function copyOf(model: string): { work: string; source: string; output: string } {
    const work = path.join(folder, `bad-${count++}`);
    const source = path.join(work, 'source');
    cpSync(fixture('models', model), source, { recursive: true });
    return { work, source, output: path.join(work, 'out.gguf') };
  }
  async function expectError(
    model: string,
    damage: (source: string) => void,
    code: AltCLIPErrorCode,
    message: string,
  ): Promise<void> {
    const { work, source, output } = copyOf(model);
    damage(source);
    const error = await errorOf(convert(source, 'auto', output));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(readdirSync(work)).toEqual(['source']);
  }
  const edit = (source: string, file: string, change: (bytes: Buffer) => Buffer | string): void =>
    writeFileSync(path.join(source, file), change(readFileSync(path.join(source, file))));

  it('a truncated safetensors file', () =>
    expectError(
      'tiny',
      (source) => edit(source, 'model.safetensors', (bytes) => bytes.subarray(0, 500_000)),
      'MODEL_FORMAT',
      'model.safetensors: ',
    ));
  it('a truncated pickle archive', () =>
    expectError(
      'tiny-legacy-bin',
      (source) => edit(source, 'pytorch_model.bin', (bytes) => bytes.subarray(0, 500_000)),
      'MODEL_FORMAT',
      'no directory at its end',
    ));
  it('a missing shard', () =>
    expectError(
      'tiny-sharded',
      (source) => rmSync(path.join(source, 'model-00002-of-00003.safetensors')),
      'IO',
      'model-00002-of-00003.safetensors: cannot be read',
    ));
  it('a folder without weights', () =>
    expectError('tiny', (source) => rmSync(path.join(source, 'model.safetensors')), 'IO', 'no weights in this folder'));
  it('a config of another size', () =>
    expectError(
      'tiny',
      (source) =>
        edit(source, 'config.json', (text) => text.toString().replace('"vocab_size": 1000', '"vocab_size": 999')),
      'MODEL_FORMAT',
      'has shape [1000, 64], expected [999, 64]',
    ));
  it('a vocabulary larger than the model', () =>
    expectError(
      'tiny',
      (source) => cpSync(fixture('models', 'tiny-e2e', 'tokenizer.json'), path.join(source, 'tokenizer.json')),
      'MODEL_FORMAT',
      'the tokenizer has 1112 tokens',
    ));

  it('a target that cannot be written', async () => {
    const error = await errorOf(
      convert(fixture('models', 'tiny'), 'auto', path.join(folder, 'no', 'such', 'out.gguf')),
    );
    expect(error.code).toBe('IO');
    expect(error.message).toContain('cannot be written');
    expect(existsSync(path.join(folder, 'no'))).toBe(false);
  });
  it('arguments of the wrong kind', async () => {
    const output = path.join(folder, 'never.gguf');
    const source = fixture('models', 'tiny');
    const wrong = [
      {},
      { source: 3, output, dtype: 'f32' },
      { source, output, dtype: 'f33' },
      { source: {}, output, dtype: 'f32' },
    ];
    for (const options of wrong) {
      const error = await errorOf(fromNative((async () => native.convertModel(options as never))()));
      expect(error.code).toBe('INVALID_ARGUMENT');
    }
    expect(existsSync(output)).toBe(false);
  });

  it('an abort in the middle leaves nothing', async () => {
    const work = path.join(folder, 'aborted');
    mkdirSync(work);
    // large enough to be in the middle of it when the first report comes
    const config = JSON.stringify({ text_config: { num_hidden_layers: 1 }, vision_config: { num_hidden_layers: 1 } });
    const controller = new AbortController();
    const conversion = abortable(controller.signal, (abort) =>
      native.convertModel({
        source: { config, seed: 0 },
        output: path.join(work, 'out.gguf'),
        dtype: 'f32',
        abort,
        onProgress: () => controller.abort(),
      }),
    );
    const error = await errorOf(conversion);
    expect(error.name).toBe('AbortError');
    await expect.poll(() => readdirSync(work), { timeout: 20_000 }).toEqual([]);
  });

  it('files that are no GGUF', async () => {
    const file = path.join(folder, 'foreign.gguf');
    writeFileSync(file, 'hello, world');
    const error = await errorOf(fromNative(native.readModelFile(file)));
    expect(error.code).toBe('MODEL_FORMAT');
    expect(error.message).toContain('not a GGUF file');
    expect((await errorOf(fromNative(native.readModelFile(path.join(folder, 'none.gguf'))))).code).toBe('IO');
  });
});
