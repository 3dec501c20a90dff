import { invalid } from './errors';

/** Element type -> its typed array: float32 Float32Array, int64 BigInt64Array, uint8 and bool Uint8Array. */
export interface TensorDataMap {
  float32: Float32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}
export type TensorType = keyof TensorDataMap;

/** What {@link Tensor.tolist} gives one element as: number, bigint (int64) or boolean (bool). */
export interface TensorElementMap {
  float32: number;
  int64: bigint;
  uint8: number;
  bool: boolean;
}

export type NestedArray<E> = E | NestedArray<E>[];

const arrays = { float32: Float32Array, int64: BigInt64Array, uint8: Uint8Array, bool: Uint8Array } as const;

/**
 * A row-major n-dimensional array with the names of transformers.js: `type`, `data`, `dims`, `size`.
 *
 * `view`, `reshape`, `at` and iteration share the data; `softmax`, `normalize`, `transpose` and `slice` copy.
 */
export class Tensor<T extends TensorType = TensorType> {
  readonly type: T;
  readonly data: TensorDataMap[T];
  /** Lengths of the dimensions, slowest first; [] for a scalar. */
  readonly dims: readonly number[];

  /**
   * @param data a typed array of the type, or numbers (bigints, booleans) to be converted; not copied if typed.
   * @throws INVALID_ARGUMENT for an unknown type, another kind of data, or a size other than the product of `dims`.
   */
  constructor(type: T, data: TensorDataMap[T] | readonly (number | bigint | boolean)[], dims: readonly number[]) {
    const ArrayType = arrays[type];
    if (!Object.hasOwn(arrays, type)) {
      invalid(`Tensor type: got ${String(type)}, expected ${Object.keys(arrays).join(', ')}`);
    }
    if (!Array.isArray(dims) || !dims.every((n) => Number.isSafeInteger(n) && n >= 0)) {
      invalid(`Tensor dims: got ${shown(dims)}, expected an array of non-negative integers`);
    }
    const typed = Array.isArray(data) ? convert(type, data, 'Tensor data') : data;
    if (!(typed instanceof ArrayType)) {
      invalid(`Tensor data: got ${kindOf(typed)}, expected ${ArrayType.name} for type ${type}`);
    }
    if (typed.length !== product(dims)) {
      invalid(`Tensor data: got ${typed.length} elements, expected ${product(dims)} for dims [${dims.join(', ')}]`);
    }
    this.type = type;
    this.data = typed as TensorDataMap[T];
    this.dims = [...dims];
  }

  /** Number of elements. */
  get size(): number {
    return this.data.length;
  }

  /** Nested arrays of the dims' lengths; a scalar's only element. */
  tolist(): NestedArray<TensorElementMap[T]> {
    const build = (depth: number, start: number): NestedArray<TensorElementMap[T]> => {
      if (depth === this.dims.length) return this.element(start);
      const stride = product(this.dims.slice(depth + 1));
      return Array.from({ length: this.dims[depth] as number }, (_, i) => build(depth + 1, start + i * stride));
    };
    return build(0, 0);
  }

  /** The one element of a tensor of size 1. @throws INVALID_ARGUMENT for any other size. */
  item(): TensorElementMap[T] {
    if (this.size !== 1) invalid(`Tensor.item: got ${this.size} elements, expected 1`);
    return this.element(0);
  }

  /** Row `index` of the first dimension, sharing the data; negative counts from the end. @throws out of range. */
  at(index: number): Tensor<T> {
    const rows = this.rows('at');
    const row = Number.isInteger(index) ? (index < 0 ? index + rows : index) : -1;
    if (row < 0 || row >= rows) invalid(`Tensor.at: got ${index}, expected an index of ${rows} rows`);
    const dims = this.dims.slice(1);
    const stride = product(dims);
    return this.like(this.data.subarray(row * stride, (row + 1) * stride) as TensorDataMap[T], dims);
  }

  /** A copy of rows `start` to `end` (exclusive) of the first dimension; bounds as Array.slice. */
  slice(start?: number, end?: number): Tensor<T> {
    const rows = this.rows('slice');
    const from = clampIndex(start ?? 0, rows);
    const to = Math.max(from, clampIndex(end ?? rows, rows));
    const rest = this.dims.slice(1);
    const stride = product(rest);
    return this.like(this.data.slice(from * stride, to * stride) as TensorDataMap[T], [to - from, ...rest]);
  }

  /** Rows of the first dimension, sharing the data. */
  *[Symbol.iterator](): Generator<Tensor<T>> {
    for (let i = 0, n = this.rows('iterator'); i < n; i++) yield this.at(i);
  }

  /** The same data under other dims; one of them may be -1: what is left. @throws INVALID_ARGUMENT if sizes differ. */
  view(...dims: number[]): Tensor<T> {
    const open = dims.indexOf(-1);
    const known = product(dims.filter((_, i) => i !== open));
    return this.like(this.data, open < 0 ? dims : dims.map((n, i) => (i === open ? this.size / (known || 1) : n)));
  }

  /** As {@link view}, from an array. */
  reshape(dims: readonly number[]): Tensor<T> {
    return this.view(...dims);
  }

  /** A 2-D tensor [a, b] as [b, a]. @throws INVALID_ARGUMENT for any other rank. */
  transpose(): Tensor<T> {
    if (this.dims.length !== 2) invalid(`Tensor.transpose: got dims [${this.dims.join(', ')}], expected 2 dimensions`);
    const [rows, columns] = this.dims as [number, number];
    const out = this.data.slice() as TensorDataMap[T];
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) out[c * rows + r] = this.data[r * columns + c] as never;
    }
    return this.like(out, [columns, rows]);
  }

  /** exp(x) / sum(exp(x)) along `dim` (negative counts from the end). float32 only. */
  softmax(dim = -1): Tensor<'float32'> {
    return this.alongDim('softmax', dim, (lane) => {
      const highest = lane.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const powers = lane.map((x) => Math.exp(x - highest));
      const sum = powers.reduce((a, b) => a + b, 0);
      return powers.map((x) => x / sum);
    });
  }

  /** Each lane along `dim` over its p-norm, at least 1e-12, as torch.nn.functional.normalize does. float32 only. */
  normalize(p = 2, dim = -1): Tensor<'float32'> {
    if (!(p > 0)) invalid(`Tensor.normalize: got p ${p}, expected a number above 0`);
    return this.alongDim('normalize', dim, (lane) => {
      const norm = Math.max(lane.reduce((sum, x) => sum + Math.abs(x) ** p, 0) ** (1 / p), 1e-12);
      return lane.map((x) => x / norm);
    });
  }

  private element(index: number): TensorElementMap[T] {
    const value = this.data[index];
    return (this.type === 'bool' ? value !== 0 : value) as TensorElementMap[T];
  }

  private rows(method: string): number {
    const rows = this.dims[0];
    if (rows === undefined) invalid(`Tensor.${method}: got a scalar, expected at least 1 dimension`);
    return rows;
  }

  private like(data: TensorDataMap[T], dims: readonly number[]): Tensor<T> {
    return new Tensor(this.type, data, dims);
  }

  private alongDim(method: string, dim: number, map: (lane: Float64Array) => Float64Array): Tensor<'float32'> {
    if (this.type !== 'float32') invalid(`Tensor.${method}: got type ${this.type}, expected float32`);
    const axis = dim < 0 ? dim + this.dims.length : dim;
    const length = this.dims[axis];
    if (length === undefined) {
      invalid(`Tensor.${method}: got dim ${dim}, expected a dimension of dims [${this.dims.join(', ')}]`);
    }
    const source = this.data as Float32Array;
    const out = new Float32Array(source.length);
    const stride = product(this.dims.slice(axis + 1));
    const lane = new Float64Array(length);
    for (let start = 0; start < source.length; start += length * stride) {
      for (let i = start; i < start + stride; i++) {
        for (let k = 0; k < length; k++) lane[k] = source[i + k * stride] as number;
        map(lane).forEach((x, k) => {
          out[i + k * stride] = x;
        });
      }
    }
    return new Tensor('float32', out, this.dims);
  }
}

/** A tensor, or what can be made one: a number or bigint, or arrays of them nested to any depth. */
export type TensorLike = Tensor | NestedArray<number | bigint | boolean>;

/**
 * `value` as a tensor of `type` with `rank` dimensions (any, if absent).
 *
 * Integers widen (uint8 and bool to int64, all to float32); fractions never become integers.
 * @throws INVALID_ARGUMENT naming `name` for ragged or empty nesting, another rank, or elements of another type.
 */
export function toTensor<T extends TensorType>(
  value: unknown,
  type: T,
  rank: number | undefined,
  name: string,
): Tensor<T> {
  const tensor = value instanceof Tensor ? retyped(value, type, name) : fromNested(value, type, name);
  if (rank !== undefined && tensor.dims.length !== rank) {
    invalid(`${name}: got ${tensor.dims.length} dimensions [${tensor.dims.join(', ')}], expected ${rank}`);
  }
  return tensor;
}

function retyped<T extends TensorType>(tensor: Tensor, type: T, name: string): Tensor<T> {
  if (tensor.type === type) return tensor as Tensor as Tensor<T>;
  if (tensor.type === 'float32') invalid(`${name}: got a float32 tensor, expected ${type}`);
  return new Tensor(type, convert(type, Array.from<number | bigint>(tensor.data), name), tensor.dims);
}

function fromNested<T extends TensorType>(value: unknown, type: T, name: string): Tensor<T> {
  const dims: number[] = [];
  for (let level = value; Array.isArray(level) || isTypedArray(level); level = level[0]) {
    if (level.length === 0) invalid(`${name}: got an empty array, expected at least one element`);
    if (dims.length === 8) invalid(`${name}: got arrays nested more than 8 deep`);
    dims.push(level.length);
  }
  const flat: unknown[] = [];
  const collect = (level: unknown, depth: number): void => {
    const nested = Array.isArray(level) || isTypedArray(level);
    if (nested !== depth < dims.length || (nested && level.length !== dims[depth])) {
      invalid(`${name}: got rows of different lengths or depths, expected a rectangular array`);
    }
    if (nested) for (const item of level) collect(item, depth + 1);
    else flat.push(level);
  };
  collect(value, 0);
  return new Tensor(type, convert(type, flat, name), dims);
}

function convert<T extends TensorType>(type: T, values: readonly unknown[], name: string): TensorDataMap[T] {
  const out = new arrays[type](values.length) as TensorDataMap[T];
  values.forEach((value, i) => {
    out[i] = element(type, value, name) as never;
  });
  return out;
}

function element(type: TensorType, value: unknown, name: string): number | bigint {
  if (type === 'float32' && (typeof value === 'number' || typeof value === 'bigint')) return Number(value);
  if (type === 'bool' && (typeof value === 'boolean' || value === 0 || value === 1)) return Number(value);
  const whole = typeof value === 'bigint' || typeof value === 'boolean' || Number.isSafeInteger(value);
  if (type === 'int64' && whole) {
    const integer = BigInt(value as number);
    if (integer === BigInt.asIntN(64, integer)) return integer;
  }
  if (type === 'uint8' && Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255) {
    return value as number;
  }
  const expected = { float32: 'numbers', int64: 'integers', uint8: 'integers 0 to 255', bool: 'booleans' }[type];
  return invalid(`${name}: got ${typeof value === 'number' ? value : kindOf(value)}, expected ${expected}`);
}

type AnyTypedArray = ArrayLike<number | bigint> & Iterable<number | bigint>;

function isTypedArray(value: unknown): value is AnyTypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

function product(dims: readonly number[]): number {
  return dims.reduce((a, b) => a * b, 1);
}

function clampIndex(index: number, length: number): number {
  return Math.min(Math.max(index < 0 ? index + length : index, 0), length);
}

/** What a value is, for messages: null, its class, or its type. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === 'object' ? (value.constructor?.name ?? 'an object') : typeof value;
}

/** A value as JSON for a message, or its kind where it has no such form. */
export function shown(value: unknown): string {
  try {
    return JSON.stringify(value, numberless) ?? kindOf(value);
  } catch {
    return kindOf(value);
  }
}

/** JSON has no NaN, no infinity and no bigint, but a message should name them. */
function numberless(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
