import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AltCLIPModel, type DType, Tensor } from '../lib';
import { difference } from './helpers/compare';
import { fixture, temporaryFolder } from './helpers/fixtures';

const cache = temporaryFolder();
const checkpoint = fixture('demo/checkpoint');
const side = 64;

/** Lengths that share no tile of tokens: 1 to 37. */
const texts = Array.from({ length: 24 }, (_, i) =>
  Array.from({ length: 1 + ((i * 11) % 37) }, (_, j) => 4 + ((i * 79 + j * 101) % 900)),
);
const longest = Math.max(...texts.map((ids) => ids.length));
const padded = (rows: number[][]) => ({
  input_ids: rows.map((ids) => [...ids, ...Array(longest - ids.length).fill(1)]),
  attention_mask: rows.map((ids) => Array.from({ length: longest }, (_, j) => Number(j < ids.length))),
});
const pixels = (first: number, n: number) =>
  new Tensor(
    'float32',
    Float32Array.from({ length: n * 3 * side * side }, (_, i) => 2 * Math.sin((i + first * 3 * side * side) * 12.9898)),
    [n, 3, side, side],
  );

/** Rows of the embeddings, normalised. */
const rows = (features: Tensor): Float32Array[] => {
  const { data, dims } = features.normalize();
  const width = dims[1] as number;
  return Array.from({ length: dims[0] as number }, (_, i) => (data as Float32Array).slice(i * width, (i + 1) * width));
};
const largest = (a: Float32Array[], b: Float32Array[]) =>
  Math.max(...a.map((row, i) => difference(row, b[i] as Float32Array).maxAbs));

// Integer products are exact and so the same in every batch; float sums of one text alone may be taken in another order.
describe.each<[DType, number]>([
  ['f32', 1e-6],
  ['f16', 1e-6],
  ['bf16', 1e-6],
  ['q8_0', 0],
  ['q4_0', 0],
])('%s', (dtype, bound) => {
  let model: AltCLIPModel;
  beforeAll(async () => {
    model = await AltCLIPModel.from_pretrained(checkpoint, { dtype, cache_dir: cache });
  });
  afterAll(() => model.dispose());
  const textRow = async (ids: number[]) => rows(await model.get_text_features({ input_ids: [ids] }))[0] as Float32Array;

  it('gives a text the same embedding whatever the batch around it', async () => {
    const alone: Float32Array[] = [];
    for (const ids of texts) alone.push(await textRow(ids));
    const batched = rows(await model.get_text_features(padded(texts)));
    const reversed = rows(await model.get_text_features(padded(texts.toReversed()))).reverse();
    const merged = await Promise.all(texts.map(textRow));
    for (const other of [batched, reversed, merged]) expect(largest(alone, other)).toBeLessThanOrEqual(bound);
  });

  it('gives a picture the same embedding whatever the batch around it', async () => {
    const one = async (i: number) =>
      rows(await model.get_image_features({ pixel_values: pixels(i, 1) }))[0] as Float32Array;
    const alone: Float32Array[] = [];
    for (let i = 0; i < 7; ++i) alone.push(await one(i));
    const batched = rows(await model.get_image_features({ pixel_values: pixels(0, 7) }));
    const merged = await Promise.all(alone.map((_, i) => one(i)));
    for (const other of [batched, merged]) expect(largest(alone, other)).toBe(0);
  });
});

it('computes with several models at once what each computes alone', async () => {
  const dtypes: DType[] = ['f32', 'bf16', 'q8_0'];
  const models = await Promise.all(
    dtypes.map((dtype) => AltCLIPModel.from_pretrained(checkpoint, { dtype, cache_dir: cache })),
  );
  const work = async (model: AltCLIPModel) => [
    ...rows(await model.get_text_features(padded(texts))),
    ...rows(await model.get_image_features({ pixel_values: pixels(0, 7) })),
  ];
  const alone: Float32Array[][] = [];
  for (const model of models) alone.push(await work(model));
  const together = await Promise.all(models.map(work));
  for (const [i, one] of alone.entries()) expect(largest(one, together[i] as Float32Array[])).toBe(0);
  await Promise.all(models.map((model) => model.dispose()));
});

it('many calls wait for one signal, which stops them all', async () => {
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on('warning', note);
  const model = await AltCLIPModel.from_pretrained(checkpoint, { cache_dir: cache, dtype: 'f32' });
  const controller = new AbortController();
  const calls = Array.from({ length: 64 }, () =>
    model.get_image_features({ pixel_values: pixels(0, 2), signal: controller.signal }),
  );
  controller.abort();
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
  expect(await model.get_text_features({ input_ids: [[0, 5, 2]], signal: new AbortController().signal })).toBeDefined();
  await model.dispose();
  await new Promise(setImmediate);
  process.off('warning', note);
  expect(warnings).toEqual([]);
});
