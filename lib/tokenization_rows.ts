import { AltCLIPError, invalid } from './errors';
import type { NativeTokenizer } from './native';
import type { ResolvedOptions } from './tokenization_options';

/** Tokens of one text, without any around it; offsets are two a token. */
export interface Tokens {
  ids: number[];
  offsets?: number[];
}

/** One row of a call's result before it becomes tensors. */
export interface Row {
  ids: number[];
  /** 0 at padding. */
  attentionMask: number[];
  /** 1 at tokens that were added: <s>, </s>, padding. */
  specialTokensMask: number[];
  /** Two a token; only where asked for. */
  offsets: number[];
  /** Which text of the call it comes from. */
  sample: number;
}

/**
 * Cuts what is too long, puts the special tokens around and pads, as the tokenizers library does.
 * @throws INVALID_ARGUMENT where the truncation that was asked for cannot make a row short enough.
 */
export function buildRows(
  texts: Tokens[],
  pairs: Tokens[] | undefined,
  options: ResolvedOptions,
  special: NativeTokenizer['specialTokens'],
): Row[] {
  const rows: Row[] = [];
  texts.forEach((text, sample) => {
    const pair = pairs?.[sample];
    for (const [first, second] of truncate(text, pair, options)) {
      rows.push(assemble(first, second, sample, options.addSpecialTokens, special));
    }
  });
  pad(rows, options, special.pad);
  return rows;
}

type TextAndPair = [Tokens, Tokens | undefined];

function truncate(text: Tokens, pair: Tokens | undefined, options: ResolvedOptions): TextAndPair[] {
  const added = options.addSpecialTokens ? (pair ? 4 : 2) : 0;
  const room = options.maxLength - added;
  const total = text.ids.length + (pair?.ids.length ?? 0);
  // a limit below the special tokens alone cuts nothing in transformers
  if (options.truncation === 'none' || room < 0 || total <= room) return [[text, pair]];
  if (options.truncation === 'only_second' && !pair) invalid("truncation 'only_second': there is no text_pair");
  if (options.overflow) return windows(text, pair, room, options.stride);
  if (!pair) return [[head(text, room), undefined]];
  if (room === 0) return [[head(text, 0), head(pair, 0)]];
  const [n, m] = pairLengths(text.ids.length, pair.ids.length, room, options);
  return [[head(text, n), head(pair, m)]];
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

function windows(text: Tokens, pair: Tokens | undefined, room: number, stride: number): TextAndPair[] {
  if (pair) throw new AltCLIPError('UNSUPPORTED', 'return_overflowing_tokens: not supported with text_pair');
  if (stride >= room) invalid(`stride: got ${stride}, expected less than the ${room} tokens a row has room for`);
  const parts: TextAndPair[] = [];
  for (let begin = 0; ; begin += room - stride) {
    parts.push([cut(text, begin, begin + room), undefined]);
    if (begin + room >= text.ids.length) return parts;
  }
}

function head(tokens: Tokens, n: number): Tokens {
  return cut(tokens, 0, n);
}

function cut({ ids, offsets }: Tokens, begin: number, end: number): Tokens {
  return offsets
    ? { ids: ids.slice(begin, end), offsets: offsets.slice(2 * begin, 2 * end) }
    : { ids: ids.slice(begin, end) };
}

function assemble(
  text: Tokens,
  pair: Tokens | undefined,
  sample: number,
  addSpecialTokens: boolean,
  special: NativeTokenizer['specialTokens'],
): Row {
  const added = (id: number): Tokens & { added: true } => ({ ids: [id], offsets: [0, 0], added: true });
  let parts: (Tokens & { added?: true })[] = pair ? [text, pair] : [text];
  if (addSpecialTokens) {
    const behind = pair ? [added(special.sep), added(special.sep), pair, added(special.sep)] : [added(special.sep)];
    parts = [added(special.cls), text, ...behind];
  }
  const ids = parts.flatMap((part) => part.ids);
  return {
    ids,
    attentionMask: new Array<number>(ids.length).fill(1),
    specialTokensMask: parts.flatMap((part) => new Array<number>(part.ids.length).fill(part.added ? 1 : 0)),
    offsets: parts.flatMap((part) => part.offsets ?? []),
    sample,
  };
}

function pad(rows: Row[], options: ResolvedOptions, padId: number): void {
  if (options.padding === 'none') return;
  const target =
    options.padding === 'max_length' ? options.maxLength : rows.reduce((n, row) => Math.max(n, row.ids.length), 0);
  const length = Math.ceil(target / options.multiple) * options.multiple;
  const extend = (list: number[], value: number, n: number): number[] => {
    const filler = new Array<number>(n).fill(value);
    return options.side === 'left' ? [...filler, ...list] : [...list, ...filler];
  };
  for (const row of rows) {
    const n = length - row.ids.length;
    if (n <= 0) continue;
    row.ids = extend(row.ids, padId, n);
    row.attentionMask = extend(row.attentionMask, 0, n);
    row.specialTokensMask = extend(row.specialTokensMask, 1, n);
    row.offsets = options.offsets ? extend(row.offsets, 0, 2 * n) : [];
  }
}
