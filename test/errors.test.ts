import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AltCLIPErrorCode, AltCLIPModel, AltCLIPProcessor, Tensor } from '../lib';
import { demoImages, fixture, temporaryFolder } from './helpers/fixtures';
import { disposeAll, goldenModels, type Loaded, loadAll } from './helpers/goldens';

const folder = temporaryFolder();
const ids = (rows: number, columns: number, id = 5n): Tensor<'int64'> =>
  new Tensor('int64', new BigInt64Array(rows * columns).fill(id), [rows, columns]);
const floats = (...dims: number[]): Tensor<'float32'> =>
  new Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(0.1), dims);
const images = (n: number, height = 32, width = height, channels = 3): Tensor<'float32'> =>
  floats(n, channels, height, width);

let loaded: Loaded;
beforeAll(async () => {
  loaded = await loadAll(fixture('models', 'tiny'), 'f32', folder);
});
afterAll(() => disposeAll(loaded));

/** Each error of the goldens, for models/tiny: 1000 tokens, 64 positions, 1 token type, 64 wide, 32 pixels, patch 8. */
const calls: Record<string, [call: () => Promise<unknown>, message: RegExp]> = {
  image_size: [() => loaded.vision({ pixel_values: images(1, 40, 32) }), /pixel_values: .*40, 32.*32 x 32/],
  image_channels: [() => loaded.vision({ pixel_values: images(1, 32, 32, 4) }), /pixel_values: .*3 channels/],
  image_smaller_than_patch: [
    () => loaded.vision({ pixel_values: images(1, 4), interpolate_pos_encoding: true }),
    /pixel_values: .*patch of 8/,
  ],
  image_rank3: [() => loaded.vision({ pixel_values: floats(3, 32, 32) }), /pixel_values: got 3 dimensions/],
  text_too_long: [() => loaded.text({ input_ids: ids(1, 63) }), /63|62/],
  token_id_too_large: [() => loaded.text({ input_ids: ids(1, 4, 1000n) }), /1000/],
  token_id_negative: [() => loaded.text({ input_ids: ids(1, 4, -1n) }), /-1/],
  position_id_too_large: [() => loaded.text({ input_ids: ids(1, 4), position_ids: ids(1, 4, 64n) }), /position.*64/],
  token_type_too_large: [() => loaded.text({ input_ids: ids(1, 4), token_type_ids: ids(1, 4, 1n) }), /token.type.*1/],
  both_ids_and_embeds: [
    () => loaded.text({ input_ids: ids(1, 4), inputs_embeds: floats(1, 4, 64) }),
    /both of input_ids and inputs_embeds/,
  ],
  neither_ids_nor_embeds: [() => loaded.text({}), /neither of input_ids and inputs_embeds/],
  embeds_wrong_width: [() => loaded.text({ inputs_embeds: floats(1, 4, 63) }), /inputs_embeds: got width 63.*64/],
  mask_wrong_length: [
    () => loaded.text({ input_ids: ids(1, 4), attention_mask: ids(1, 5, 1n) }),
    /attention_mask: got shape \[1, 5\], expected \[1, 4\]/,
  ],
  ids_float: [() => loaded.text({ input_ids: floats(1, 4) }), /input_ids: got a float32 tensor, expected int64/],
  text_empty: [() => loaded.text({ input_ids: ids(1, 0) }), /input_ids: got shape \[1, 0\]/],
  ids_rank1: [() => loaded.text({ input_ids: [5, 6, 7] }), /input_ids: got 1 dimensions \[3\], expected 2/],
  model_without_pixels: [() => loaded.model({ input_ids: ids(1, 4) }), /pixel_values: got nothing/],
  model_without_ids: [() => loaded.model({ pixel_values: images(1) }), /neither of input_ids and inputs_embeds/],
  model_inputs_embeds: [
    () => loaded.model({ inputs_embeds: floats(1, 4, 64), pixel_values: images(1) } as never),
    /inputs_embeds: AltCLIPModel.forward takes input_ids only/,
  ],
  loss_unequal: [
    () => loaded.model({ input_ids: ids(2, 4), pixel_values: images(1), return_loss: true }),
    /return_loss: got 2 texts and 1 images/,
  ],
  loss_unequal_more_images: [
    () => loaded.model({ input_ids: ids(1, 4), pixel_values: images(2), return_loss: true }),
    /return_loss: got 1 texts and 2 images/,
  ],
};

describe('what transformers refuses', () => {
  const listed = goldenModels().find((golden) => golden.name === 'tiny')?.errors ?? [];

  it.each(listed)('$id: $what', async ({ id }) => {
    const [call, message] = calls[id] ?? [];
    await expect(call?.()).rejects.toMatchObject({
      name: 'AltCLIPError',
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message as RegExp) as string,
    });
  });
});

describe('more bad input', () => {
  const nan = images(1);
  nan.data[7] = Number.NaN;

  it.each<[string, () => Promise<unknown>, RegExp]>([
    ['NaN in pixel_values', () => loaded.vision({ pixel_values: nan }), /pixel_values.*(NaN|finite)/i],
    ['NaN in inputs_embeds', () => loaded.text({ inputs_embeds: nan.view(1, 48, 64) }), /inputs_embeds.*(NaN|finite)/i],
    ['a negative position', () => loaded.text({ input_ids: ids(1, 4), position_ids: ids(1, 4, -1n) }), /position.*-1/],
    ['no images', () => loaded.vision({ pixel_values: images(0) }), /at least one image/],
    ['no texts', () => loaded.text({ input_ids: ids(0, 4) }), /at least one text/],
    ['a mask of other rows', () => loaded.text({ input_ids: ids(3, 4), attention_mask: ids(2, 4, 1n) }), /\[3, 4\]/],
    [
      'a flag that is no boolean',
      () => loaded.text({ input_ids: ids(1, 4), output_attentions: 1 } as never),
      /output_at/,
    ],
    ['no object', () => loaded.model(undefined as never), /AltCLIPModel.forward: got undefined/],
    ['features of no images', () => loaded.model.get_image_features({}), /pixel_values: got nothing/],
  ])('%s', async (_, call, message) => {
    await expect(call()).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message) as string,
    });
  });

  it('leaves the model working', async () => {
    const { logits_per_image } = await loaded.model({ input_ids: [[0, 5, 2]], pixel_values: images(1) });
    expect(logits_per_image.dims).toEqual([1, 1]);
    expect(Number.isFinite(logits_per_image.item())).toBe(true);
  });

  it('carries the stack of the caller', async () => {
    async function theCaller(): Promise<unknown> {
      return await loaded.text({ input_ids: ids(1, 4, 1000n) });
    }
    const error = await theCaller().catch((reason: unknown) => reason);
    expect((error as Error).stack).toContain('theCaller');
  });
});

describe('images that cannot be read', () => {
  it.each<[string, (file: string) => void, AltCLIPErrorCode]>([
    ['a text file named .jpg', (file) => writeFileSync(file, 'not a picture\n'), 'IMAGE'],
    [
      'a truncated JPEG',
      (file) => writeFileSync(file, readFileSync(fixture('inputs', 'photos', 'china.jpg')).subarray(0, 20_000)),
      'IMAGE',
    ],
    ['a missing file', () => undefined, 'IO'],
  ])('%s', async (name, write, code) => {
    const file = path.join(folder, `${name}.jpg`);
    write(file);
    const processor = await AltCLIPProcessor.from_pretrained('demo');
    await expect(processor({ images: file })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(file) as string,
    });
    const stream = loaded.model.encode_images([path.join(demoImages, 'lion.png'), file], { batch_size: 1 });
    await stream.next();
    await expect(stream.next()).rejects.toMatchObject({ code });
  });

  it.each([{}, { images: null }, { text: null, images: null }])('neither text nor images: %o', async (inputs) => {
    const processor = await AltCLIPProcessor.from_pretrained('demo');
    await expect(processor(inputs as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('neither text nor images') as string,
    });
  });
});

describe('models that are gone or going', () => {
  it('a disposed model', async () => {
    const model = await AltCLIPModel.from_pretrained('demo');
    await model.dispose();
    await model.dispose();
    await expect(model.get_text_features({ input_ids: [[0, 5, 2]] })).rejects.toMatchObject({ code: 'DISPOSED' });
  });

  it('a model disposed in the middle of work', async () => {
    const model = await AltCLIPModel.from_pretrained('demo');
    const calls = Promise.allSettled(
      Array.from({ length: 8 }, () => model.get_image_features({ pixel_values: images(64, 64) })),
    );
    await model.dispose();
    for (const result of await calls) {
      if (result.status === 'rejected') expect(['DISPOSED', 'ABORTED']).toContain(result.reason.code);
    }
  });

  it('a signal aborted before work', async () => {
    const signal = AbortSignal.abort(new Error('before'));
    const aborted = { code: 'ABORTED', name: 'AbortError', cause: { message: 'before' } };
    await expect(loaded.text({ input_ids: ids(1, 4), signal })).rejects.toMatchObject(aborted);
    await expect(AltCLIPModel.from_pretrained('demo', { signal })).rejects.toMatchObject(aborted);
    await expect(AltCLIPModel.from_pretrained(fixture('models', 'tiny'), { signal })).rejects.toMatchObject(aborted);
    const processor = await AltCLIPProcessor.from_pretrained('demo');
    await expect(processor({ images: path.join(demoImages, 'lion.png'), signal })).rejects.toMatchObject(aborted);
  });

  it('a signal aborted during work', async () => {
    const controller = new AbortController();
    const call = loaded.vision({ pixel_values: images(512), signal: controller.signal });
    setImmediate(() => controller.abort(new Error('during')));
    await expect(call).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'during' } });
    expect((await loaded.vision({ pixel_values: images(1) })).pooler_output.dims).toEqual([1, 64]);
  });
});
