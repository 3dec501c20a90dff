import { invalid } from '../errors';
import { Tensor } from '../tensor';
import type { ResolvedOptions } from './options';
import type { Row } from './rows';

/** What a tokenizer's call gives: int64 tensors; the optional ones where they were asked for. */
export interface BatchEncoding {
  /** [rows, tokens]. */
  input_ids: Tensor<'int64'>;
  /** [rows, tokens], zeros: XLM-RoBERTa has one type. */
  token_type_ids?: Tensor<'int64'>;
  /** [rows, tokens]: 1 at tokens, 0 at padding; absent only with return_attention_mask: false. */
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

/** A result's name -> each row's numbers, in transformers' order. */
function columns(options: ResolvedOptions): [keyof BatchEncodingLists, (row: Row) => number[]][] {
  const all: [boolean, keyof BatchEncodingLists, (row: Row) => number[]][] = [
    [true, 'input_ids', (row) => row.ids],
    [options.tokenTypeIds, 'token_type_ids', (row) => row.ids.map(() => 0)],
    [options.attentionMask, 'attention_mask', (row) => row.attentionMask],
    [options.specialTokensMask, 'special_tokens_mask', (row) => row.specialTokensMask],
  ];
  return all.filter(([wanted]) => wanted).map(([, name, of]) => [name, of]);
}

/**
 * Rows as tensors.
 * @throws INVALID_ARGUMENT where there is no row, or rows have different lengths.
 */
export function toTensors(rows: Row[], options: ResolvedOptions): BatchEncoding {
  const n = rows[0]?.ids.length;
  if (n === undefined) invalid('text: got an empty array, expected at least one text');
  const other = rows.find((row) => row.ids.length !== n);
  if (other) {
    invalid(
      `rows of ${n} and ${other.ids.length} tokens make no tensor; ` +
        'ask for padding: true, or for arrays with return_tensor: false',
    );
  }
  const result: Record<string, Tensor<'int64'>> = {};
  for (const [name, of] of columns(options)) result[name] = int64(rows.map(of), [rows.length, n]);
  if (options.offsets) {
    const offsets = rows.map((row) => row.offsets);
    result.offset_mapping = int64(offsets, [rows.length, n, 2]);
  }
  for (const [name, values] of perRow(rows, options)) result[name] = int64([values], [rows.length]);
  return result as BatchEncoding;
}

/** Numbers from 0 to 2 ** 32 - 1, written as the low half of each element: a BigInt for each would take most of a call. */
function int64(rows: number[][], dims: number[]): Tensor<'int64'> {
  const data = new BigInt64Array(dims.reduce((a, b) => a * b, 1));
  const halves = new Uint32Array(data.buffer);
  let at = lowHalf;
  for (const row of rows) {
    for (const value of row) {
      halves[at] = value;
      at += 2;
    }
  }
  return new Tensor('int64', data, dims);
}

/** Which of an element's two halves is the low one on this machine. */
const lowHalf = new Uint32Array(BigInt64Array.of(1n).buffer)[0] === 1 ? 0 : 1;

/** Rows as arrays of numbers; `single`: the only row's numbers alone. */
export function toLists(rows: Row[], options: ResolvedOptions, single: boolean): BatchEncodingLists {
  const collect = <T>(of: (row: Row) => T[]): T[] | T[][] => (single && rows[0] ? of(rows[0]) : rows.map(of));
  const result: Record<string, unknown> = {};
  for (const [name, of] of columns(options)) result[name] = collect(of);
  if (options.offsets) {
    result.offset_mapping = collect((row) =>
      row.ids.map((_, i): [number, number] => [row.offsets[2 * i] as number, row.offsets[2 * i + 1] as number]),
    );
  }
  for (const [name, values] of perRow(rows, options)) result[name] = values;
  return result as unknown as BatchEncodingLists;
}

function perRow(rows: Row[], options: ResolvedOptions): [keyof BatchEncodingLists, number[]][] {
  const result: [keyof BatchEncodingLists, number[]][] = [];
  if (options.length) result.push(['length', rows.map((row) => row.ids.length)]);
  if (options.overflow) result.push(['overflow_to_sample_mapping', rows.map((row) => row.sample)]);
  return result;
}
