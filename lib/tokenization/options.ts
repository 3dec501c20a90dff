import { invalid } from '../errors';
import { kindOf } from '../tensor';

/** How rows get one length: not at all, to the longest of the call, or to `max_length`. */
export type PaddingStrategy = boolean | 'longest' | 'max_length' | 'do_not_pad';
/** What is cut where a row is longer than `max_length`: the longer of text and pair, or one of them. */
export type TruncationStrategy = boolean | 'longest_first' | 'only_first' | 'only_second' | 'do_not_truncate';

/** Arguments of a tokenizer's call; names and defaults are those of transformers. */
export interface TokenizerOptions {
  /** A second text for each text: `<s> text </s></s> text_pair </s>`. */
  text_pair?: string | string[] | string[][] | null | undefined;
  /** Default true: <s> and </s> around. */
  add_special_tokens?: boolean | undefined;
  /** Default false; true is 'longest'. */
  padding?: PaddingStrategy | undefined;
  /** Default false (true where only max_length is given); true is 'longest_first'. */
  truncation?: TruncationStrategy | undefined;
  /** In tokens, <s> and </s> included; default: the tokenizer's model_max_length. */
  max_length?: number | undefined;
  /** Padded lengths become multiples of it. */
  pad_to_multiple_of?: number | undefined;
  /** Default: the tokenizer's. */
  padding_side?: 'left' | 'right' | undefined;
  /** The side that truncation cuts; default: the tokenizer's. */
  truncation_side?: 'left' | 'right' | undefined;
  /** Texts are arrays of words. */
  is_split_into_words?: boolean | undefined;
  /** What truncation cuts comes back as further rows, which share `stride` tokens. */
  return_overflowing_tokens?: boolean | undefined;
  stride?: number | undefined;
  /** Default: whether the tokenizer's model_input_names has attention_mask; true where nothing states them. */
  return_attention_mask?: boolean | undefined;
  /** Default: whether the tokenizer's model_input_names has token_type_ids; false where nothing states them. */
  return_token_type_ids?: boolean | undefined;
  return_special_tokens_mask?: boolean | undefined;
  /** UTF-16 code units [begin, end) of each token in its text; [0, 0] for tokens that were added. */
  return_offsets_mapping?: boolean | undefined;
  return_length?: boolean | undefined;
  /** Default true: int64 tensors; false: arrays of numbers, flat where one text was given. */
  return_tensor?: boolean | undefined;
}

/** {@link TokenizerOptions} without what is left open. */
export interface ResolvedOptions {
  addSpecialTokens: boolean;
  padding: 'none' | 'longest' | 'max_length';
  truncation: 'none' | 'longest_first' | 'only_first' | 'only_second';
  /** Infinity: no limit. */
  maxLength: number;
  multiple: number;
  paddingSide: 'left' | 'right';
  truncationSide: 'left' | 'right';
  splitIntoWords: boolean;
  overflow: boolean;
  stride: number;
  attentionMask: boolean;
  tokenTypeIds: boolean;
  specialTokensMask: boolean;
  offsets: boolean;
  length: boolean;
  tensor: boolean;
}

const flags = [
  'add_special_tokens',
  'is_split_into_words',
  'return_overflowing_tokens',
  'return_attention_mask',
  'return_token_type_ids',
  'return_special_tokens_mask',
  'return_offsets_mapping',
  'return_length',
  'return_tensor',
] as const satisfies (keyof TokenizerOptions)[];

const known: readonly string[] = [
  ...flags,
  'text_pair',
  'padding',
  'truncation',
  'max_length',
  'pad_to_multiple_of',
  'padding_side',
  'truncation_side',
  'stride',
] satisfies (keyof TokenizerOptions)[];

const paddings = new Map<unknown, ResolvedOptions['padding']>([
  [undefined, 'none'],
  [false, 'none'],
  ['do_not_pad', 'none'],
  [true, 'longest'],
  ['longest', 'longest'],
  ['max_length', 'max_length'],
]);

const truncations = new Map<unknown, ResolvedOptions['truncation']>([
  [undefined, 'none'],
  [false, 'none'],
  ['do_not_truncate', 'none'],
  [true, 'longest_first'],
  ['longest_first', 'longest_first'],
  ['only_first', 'only_first'],
  ['only_second', 'only_second'],
]);

/** What a tokenizer has for options that a call leaves open. */
interface TokenizerDefaults {
  padding_side: 'left' | 'right';
  truncation_side: 'left' | 'right';
  model_input_names: string[];
}

/**
 * Checks the options of a call and settles what they leave open.
 * @throws INVALID_ARGUMENT naming the option, what it was and what was expected.
 */
export function resolveOptions(
  options: TokenizerOptions,
  modelMaxLength: number | undefined,
  tokenizer: TokenizerDefaults,
): ResolvedOptions {
  if (typeof options !== 'object' || options === null) invalid(`options: got ${kindOf(options)}, expected an object`);
  for (const [key, value] of Object.entries(options)) {
    if (!known.includes(key)) invalid(`options: ${key} is unknown, expected some of ${known.join(', ')}`);
    if (flags.some((name) => name === key) && value !== undefined && typeof value !== 'boolean') {
      invalid(`${key}: got ${kindOf(value)}, expected a boolean`);
    }
  }
  const given = wholeNumber(options, 'max_length', 0);
  const multiple = wholeNumber(options, 'pad_to_multiple_of', 1) ?? 1;
  const padding = choice(paddings, options, 'padding');
  const asked = choice(truncations, options, 'truncation');
  // as transformers: a length alone asks for truncation
  const alone = given !== undefined && padding === 'none' && options.truncation === undefined;
  const truncation = alone ? 'longest_first' : asked;
  const maxLength = given ?? modelMaxLength ?? Number.POSITIVE_INFINITY;
  if (padding === 'max_length' && maxLength === Number.POSITIVE_INFINITY) {
    invalid("padding 'max_length': this tokenizer has no model_max_length, expected max_length");
  }
  if (truncation !== 'none' && padding !== 'none' && given !== undefined && given % multiple !== 0) {
    invalid(`max_length: got ${given}, expected a multiple of pad_to_multiple_of (${multiple}) with truncation`);
  }
  const stride = wholeNumber(options, 'stride', 0) ?? 0;
  const names: unknown = tokenizer.model_input_names;
  if (!Array.isArray(names)) invalid(`model_input_names: got ${kindOf(names)}, expected an array of names`);
  // with or without special tokens in this call
  if (truncation !== 'none' && maxLength >= 2 && maxLength - 2 < stride) {
    invalid(`stride: got ${stride}, expected at most max_length ${maxLength} without <s> and </s>`);
  }
  return {
    addSpecialTokens: options.add_special_tokens ?? true,
    padding,
    truncation,
    maxLength,
    multiple,
    paddingSide: side(options.padding_side ?? tokenizer.padding_side, 'padding_side'),
    truncationSide: side(options.truncation_side ?? tokenizer.truncation_side, 'truncation_side'),
    splitIntoWords: options.is_split_into_words ?? false,
    overflow: options.return_overflowing_tokens ?? false,
    stride,
    attentionMask: options.return_attention_mask ?? names.includes('attention_mask'),
    tokenTypeIds: options.return_token_type_ids ?? names.includes('token_type_ids'),
    specialTokensMask: options.return_special_tokens_mask ?? false,
    offsets: options.return_offsets_mapping ?? false,
    length: options.return_length ?? false,
    tensor: options.return_tensor ?? true,
  };
}

function side(value: unknown, name: string): 'left' | 'right' {
  if (value !== 'left' && value !== 'right') invalid(`${name}: got ${String(value)}, expected 'left' or 'right'`);
  return value;
}

// padding up to it takes memory; no text tower has positions for a hundredth of it
const longest = 1 << 20;

function wholeNumber(
  options: TokenizerOptions,
  name: 'max_length' | 'pad_to_multiple_of' | 'stride',
  least: number,
): number | undefined {
  const value: unknown = options[name];
  if (value === undefined || value === null) return undefined;
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > longest) {
    const got = typeof value === 'number' ? value : kindOf(value);
    invalid(`${name}: got ${got}, expected an integer from ${least} to ${longest}`);
  }
  return value as number;
}

function choice<T>(choices: Map<unknown, T>, options: TokenizerOptions, name: 'padding' | 'truncation'): T {
  const found = choices.get(options[name] ?? undefined);
  if (found === undefined) {
    const names = [...choices.keys()].filter((key) => key !== undefined).join(', ');
    invalid(`${name}: got ${String(options[name])}, expected one of ${names}`);
  }
  return found;
}
