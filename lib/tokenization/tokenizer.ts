import path from 'node:path';
import { Callable } from '../callable';
import { asAltCLIPError, fromNative, invalid } from '../errors';
import { resolveTokenizerFile } from '../loading/loading';
import { makeFolder, saveText } from '../loading/saved_files';
import { type NativeTokenizer, native } from '../native';
import type { PretrainedOptions } from '../pretrained_options';
import { kindOf, Tensor } from '../tensor';
import { type ResolvedOptions, resolveOptions, type TokenizerOptions } from './options';
import { type BatchEncoding, type BatchEncodingLists, toLists, toTensors } from './output';
import { planRows, type Tokens } from './rows';

export type { PaddingStrategy, TokenizerOptions, TruncationStrategy } from './options';
export type { BatchEncoding, BatchEncodingLists } from './output';

/** One text or several; with is_split_into_words the words of one text or of several. */
export type TextInput = string | string[] | string[][];

/** Token ids: numbers, bigints, or an int64 tensor of one dimension. */
export type TokenIds = Iterable<number | bigint> | Tensor;

/** Options of decode and batch_decode. */
export interface DecodeOptions {
  /** Default false: <s>, <pad>, </s>, <unk> and <mask> are written out. */
  skip_special_tokens?: boolean | undefined;
  /** Whether the space in front of punctuation and English contractions goes; default: the tokenizer's. */
  clean_up_tokenization_spaces?: boolean | undefined;
}

/** Calling a tokenizer; see {@link XLMRobertaTokenizer}. */
export interface TokenizerCall {
  (text: TextInput, options: TokenizerOptions & { return_tensor: false }): BatchEncodingLists;
  (text: TextInput, options?: TokenizerOptions): BatchEncoding;
}

/** What transformers gives as model_max_length where nothing states one. */
const veryLarge = 1e30;

/**
 * XLM-RoBERTa's tokenizer (SentencePiece unigram), called as in transformers:
 * `tokenizer(['a photo of a cat', '고양이 사진'], { padding: true })` gives int64 tensors input_ids and attention_mask,
 * [texts, tokens]. Ids are SentencePiece's; special tokens written in a text are taken as such.
 *
 * A call throws INVALID_ARGUMENT, naming the argument, for anything but texts and known options, and where rows of
 * different lengths would have to become a tensor.
 */
export class XLMRobertaTokenizer extends Callable<TokenizerCall> {
  readonly bos_token: string;
  readonly eos_token: string;
  readonly unk_token: string;
  readonly sep_token: string;
  readonly pad_token: string;
  readonly cls_token: string;
  readonly mask_token: string;
  readonly bos_token_id: number;
  readonly eos_token_id: number;
  readonly unk_token_id: number;
  readonly sep_token_id: number;
  readonly pad_token_id: number;
  readonly cls_token_id: number;
  readonly mask_token_id: number;
  /** Number of tokens, special ones included. */
  readonly vocab_size: number;
  /** Tokens a row may have, <s> and </s> included; 1e30 where nothing states it. May be set. */
  model_max_length: number;
  /** Where padding goes unless a call says otherwise. May be set. */
  padding_side: 'left' | 'right';
  /** The side that truncation cuts unless a call says otherwise. May be set. */
  truncation_side: 'left' | 'right';
  /** Whether decode cleans up unless a call says otherwise; false where nothing states it. May be set. */
  clean_up_tokenization_spaces: boolean;
  /** Which of attention_mask and token_type_ids a call gives unless it says otherwise. May be set. */
  model_input_names: string[];
  private readonly native: NativeTokenizer;

  /** Not public: use {@link from_pretrained} or {@link from_file}. */
  constructor(tokenizer: NativeTokenizer) {
    super();
    this.native = tokenizer;
    const { bos, eos, unk, sep, pad, cls, mask } = tokenizer.specialTokens;
    const token = (id: number): string => tokenizer.idToToken(id) as string;
    this.bos_token = token(bos);
    this.eos_token = token(eos);
    this.unk_token = token(unk);
    this.sep_token = token(sep);
    this.pad_token = token(pad);
    this.cls_token = token(cls);
    this.mask_token = token(mask);
    this.bos_token_id = bos;
    this.eos_token_id = eos;
    this.unk_token_id = unk;
    this.sep_token_id = sep;
    this.pad_token_id = pad;
    this.cls_token_id = cls;
    this.mask_token_id = mask;
    this.vocab_size = tokenizer.vocabSize;
    this.model_max_length = tokenizer.modelMaxLength ?? veryLarge;
    this.padding_side = tokenizer.paddingSide;
    this.truncation_side = tokenizer.truncationSide;
    this.clean_up_tokenization_spaces = tokenizer.cleanUpTokenizationSpaces;
    this.model_input_names = tokenizer.modelInputNames;
  }

  /**
   * Loads the tokenizer of a folder in Hugging Face's layout, a .gguf file, a hub id, or 'demo'.
   * @throws IO, HUB or MODEL_FORMAT, naming the file that is missing or damaged; UNSUPPORTED for another tokenizer.
   */
  static async from_pretrained(id_or_path: string, options?: PretrainedOptions): Promise<XLMRobertaTokenizer> {
    return XLMRobertaTokenizer.from_file(await resolveTokenizerFile(id_or_path, options));
  }

  /** Loads a tokenizer.json, a sentencepiece.bpe.model or a .gguf file. @throws as {@link from_pretrained}. */
  static async from_file(file: string): Promise<XLMRobertaTokenizer> {
    if (typeof file !== 'string') invalid(`file: got ${kindOf(file)}, expected a path`);
    return new XLMRobertaTokenizer(await fromNative(native.loadTokenizer(file)));
  }

  /**
   * Writes `folder`/tokenizer.json and tokenizer_config.json, which transformers reads as the same tokenizer, whatever
   * file this one came from; makes the folder.
   * @throws IO where that cannot be done; UNSUPPORTED for a vocabulary that a tokenizer.json cannot hold.
   */
  async save_pretrained(folder: string): Promise<void> {
    await makeFolder(folder);
    await fromNative(this.native.writeJson(path.join(folder, 'tokenizer.json')));
    await saveText(folder, 'tokenizer_config.json', this.configText());
  }

  /** Ids of the special tokens, each once. */
  get all_special_ids(): number[] {
    const { bos, eos, unk, sep, pad, cls, mask } = this.native.specialTokens;
    return [...new Set([bos, eos, unk, sep, pad, cls, mask])];
  }

  /** The special tokens, each once. */
  get all_special_tokens(): string[] {
    return this.all_special_ids.map((id) => this.convert_ids_to_tokens(id));
  }

  _call(text: TextInput, options: TokenizerOptions = {}): BatchEncoding | BatchEncodingLists {
    const limit = this.model_max_length < veryLarge ? this.model_max_length : undefined;
    const resolved = resolveOptions(options, limit, this);
    const words = resolved.splitIntoWords;
    const samples = samplesOf(text, words, 'text');
    const single = isSingle(text, words);
    const texts = this.tokensOf(samples, resolved);
    let pairs: Tokens[] | undefined;
    if (options.text_pair !== undefined && options.text_pair !== null) {
      pairs = this.tokensOf(samplesOf(options.text_pair, words, 'text_pair'), resolved);
      if (single !== isSingle(options.text_pair, words) || pairs.length !== texts.length) {
        invalid(`text_pair: got ${pairs.length} texts, expected one for each of ${texts.length} in text, alike nested`);
      }
    }
    const rows = planRows(texts, pairs, resolved);
    const special = this.native.specialTokens;
    if (resolved.tensor) return toTensors(rows, resolved, special);
    return toLists(rows, resolved, special, single && !resolved.overflow);
  }

  /** Ids of one text, <s> and </s> included unless asked otherwise. @throws INVALID_ARGUMENT as a call. */
  encode(text: string, options: Omit<TokenizerOptions, 'return_tensor'> = {}): number[] {
    if (typeof text !== 'string') invalid(`text: got ${kindOf(text)}, expected a string`);
    return (this._call(text, { ...options, return_tensor: false }) as BatchEncodingLists).input_ids as number[];
  }

  /** A text's tokens as strings; what the vocabulary does not have stands as in the text. */
  tokenize(text: string, options: { text_pair?: string; add_special_tokens?: boolean } = {}): string[] {
    const first = this.surfaces(text, 'text');
    const second = options.text_pair === undefined ? undefined : this.surfaces(options.text_pair, 'text_pair');
    if (options.add_special_tokens !== true) return [...first, ...(second ?? [])];
    const { cls_token, sep_token } = this;
    return [cls_token, ...first, sep_token, ...(second ? [sep_token, ...second, sep_token] : [])];
  }

  /** Ids of tokens; the unknown token's where there is none. */
  convert_tokens_to_ids(tokens: string): number;
  convert_tokens_to_ids(tokens: string[]): number[];
  convert_tokens_to_ids(tokens: string | string[]): number | number[] {
    if (Array.isArray(tokens)) return tokens.map((token) => this.convert_tokens_to_ids(token));
    if (typeof tokens !== 'string') invalid(`tokens: got ${kindOf(tokens)}, expected strings`);
    return sync(() => this.native.tokenToId(tokens)) ?? this.unk_token_id;
  }

  /** Tokens of ids. @throws INVALID_ARGUMENT for an id that is no token's. */
  convert_ids_to_tokens(ids: number | bigint): string;
  convert_ids_to_tokens(ids: TokenIds, options?: { skip_special_tokens?: boolean }): string[];
  convert_ids_to_tokens(
    ids: number | bigint | TokenIds,
    options: { skip_special_tokens?: boolean } = {},
  ): string | string[] {
    if (typeof ids !== 'number' && typeof ids !== 'bigint') {
      const special = options.skip_special_tokens ? this.all_special_ids : [];
      const kept = [...this.idsOf(ids)].filter((id) => !special.includes(id));
      return kept.map((id) => this.convert_ids_to_tokens(id));
    }
    const [id] = this.idsOf([ids]) as unknown as [number];
    return sync(() => this.native.idToToken(id)) as string;
  }

  /** The text of one row of ids. @throws INVALID_ARGUMENT for an id that is no token's. */
  decode(ids: TokenIds, options: DecodeOptions = {}): string {
    const text = sync(() => this.native.decode(this.idsOf(ids), options.skip_special_tokens === true));
    return (options.clean_up_tokenization_spaces ?? this.clean_up_tokenization_spaces) ? cleanUp(text) : text;
  }

  /** The texts of rows of ids: nested arrays or a tensor of two dimensions. @throws as {@link decode}. */
  batch_decode(rows: Iterable<TokenIds> | Tensor, options: DecodeOptions = {}): string[] {
    if (!isIterable(rows)) invalid(`rows: got ${kindOf(rows)}, expected rows of token ids`);
    return Array.from<TokenIds, string>(rows as Iterable<TokenIds>, (row) => this.decode(row, options));
  }

  private configText(): string {
    const config = {
      bos_token: this.bos_token,
      clean_up_tokenization_spaces: this.clean_up_tokenization_spaces,
      cls_token: this.cls_token,
      eos_token: this.eos_token,
      mask_token: this.mask_token,
      model_input_names: this.model_input_names,
      model_max_length: this.model_max_length,
      pad_token: this.pad_token,
      padding_side: this.padding_side,
      sep_token: this.sep_token,
      tokenizer_class: 'XLMRobertaTokenizer',
      truncation_side: this.truncation_side,
      unk_token: this.unk_token,
    };
    return `${JSON.stringify(config, null, 2)}\n`;
  }

  private surfaces(text: string, name: string): string[] {
    if (typeof text !== 'string') invalid(`${name}: got ${kindOf(text)}, expected a string`);
    const { ids, offsets } = sync(() => this.native.encode(text, true));
    return Array.from(ids, (id, i) =>
      id === this.unk_token_id
        ? text.slice(offsets?.[2 * i], offsets?.[2 * i + 1])
        : (this.native.idToToken(id) as string),
    );
  }

  private tokensOf({ words, sizes }: Samples, options: ResolvedOptions): Tokens[] {
    const { ids, ends, offsets } = sync(() => this.native.encodeBatch(words, options.offsets));
    let word = 0;
    let begin = 0;
    const next = (size: number): Tokens => {
      word += size;
      const end = word > 0 ? (ends[word - 1] as number) : 0;
      const tokens = { begin, end, ids, offsets };
      begin = end;
      return tokens;
    };
    return sizes ? sizes.map(next) : words.map(() => next(1));
  }

  private idsOf(ids: TokenIds): Int32Array {
    if (ids instanceof Tensor && (ids.dims.length !== 1 || ids.type !== 'int64')) {
      invalid(`ids: got a ${ids.type} tensor [${ids.dims.join(', ')}], expected one dimension of int64`);
    }
    const list: unknown = ids instanceof Tensor ? ids.data : ids;
    if (!isIterable(list)) invalid(`ids: got ${kindOf(ids)}, expected token ids`);
    return Int32Array.from<unknown>(list, (value) => {
      const id = typeof value === 'bigint' ? Number(value) : value;
      if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= this.vocab_size) {
        const got = typeof id === 'number' ? id : kindOf(id);
        invalid(`ids: got ${got}, expected integers from 0 to ${this.vocab_size - 1}`);
      }
      return id;
    });
  }
}

/** Runs a synchronous native call; its error becomes an AltCLIPError. */
function sync<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw asAltCLIPError(error);
  }
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

function isSingle(input: TextInput, splitIntoWords: boolean): boolean {
  return splitIntoWords ? !Array.isArray(input[0]) : !Array.isArray(input);
}

/** The words of a call's texts, one behind the other, and how many each text has; where not split, one. */
interface Samples {
  words: string[];
  sizes?: number[];
}

function samplesOf(input: TextInput, splitIntoWords: boolean, name: string): Samples {
  const expected = splitIntoWords ? 'words: an array of strings, or of such arrays' : 'a string or an array of strings';
  if (Array.isArray(input) ? false : splitIntoWords || typeof input !== 'string') {
    invalid(`${name}: got ${kindOf(input)}, expected ${expected}`);
  }
  const texts: unknown[] = isSingle(input, splitIntoWords) ? [input] : (input as string[] | string[][]);
  const check = (value: unknown, i: number, right: boolean): void => {
    if (!right) invalid(`${name}[${i}]: got ${kindOf(value)}, expected ${expected}`);
  };
  if (!splitIntoWords) {
    for (let i = 0; i < texts.length; ++i) check(texts[i], i, typeof texts[i] === 'string');
    return { words: texts as string[] };
  }
  texts.forEach((text, i) => {
    check(text, i, Array.isArray(text));
    for (const word of text as unknown[]) check(word, i, typeof word === 'string');
  });
  return { words: (texts as string[][]).flat(), sizes: (texts as string[][]).map((text) => text.length) };
}

/** clean_up_tokenization of transformers. */
function cleanUp(text: string): string {
  const rules: [string, string][] = [
    [' .', '.'],
    [' ?', '?'],
    [' !', '!'],
    [' ,', ','],
    [" ' ", "'"],
    [" n't", "n't"],
    [" 'm", "'m"],
    [" 's", "'s"],
    [" 've", "'ve"],
    [" 're", "'re"],
  ];
  return rules.reduce((result, [from, to]) => result.replaceAll(from, to), text);
}
