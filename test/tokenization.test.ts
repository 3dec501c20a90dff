import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { native } from '../lib/native';
import {
  type BatchEncodingLists,
  type TextInput,
  type TokenizerOptions,
  XLMRobertaTokenizer,
} from '../lib/tokenization/tokenizer';
import { fixture, readJson, temporaryFolder } from './helpers/fixtures';

interface Call {
  id: string;
  text: string | string[];
  text_pair: string | string[] | null;
  kwargs: TokenizerOptions;
  output?: BatchEncodingLists;
  raises?: string;
}

/** Of scripts/reference/tokenizer_calls.py: texts by their line in inputs/sentences.tsv; no output: an error. */
interface RandomCall {
  text: number | number[];
  text_pair: number | number[] | null;
  truncation_side: 'left' | 'right';
  options: TokenizerOptions;
  output: BatchEncodingLists | null;
}

interface Decode {
  ids: number[];
  skip_special_tokens: boolean;
  clean_up_tokenization_spaces?: boolean;
  text: string;
}

/** What the fast tokenizer of transformers gave; see fixtures/README.md. */
const golden = readJson<{
  calls: Call[];
  decode: Decode[];
  batch_decode: { ids: number[][]; skip_special_tokens: boolean; texts: string[] }[];
  conversions: {
    convert_tokens_to_ids: Record<string, number>;
    convert_ids_to_tokens: Record<string, string>;
    tokenize: Record<string, string[]>;
    vocab_size: number;
    model_max_length: number;
    all_special_ids: number[];
    model_input_names: string[];
    padding_side: string;
  };
}>('tokenizer', 'calls.json');

const first = 'A photo of a tabby cat sleeping on a sunny windowsill.';
const second = 'Two children are flying a red kite.';
/** Plain JavaScript, shared with the benchmark. */
const bench = (name: string): string => path.join(__dirname, '..', 'bench', name);
const folder = temporaryFolder();
let fromJson: XLMRobertaTokenizer;
let fromModel: XLMRobertaTokenizer;

beforeAll(async () => {
  for (const name of ['sentencepiece.bpe.model', 'tokenizer.json']) {
    writeFileSync(path.join(folder, name), gunzipSync(readFileSync(fixture('tokenizer', `${name}.gz`))));
  }
  copyFileSync(fixture('tokenizer', 'tokenizer_config.json'), path.join(folder, 'tokenizer_config.json'));
  fromJson = await XLMRobertaTokenizer.from_pretrained(folder);
  fromModel = await XLMRobertaTokenizer.from_file(path.join(folder, 'sentencepiece.bpe.model'));
}, 120_000);

/** A text of the golden corpus, with what sets it apart where SentencePiece and the fast tokenizer differ. */
interface CorpusRow {
  text: string;
  ids_spm: number[];
  /** Where the contract is not ids_spm. */
  expect?: number[];
  diff?: string;
}

function corpus(): CorpusRow[] {
  const lines = gunzipSync(readFileSync(fixture('tokenizer', 'corpus.jsonl.gz')))
    .toString()
    .trim()
    .split('\n');
  return lines.map((line) => JSON.parse(line) as CorpusRow);
}

/** The tokenizer of a file that the converter wrote, stored trie included. */
async function converted(): Promise<XLMRobertaTokenizer> {
  const source = path.join(folder, 'checkpoint');
  mkdirSync(source);
  copyFileSync(path.join(folder, 'tokenizer.json'), path.join(source, 'tokenizer.json'));
  const { writeVocabularyCheckpoint } = await import(bench('vocabulary_checkpoint.mjs'));
  writeVocabularyCheckpoint(source, fromJson.vocab_size);
  const output = path.join(folder, 'converted.gguf');
  await native.convertModel({ source, output, dtype: 'f32', tower: 'text' });
  return XLMRobertaTokenizer.from_file(output);
}

describe('XLM-R vocabulary', () => {
  it('gives the ids of the whole corpus, from either file', () => {
    const rows = corpus();
    expect(rows.length).toBe(3020);
    const expected = rows.map((row) => row.expect ?? row.ids_spm);
    const texts = rows.map((row) => row.text);
    for (const tokenizer of [fromJson, fromModel]) {
      const { input_ids } = tokenizer(texts, { return_tensor: false });
      expect((input_ids as number[][]).filter((ids, i) => ids.join() !== expected[i]?.join())).toEqual([]);
    }
  });

  it('gives the ids of strings from all of Unicode, from either file and from GGUF', async () => {
    const rows = gunzipSync(readFileSync(fixture('tokenizer', 'strings.jsonl.gz')))
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { text: string; ids: number[] });
    expect(rows.length).toBe(800);
    const gguf = path.join(folder, 'vocabulary.gguf');
    const { writeVocabularyGguf } = await import(bench('vocabulary_gguf.mjs'));
    writeVocabularyGguf(JSON.parse(readFileSync(path.join(folder, 'tokenizer.json'), 'utf8')), gguf);
    const foreign = await XLMRobertaTokenizer.from_file(gguf);
    const texts = rows.map((row) => row.text);
    for (const tokenizer of [fromJson, fromModel, foreign, await converted()]) {
      // with offsets the normaliser goes another way
      for (const return_offsets_mapping of [false, true]) {
        const { input_ids } = tokenizer(texts, { return_tensor: false, return_offsets_mapping });
        expect((input_ids as number[][]).filter((ids, i) => ids.join() !== rows[i]?.ids.join())).toEqual([]);
      }
    }
  });

  it('takes a million characters without a space', () => {
    for (const unit of ['a', 'internationalisation', '\ud83d', '국']) {
      const text = unit.repeat(Math.ceil(1_000_000 / unit.length));
      expect(fromJson.encode(text)).toEqual(fromModel.encode(text));
    }
  });

  it.each(golden.calls)('calls as transformers does: $id', ({ text, text_pair, kwargs, output, raises }) => {
    const call = (): BatchEncodingLists => fromJson(text, { ...kwargs, text_pair, return_tensor: false });
    if (raises) expect(call).toThrow(expect.objectContaining({ name: 'AltCLIPError', code: 'INVALID_ARGUMENT' }));
    else expect(call()).toEqual(output);
  });

  it.each(golden.decode)('decodes $ids, skip_special_tokens $skip_special_tokens', ({ ids, text, ...options }) => {
    expect(fromJson.decode(ids, options)).toBe(text);
  });

  it.each(golden.batch_decode)(
    'decodes a batch, skip_special_tokens $skip_special_tokens',
    ({ ids, texts, ...options }) => {
      expect(fromJson.batch_decode(ids, options)).toEqual(texts);
    },
  );

  it('converts tokens and ids', () => {
    const { conversions } = golden;
    for (const [token, id] of Object.entries(conversions.convert_tokens_to_ids)) {
      expect(fromJson.convert_tokens_to_ids(token)).toBe(id);
    }
    for (const [id, token] of Object.entries(conversions.convert_ids_to_tokens)) {
      expect(fromJson.convert_ids_to_tokens(Number(id))).toBe(token);
    }
    for (const [text, tokens] of Object.entries(conversions.tokenize)) {
      // SentencePiece composes half-width kana with voice marks, and the model was trained with that
      expect(fromJson.tokenize(text)).toEqual(text === 'ｶﾞ' ? ['▁', 'ガ'] : tokens);
    }
    expect(fromJson.vocab_size).toBe(conversions.vocab_size);
    expect(fromJson.model_max_length).toBe(conversions.model_max_length);
    expect(fromJson.all_special_ids).toEqual(conversions.all_special_ids);
    expect(fromJson.model_input_names).toEqual(conversions.model_input_names);
    expect(fromJson.padding_side).toBe(conversions.padding_side);
  });

  it('gives the rows of transformers for calls drawn at random', () => {
    const lines = readFileSync(fixture('inputs', 'sentences.tsv'), 'utf8').trim().split('\n');
    const sentences = lines.map((line) => line.split('\t').at(-1) as string);
    const calls = JSON.parse(
      gunzipSync(readFileSync(fixture('tokenizer', 'random_calls.json.gz'))).toString(),
    ) as RandomCall[];
    expect(calls.length).toBe(80);
    for (const { text, text_pair, truncation_side, options, output } of calls) {
      const textAt = (i: number): string | string[] => {
        const sentence = sentences[i] as string;
        return options.is_split_into_words ? sentence.split(' ') : sentence;
      };
      const of = (at: number | number[]) => (Array.isArray(at) ? at.map(textAt) : textAt(at)) as TextInput;
      const pair = text_pair === null ? undefined : (of(text_pair) as string[]);
      const all = { ...options, truncation_side, text_pair: pair, return_tensor: false } as const;
      if (output) expect(fromJson(of(text), all)).toEqual(output);
      else expect(() => fromJson(of(text), all)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });

  // ids of transformers 5.24 with tokenizer.truncation_side = 'left'
  it.each<[string | undefined, TokenizerOptions, object]>([
    [undefined, { max_length: 2 }, { input_ids: [0, 2] }],
    [
      undefined,
      { max_length: 8, return_offsets_mapping: true },
      {
        input_ids: [0, 10, 4262, 299, 54825, 5713, 5, 2],
        offset_mapping: [
          [0, 0],
          [35, 36],
          [37, 40],
          [40, 42],
          [43, 50],
          [50, 53],
          [53, 54],
          [0, 0],
        ],
      },
    ],
    [second, { max_length: 14 }, { input_ids: [0, 4262, 299, 54825, 5713, 5, 2, 2, 214, 10, 4842, 94897, 5, 2] }],
    [
      second,
      { truncation: 'only_first', max_length: 20 },
      { input_ids: [0, 98, 10, 4262, 299, 54825, 5713, 5, 2, 2, 32964, 20020, 621, 12403, 214, 10, 4842, 94897, 5, 2] },
    ],
    [
      second,
      { truncation: 'only_second', max_length: 22 },
      {
        input_ids: [
          0, 62, 16186, 111, 10, 308, 60060, 7515, 198465, 98, 10, 4262, 299, 54825, 5713, 5, 2, 2, 4842, 94897, 5, 2,
        ],
      },
    ],
    [
      undefined,
      { max_length: 8, stride: 2, return_overflowing_tokens: true },
      {
        input_ids: [
          [0, 10, 4262, 299, 54825, 5713, 5, 2],
          [0, 60060, 7515, 198465, 98, 10, 4262, 2],
          [0, 16186, 111, 10, 308, 60060, 7515, 2],
          [0, 62, 16186, 111, 2],
        ],
        overflow_to_sample_mapping: [0, 0, 0, 0],
      },
    ],
  ])('cuts on the left: pair %s, %j', (text_pair, options, expected) => {
    const all = {
      truncation: true,
      return_attention_mask: false,
      return_tensor: false,
      text_pair,
      ...options,
    } as const;
    expect(fromJson(first, { ...all, truncation_side: 'left' })).toEqual(expected);
    fromModel.truncation_side = 'left';
    expect(fromModel(first, all)).toEqual(expected);
    fromModel.truncation_side = 'right';
  });

  // outputs of transformers 5.23 for the same calls
  it.each<[string, string, string | undefined, TokenizerOptions, object]>([
    [
      'a limit below the special tokens of a pair',
      'a photo',
      'a cat',
      { truncation: true, max_length: 3 },
      {
        input_ids: [0, 10, 16186, 2, 2, 10, 7515, 2],
      },
    ],
    [
      'room for no token of a pair',
      'a photo',
      'a cat',
      { truncation: true, max_length: 4 },
      { input_ids: [0, 2, 2, 2] },
    ],
    [
      'room for one token of a pair',
      'a photo',
      'a cat',
      { truncation: true, max_length: 5 },
      {
        input_ids: [0, 2, 2, 10, 2],
      },
    ],
    [
      'nothing at all',
      'a photo',
      undefined,
      { truncation: true, max_length: 0, add_special_tokens: false },
      {
        input_ids: [],
      },
    ],
    ['max_length alone truncates', 'a photo of a cat', undefined, { max_length: 3 }, { input_ids: [0, 10, 2] }],
    [
      'padding keeps max_length alone from it',
      'a photo',
      undefined,
      { max_length: 3, padding: true },
      {
        input_ids: [0, 10, 16186, 2],
      },
    ],
    [
      'max_length, then the multiple',
      'a',
      undefined,
      { padding: 'max_length', max_length: 5, pad_to_multiple_of: 4 },
      {
        input_ids: [0, 10, 2, 1, 1, 1, 1, 1],
      },
    ],
    [
      'masks and offsets of a pair',
      'a photo',
      'a cat',
      {
        return_special_tokens_mask: true,
        return_length: true,
        return_offsets_mapping: true,
      },
      {
        input_ids: [0, 10, 16186, 2, 2, 10, 7515, 2],
        special_tokens_mask: [1, 0, 0, 1, 1, 0, 0, 1],
        offset_mapping: [
          [0, 0],
          [0, 1],
          [2, 7],
          [0, 0],
          [0, 0],
          [0, 1],
          [2, 5],
          [0, 0],
        ],
        length: [8],
      },
    ],
    [
      'padding on the left with offsets',
      'a',
      undefined,
      {
        padding: 'max_length',
        max_length: 5,
        padding_side: 'left',
        return_offsets_mapping: true,
        return_special_tokens_mask: true,
      },
      {
        input_ids: [1, 1, 0, 10, 2],
        attention_mask: [0, 0, 1, 1, 1],
        special_tokens_mask: [1, 1, 1, 0, 1],
        offset_mapping: [
          [0, 0],
          [0, 0],
          [0, 0],
          [0, 1],
          [0, 0],
        ],
      },
    ],
  ])('as transformers: %s', (_, text, text_pair, options, expected) => {
    expect(fromJson(text, { ...options, text_pair, return_tensor: false })).toMatchObject(expected);
  });

  // CONTRIBUTING.md, Texts, has the reasons
  describe('where SentencePiece and the fast tokenizer part', () => {
    const rows = corpus().filter(({ diff }) => diff !== undefined);
    it.each([
      ['special-token', 128],
      ['normaliser', 74],
      ['tie', 1],
      ['special-token-after-nfkc', 2],
    ])('%s: goes by the contract in all of %d strings', (diff, count) => {
      const some = rows.filter((row) => row.diff === diff);
      expect(some.length).toBe(count);
      for (const tokenizer of [fromJson, fromModel]) {
        for (const { text, ids_spm, expect: contract } of some) {
          expect(tokenizer.encode(text), text).toEqual(contract ?? ids_spm);
        }
      }
    });

    // SentencePiece's ids
    it.each([
      ['＜mask＞', [4426, 1510, 92, 2740]],
      ['a ＜mask＞ b', [10, 4426, 1510, 92, 2740, 876]],
      ['＜/s＞', [6, 42946, 7, 2740]],
    ])('%s, full-width, forges no special token', (text, ids) => {
      for (const tokenizer of [fromJson, fromModel]) {
        expect(tokenizer.encode(text, { add_special_tokens: false })).toEqual(ids);
      }
    });

    it('gives overflowing rows the ids of transformers and one token type, where it has 1 in some', () => {
      const { input_ids, token_type_ids } = fromJson('A photo of a cat', {
        text_pair: 'a red kite flies',
        truncation: true,
        max_length: 10,
        return_overflowing_tokens: true,
        return_token_type_ids: true,
        return_tensor: false,
      });
      expect(input_ids).toEqual([
        [0, 62, 16186, 111, 2, 2, 10, 4842, 94897, 2],
        [0, 10, 7515, 2, 2, 10, 4842, 94897, 2],
        [0, 10, 7515, 2, 2, 33977, 90, 2],
        [0, 62, 16186, 111, 2, 2, 33977, 90, 2],
      ]);
      expect(token_type_ids).toEqual((input_ids as number[][]).map((row) => row.map(() => 0)));
    });

    it('refuses more than 16 MiB of UTF-8, which the fast tokenizer takes', () => {
      const error = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(/16777216/) });
      expect(() => fromJson.encode('a'.repeat(2 ** 24 + 1))).toThrow(error);
      expect(() => fromJson.encode('天'.repeat(2 ** 24 / 3 + 1))).toThrow(error);
    });
  });

  it('shows unknown characters as they stand in the text', () => {
    expect(fromJson.tokenize('a  <mask> ☃ ①𠀀 <unk>')).toEqual(['▁a', '<mask>', '▁', '☃', '▁1', '𠀀', '<unk>']);
  });
});
