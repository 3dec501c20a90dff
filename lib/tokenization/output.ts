import { invalid } from '../errors';
import type { NativeTokenizer } from '../native';
import { Tensor } from '../tensor';
import type { ResolvedOptions } from './options';
import type { Row, Tokens } from './rows';

/** What a tokenizer's call gives: int64 tensors; the optional ones where they were asked for. */
export interface BatchEncoding {
  /** [rows, tokens]. */
  input_ids: Tensor<'int64'>;
  /** [rows, tokens], zeros: XLM-RoBERTa has one type. */
  token_type_ids?: Tensor<'int64'>;
  /** [rows, tokens]: 1 at tokens, 0 at padding; there unless model_input_names or the call leaves it out. */
  attention_mask?: Tensor<'int64'>;
  /** [rows, tokens]: 1 at <s>, </s> and padding that the tokenizer added. */
  special_tokens_mask?: Tensor<'int64'>;
  /** [rows, tokens, 2]: begin and end in the text, in UTF-16 code units. */
  offset_mapping?: Tensor<'int64'>;
  /** [rows]: tokens of each row, padding included. */
  length?: Tensor<'int64'>;
  /** [rows]: the text each row comes from. */
  overflow_to_sample_mapping?: Tensor<'int64'>;
  [name: string]: Tensor<'int64'> | undefined;
}

/** One row of numbers where one text was given, else rows. */
export type NumberRows = number[] | number[][];

/** {@link BatchEncoding} as arrays of numbers, with return_tensor: false. */
export interface BatchEncodingLists {
  input_ids: NumberRows;
  token_type_ids?: NumberRows;
  attention_mask?: NumberRows;
  special_tokens_mask?: NumberRows;
  offset_mapping?: [number, number][] | [number, number][][];
  length?: number[];
  overflow_to_sample_mapping?: number[];
}

type SpecialTokens = NativeTokenizer['specialTokens'];

/** What stands in one result, `width` numbers a token. */
interface Column {
  name: keyof BatchEncodingLists;
  width: 1 | 2;
  padding: number;
  cls: number;
  sep: number;
  /** Of a text's tokens: one number for all, or each one's own. */
  tokens: number | ((tokens: Tokens) => Int32Array | Uint32Array);
}

/** Those that were asked for, in transformers' order. */
function columns(options: ResolvedOptions, special: SpecialTokens): Column[] {
  const { pad, cls, sep } = special;
  const constant = { width: 1, padding: 0, cls: 0, sep: 0, tokens: 0 } as const;
  const result: Column[] = [{ name: 'input_ids', width: 1, padding: pad, cls, sep, tokens: ({ ids }) => ids }];
  if (options.tokenTypeIds) result.push({ ...constant, name: 'token_type_ids' });
  if (options.attentionMask) result.push({ ...constant, name: 'attention_mask', cls: 1, sep: 1, tokens: 1 });
  if (options.specialTokensMask) result.push({ ...constant, name: 'special_tokens_mask', padding: 1, cls: 1, sep: 1 });
  const offsets = (tokens: Tokens): Uint32Array => tokens.offsets as Uint32Array;
  if (options.offsets) result.push({ ...constant, name: 'offset_mapping', width: 2, tokens: offsets });
  return result;
}

/** Where a column's numbers go: those of int64 as the low halves of elements, `step` 2 apart. */
class Writer {
  constructor(
    private readonly out: number[] | Uint32Array,
    private readonly step: 1 | 2,
    private at: number,
  ) {}

  row({ text, pair, padLeft, padRight }: Row, column: Column, withSpecial: boolean): void {
    const { width, padding, cls, sep } = column;
    const added = withSpecial ? width : 0;
    this.fill(padding, padLeft * width);
    this.fill(cls, added);
    this.tokens(text, column);
    this.fill(sep, added);
    if (pair) {
      this.fill(sep, added);
      this.tokens(pair, column);
      this.fill(sep, added);
    }
    this.fill(padding, padRight * width);
  }

  private fill(value: number, n: number): void {
    const { out, step } = this;
    let { at } = this;
    for (let i = 0; i < n; ++i, at += step) out[at] = value;
    this.at = at;
  }

  private tokens(tokens: Tokens, column: Column): void {
    const { out, step } = this;
    const begin = tokens.begin * column.width;
    const end = tokens.end * column.width;
    if (typeof column.tokens === 'number') {
      this.fill(column.tokens, end - begin);
      return;
    }
    const values = column.tokens(tokens);
    let { at } = this;
    for (let i = begin; i < end; ++i, at += step) out[at] = values[i] as number;
    this.at = at;
  }
}

/** Tokens of a row, padding included. */
function paddedLength({ length, padLeft, padRight }: Row): number {
  return padLeft + length + padRight;
}

/**
 * Rows as tensors.
 * @throws INVALID_ARGUMENT where there is no row, or rows have different lengths.
 */
export function toTensors(rows: Row[], options: ResolvedOptions, special: SpecialTokens): BatchEncoding {
  if (rows[0] === undefined) invalid('text: got an empty array, expected at least one text');
  const n = paddedLength(rows[0]);
  const other = rows.find((row) => paddedLength(row) !== n);
  if (other) {
    invalid(
      `rows of ${n} and ${paddedLength(other)} tokens make no tensor; ` +
        'ask for padding: true, or for arrays with return_tensor: false',
    );
  }
  const result: Record<string, Tensor<'int64'>> = {};
  for (const column of columns(options, special)) {
    const { data, halves } = int64(rows.length * n * column.width);
    const writer = new Writer(halves, 2, lowHalf);
    for (const row of rows) writer.row(row, column, options.addSpecialTokens);
    const dims = column.width === 1 ? [rows.length, n] : [rows.length, n, column.width];
    result[column.name] = new Tensor('int64', data, dims);
  }
  for (const [name, values] of perRow(rows, options)) {
    result[name] = new Tensor('int64', BigInt64Array.from(values, BigInt), [rows.length]);
  }
  return result as BatchEncoding;
}

/** Zeros, and their 32-bit halves: a BigInt for each number would take most of a call. */
function int64(n: number): { data: BigInt64Array; halves: Uint32Array } {
  const data = new BigInt64Array(n);
  return { data, halves: new Uint32Array(data.buffer) };
}

/** Which of an element's two halves is the low one on this machine. */
const lowHalf = new Uint32Array(BigInt64Array.of(1n).buffer)[0] === 1 ? 0 : 1;

/** Rows as arrays of numbers; `single`: the only row's numbers alone. */
export function toLists(
  rows: Row[],
  options: ResolvedOptions,
  special: SpecialTokens,
  single: boolean,
): BatchEncodingLists {
  const result: Record<string, unknown> = {};
  for (const column of columns(options, special)) {
    const lists = rows.map((row) => {
      const list = new Array<number>(paddedLength(row) * column.width);
      new Writer(list, 1, 0).row(row, column, options.addSpecialTokens);
      return column.width === 1 ? list : inPairs(list);
    });
    result[column.name] = single ? lists[0] : lists;
  }
  for (const [name, values] of perRow(rows, options)) result[name] = values;
  return result as unknown as BatchEncodingLists;
}

function inPairs(numbers: number[]): [number, number][] {
  return Array.from({ length: numbers.length / 2 }, (_, i) => [numbers[2 * i] as number, numbers[2 * i + 1] as number]);
}

function perRow(rows: Row[], options: ResolvedOptions): [keyof BatchEncodingLists, number[]][] {
  const result: [keyof BatchEncodingLists, number[]][] = [];
  if (options.length) result.push(['length', rows.map(paddedLength)]);
  if (options.overflow) result.push(['overflow_to_sample_mapping', rows.map((row) => row.sample)]);
  return result;
}
