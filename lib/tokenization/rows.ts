import { invalid } from '../errors';
import type { ResolvedOptions } from './options';

/** Tokens of one text, without any around it: those from `begin` to `end` of a call's; offsets are two a token. */
export interface Tokens {
  begin: number;
  end: number;
  ids: Int32Array;
  offsets: Uint32Array | undefined;
}

/** What stands in one row of a call's result; output.ts writes it. */
export interface Row {
  /** Which text of the call it comes from. */
  sample: number;
  text: Tokens;
  pair: Tokens | undefined;
  /** In tokens: those of text and pair and the special ones around them. */
  length: number;
  /** In tokens. */
  padLeft: number;
  padRight: number;
}

/**
 * Cuts what is too long and pads, as the tokenizers library does.
 * @throws INVALID_ARGUMENT where the truncation that was asked for cannot make a row short enough.
 */
export function planRows(texts: Tokens[], pairs: Tokens[] | undefined, options: ResolvedOptions): Row[] {
  const rows: Row[] = [];
  texts.forEach((whole, sample) => {
    for (const [text, pair] of truncate(whole, pairs?.[sample], options)) {
      const length = sizeOf(text) + (pair ? sizeOf(pair) : 0) + addedTokens(pair, options);
      rows.push({ sample, text, pair, length, padLeft: 0, padRight: 0 });
    }
  });
  pad(rows, options);
  return rows;
}

/** `<s> text </s>`, or `<s> text </s></s> pair </s>`. */
function addedTokens(pair: Tokens | undefined, options: ResolvedOptions): number {
  return options.addSpecialTokens ? (pair ? 4 : 2) : 0;
}

type TextAndPair = [Tokens, Tokens | undefined];

function truncate(text: Tokens, pair: Tokens | undefined, options: ResolvedOptions): TextAndPair[] {
  const room = options.maxLength - addedTokens(pair, options);
  const total = sizeOf(text) + (pair ? sizeOf(pair) : 0);
  // a limit below the special tokens alone cuts nothing in transformers
  if (options.truncation === 'none' || room < 0 || total <= room) return [[text, pair]];
  const [n, m] = lengths(text, pair, room, options);
  checkStride(text, n, options);
  if (pair) checkStride(pair, m, options);
  if (options.overflow) return overflowing(windows(text, n, options), pair && windows(pair, m, options));
  return [[keep(text, n, options), pair && keep(pair, m, options)]];
}

function lengths(text: Tokens, pair: Tokens | undefined, room: number, options: ResolvedOptions): [number, number] {
  if (room === 0) return [0, 0];
  if (pair) return pairLengths(sizeOf(text), sizeOf(pair), room, options);
  if (options.truncation === 'only_second') invalid("truncation 'only_second': there is no text_pair");
  return [room, 0];
}

/** The tokenizers library wants it below what a cut text keeps, overflow asked for or not. */
function checkStride(text: Tokens, room: number, { stride }: ResolvedOptions): void {
  if (room > 0 && room < sizeOf(text) && stride >= room) {
    invalid(`stride: got ${stride}, expected less than the ${room} tokens a row has room for`);
  }
}

/** Tokens that stay of text and pair (truncate_encodings of the tokenizers library). */
function pairLengths(text: number, pair: number, room: number, options: ResolvedOptions): [number, number] {
  if (options.truncation === 'longest_first') {
    const shorter = Math.min(text, pair);
    let [low, high] = shorter > room ? [shorter, shorter] : [shorter, Math.max(shorter, room - shorter)];
    if (low + high > room) {
      low = Math.floor(room / 2);
      high = room - low;
    }
    return text > pair ? [high, low] : [low, high];
  }
  const excess = text + pair - room;
  const first = options.truncation === 'only_first';
  const target = first ? text : pair;
  if (target <= excess) {
    invalid(
      `truncation '${options.truncation}': ${first ? 'text' : 'text_pair'} has ${target} tokens, ` +
        `too few to cut ${excess} for max_length ${options.maxLength}`,
    );
  }
  return first ? [target - excess, pair] : [text, target - excess];
}

/** Parts overlap, and each comes with every part of the pair: what long texts make of it must fit into memory. */
const mostTokens = 1 << 24;

/** What is kept and what was cut, each part with each, in the order of the tokenizers library. */
function overflowing(texts: Tokens[], pairs: Tokens[] | undefined): TextAndPair[] {
  const [text, ...cutTexts] = texts as [Tokens, ...Tokens[]];
  const total = texts.length * sum((pairs ?? []).map(sizeOf)) + (pairs?.length ?? 1) * sum(texts.map(sizeOf));
  if (total > mostTokens) {
    invalid(
      `return_overflowing_tokens: ${texts.length} parts of text by ${pairs?.length ?? 1} of text_pair make ${total} ` +
        `tokens, expected at most ${mostTokens}; raise max_length or lower stride`,
    );
  }
  if (!pairs) return texts.map((part) => [part, undefined]);
  const [pair, ...cutPairs] = pairs as [Tokens, ...Tokens[]];
  const withEach = (part: Tokens): TextAndPair[] => pairs.map((other) => [part, other]);
  return [[text, pair], ...cutTexts.flatMap(withEach), ...cutPairs.map((other): TextAndPair => [text, other])];
}

/** The parts of a text that is cut to `room` tokens: what is kept, then what was cut in rows that share `stride`. */
function windows(text: Tokens, room: number, options: ResolvedOptions): Tokens[] {
  const { stride, truncationSide } = options;
  const length = sizeOf(text);
  if (room >= length) return [text];
  if (room === 0) return [cut(text, 0, 0), text];
  const parts: Tokens[] = [];
  for (let passed = 0; ; passed += room - stride) {
    const rest = length - passed;
    const [begin, end] = truncationSide === 'left' ? [Math.max(rest - room, 0), rest] : [passed, passed + room];
    parts.push(cut(text, begin, end));
    if (rest <= room) return parts;
  }
}

/** The `n` tokens on the side that truncation leaves. */
function keep(tokens: Tokens, n: number, options: ResolvedOptions): Tokens {
  const length = sizeOf(tokens);
  return options.truncationSide === 'left' ? cut(tokens, length - n, length) : cut(tokens, 0, n);
}

/** The tokens of a text from `from` to `to`, which may lie behind its last. */
function cut(tokens: Tokens, from: number, to: number): Tokens {
  const { begin, end } = tokens;
  return { ...tokens, begin: begin + from, end: Math.min(begin + to, end) };
}

function sum(values: number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function sizeOf({ begin, end }: Tokens): number {
  return end - begin;
}

/** Tokens of the longest row that is a text's first: the tokenizers library does not ask those of its overflow. */
function longestFirst(rows: Row[]): number {
  return rows.reduce((n, row, i) => (row.sample === rows[i - 1]?.sample ? n : Math.max(n, row.length)), 0);
}

function pad(rows: Row[], options: ResolvedOptions): void {
  if (options.padding === 'none') return;
  const target = options.padding === 'max_length' ? options.maxLength : longestFirst(rows);
  const length = Math.ceil(target / options.multiple) * options.multiple;
  const side = options.paddingSide === 'left' ? 'padLeft' : 'padRight';
  for (const row of rows) row[side] = Math.max(length - row.length, 0);
}
