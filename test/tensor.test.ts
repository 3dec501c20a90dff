import { describe, expect, it } from 'vitest';
import { AltCLIPError } from '../lib/errors';
import { Tensor, toTensor } from '../lib/tensor';

const invalid = (message: RegExp) =>
  expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) as string });

function thrown(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('Tensor', () => {
  const matrix = new Tensor('float32', [1, 2, 3, 4, 5, 6], [2, 3]);

  it('holds type, data, dims and size', () => {
    expect(matrix.type).toBe('float32');
    expect(matrix.data).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    expect(matrix.dims).toEqual([2, 3]);
    expect(matrix.size).toBe(6);
  });

  it('keeps typed data without a copy and freezes nothing of the caller', () => {
    const data = new BigInt64Array(4);
    const dims = [2, 2];
    const tensor = new Tensor('int64', data, dims);
    dims[0] = 9;
    expect(tensor.data).toBe(data);
    expect(tensor.dims).toEqual([2, 2]);
  });

  it.each([
    ['type', () => new Tensor('float16' as 'float32', [], [0]), /type: got float16/],
    ['data', () => new Tensor('float32', new Float64Array(2) as never, [2]), /got Float64Array, expected Float32Array/],
    ['size', () => new Tensor('float32', [1, 2, 3], [2, 2]), /got 3 elements, expected 4 for dims \[2, 2\]/],
    ['dims', () => new Tensor('float32', [1], [1.5]), /dims: got \[1.5\]/],
    ['bigint dims', () => new Tensor('float32', [1], [1n as never]), /dims: got \["1n"\]/],
    ['negative dims', () => new Tensor('float32', [1], [-1]), /dims: got \[-1\]/],
    ['item', () => matrix.item(), /got 6 elements, expected 1/],
    ['at', () => matrix.at(2), /got 2, expected an index of 2 rows/],
    ['view', () => matrix.view(4, -1), /dims/],
    ['transpose', () => matrix.view(1, 2, 3).transpose(), /expected 2 dimensions/],
    ['softmax dim', () => matrix.softmax(2), /got dim 2/],
    ['softmax type', () => new Tensor('int64', [1n], [1]).softmax(), /got type int64/],
    ['normalize p', () => matrix.normalize(0), /got p 0/],
  ])('refuses a wrong %s', (_, body, message) => {
    expect(thrown(body)).toEqual(invalid(message));
    expect(thrown(body)).toBeInstanceOf(AltCLIPError);
  });

  it('tolist and item', () => {
    expect(matrix.tolist()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(new Tensor('int64', [1n, 2n], [2, 1]).tolist()).toEqual([[1n], [2n]]);
    expect(new Tensor('bool', [true, false], [2]).tolist()).toEqual([true, false]);
    expect(new Tensor('float32', [7], []).tolist()).toBe(7);
    expect(new Tensor('float32', [7], [1, 1]).item()).toBe(7);
    expect(new Tensor('float32', [], [0, 3]).tolist()).toEqual([]);
  });

  it('rows: at, slice, iteration', () => {
    expect(matrix.at(-1).tolist()).toEqual([4, 5, 6]);
    expect(matrix.slice(1).tolist()).toEqual([[4, 5, 6]]);
    expect(matrix.slice(-2, -1).tolist()).toEqual([[1, 2, 3]]);
    expect(matrix.slice(2, 1).dims).toEqual([0, 3]);
    expect([...matrix].map((row) => row.tolist())).toEqual(matrix.tolist());
  });

  it('view, reshape, transpose', () => {
    expect(matrix.view(3, 2).tolist()).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    expect(matrix.reshape([-1]).dims).toEqual([6]);
    expect(matrix.transpose().tolist()).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ]);
  });

  it('softmax as torch gives it, without overflow', () => {
    // torch.tensor([[1., 2., 3.], [1000., 1001., 1002.]]).softmax(-1)
    const logits = new Tensor('float32', [1, 2, 3, 1000, 1001, 1002], [2, 3]);
    for (const row of logits.softmax(-1)) {
      expect([...row.data].map((x) => x.toFixed(6))).toEqual(['0.090031', '0.244728', '0.665241']);
    }
    // .softmax(0)
    expect(matrix.softmax(0).data[0]).toBeCloseTo(0.047426, 6);
    expect(matrix.softmax(0).data[3]).toBeCloseTo(0.952574, 6);
  });

  it('normalize as torch.nn.functional.normalize gives it', () => {
    const rows = new Tensor('float32', [3, 4, 0, 0], [2, 2]);
    expect(rows.normalize().data[0]).toBeCloseTo(0.6, 6);
    expect(rows.normalize().data[1]).toBeCloseTo(0.8, 6);
    expect(rows.normalize().at(1).tolist()).toEqual([0, 0]);
    expect(rows.normalize(1).data[0]).toBeCloseTo(3 / 7, 6);
    expect(rows.normalize(2, 0).data[0]).toBe(1);
  });
});

describe('toTensor', () => {
  it('takes nested numbers, bigints, booleans and typed arrays', () => {
    expect(toTensor([[1, 2n]], 'int64', 2, 'x').data).toEqual(BigInt64Array.of(1n, 2n));
    expect(toTensor([[true, false]], 'int64', 2, 'x').data).toEqual(BigInt64Array.of(1n, 0n));
    expect(toTensor([Float32Array.of(1, 2)], 'float32', 2, 'x').dims).toEqual([1, 2]);
    expect(toTensor([Int32Array.of(1, 2)], 'int64', 2, 'x').data).toEqual(BigInt64Array.of(1n, 2n));
  });

  it('widens integer tensors, keeps a tensor of the type', () => {
    const bytes = new Tensor('uint8', [0, 255], [1, 2]);
    expect(toTensor(bytes, 'float32', 2, 'x').data).toEqual(Float32Array.of(0, 255));
    expect(toTensor(bytes, 'int64', 2, 'x').data).toEqual(BigInt64Array.of(0n, 255n));
    expect(toTensor(bytes, 'uint8', 2, 'x')).toBe(bytes);
  });

  it.each([
    ['fraction', [[1.5]], /input_ids: got 1.5, expected integers/],
    ['float tensor', new Tensor('float32', [1], [1, 1]), /input_ids: got a float32 tensor, expected int64/],
    ['ragged', [[1, 2], [3]], /different lengths/],
    ['mixed depth', [[1], 2], /different lengths/],
    ['empty', [], /empty array/],
    ['rank', [1, 2], /got 1 dimensions \[2\], expected 2/],
    ['string', [['a']], /got string, expected integers/],
    ['null', null, /got null/],
    ['missing', undefined, /got undefined/],
    ['NaN', [[Number.NaN]], /got NaN/],
    ['too large for int64', [[2n ** 63n]], /input_ids: got bigint/],
    ['deep', JSON.parse('['.repeat(1000) + ']'.repeat(1000)), /nested more than 8 deep|empty array/],
  ])('refuses %s', (_, value, message) => {
    expect(thrown(() => toTensor(value, 'int64', 2, 'input_ids'))).toEqual(invalid(message));
  });
});
