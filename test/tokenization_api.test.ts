import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { native } from '../lib/native';
import { Tensor } from '../lib/tensor';
import { type TextInput, type TokenizerOptions, XLMRobertaTokenizer } from '../lib/tokenization/tokenizer';
import { fixture, temporaryFolder } from './helpers/fixtures';

const file = fixture('models', 'tiny-e2e', 'tokenizer.json');
let tokenizer: XLMRobertaTokenizer;

beforeAll(async () => {
  tokenizer = await XLMRobertaTokenizer.from_file(file);
});

const error = (code: string, message: string | RegExp): unknown =>
  expect.objectContaining({ name: 'AltCLIPError', code, message: expect.stringMatching(message) });

describe('XLMRobertaTokenizer', () => {
  it('is a function with the class of its name', () => {
    expect(tokenizer).toBeInstanceOf(XLMRobertaTokenizer);
    expect(typeof tokenizer).toBe('function');
  });

  it('gives int64 tensors', () => {
    const { input_ids, attention_mask, offset_mapping } = tokenizer(['a cat', 'a'], {
      padding: true,
      return_offsets_mapping: true,
    });
    expect(input_ids).toBeInstanceOf(Tensor);
    expect(input_ids.type).toBe('int64');
    const [rows, columns] = input_ids.dims as [number, number];
    expect(rows).toBe(2);
    expect(attention_mask?.dims).toEqual([2, columns]);
    expect(offset_mapping?.dims).toEqual([2, columns, 2]);
    expect(tokenizer('a cat').input_ids.dims).toEqual([1, columns]);
    expect(tokenizer.batch_decode(input_ids, { skip_special_tokens: true })).toEqual(['a cat', 'a']);
    expect(tokenizer.decode(input_ids.at(0), { skip_special_tokens: true })).toBe('a cat');
    expect(tokenizer.encode('a cat')).toEqual(Array.from(input_ids.at(0).data, Number));
  });

  it('tells offsets in UTF-16 code units, lone surrogates included', () => {
    const text = '😀 a\ud83db';
    const { offset_mapping, input_ids } = tokenizer(text, {
      add_special_tokens: false,
      return_offsets_mapping: true,
      return_tensor: false,
    });
    const offsets = offset_mapping as [number, number][];
    expect(offsets[0]?.[0]).toBe(0);
    expect(offsets.at(-1)).toEqual([5, 6]);
    expect(offsets.every(([begin, end]) => begin < end && end <= text.length)).toBe(true);
    expect(tokenizer.encode('😀 a\ufffdb', { add_special_tokens: false })).toEqual(input_ids);
  });

  it('sets its own model_max_length and padding_side', async () => {
    const own = await XLMRobertaTokenizer.from_file(file);
    own.model_max_length = 4;
    own.padding_side = 'left';
    const ids = own(['a cat on a mat', 'a'], { padding: true, truncation: true }).input_ids.tolist() as bigint[][];
    expect(ids[0]).toHaveLength(4);
    expect(ids[1]?.[0]).toBe(BigInt(own.pad_token_id));
  });

  it('asks for padding where rows have different lengths', () => {
    expect(() => tokenizer(['a cat on a mat', 'a'])).toThrow(error('INVALID_ARGUMENT', 'padding: true') as Error);
    expect(() => tokenizer([])).toThrow(error('INVALID_ARGUMENT', 'empty array') as Error);
    expect(tokenizer([], { return_tensor: false }).input_ids).toEqual([]);
  });

  it.each<[string, unknown, object | null, RegExp]>([
    ['a number', 5, {}, /^text: got number/],
    ['null', null, {}, /^text: got null/],
    ['a null in an array', ['a', null], {}, /^text\[1\]: got null/],
    ['nested arrays', [['a']], {}, /^text\[0\]: got Array/],
    ['a string as words', 'a', { is_split_into_words: true }, /^text: got string/],
    ['a number among words', [['a', 1]], { is_split_into_words: true }, /^text\[0\]: got number/],
    ['an unknown option', 'a', { return_tensors: 'pt' }, /return_tensors is unknown/],
    ['no object', 'a', null, /^options: got null/],
    ['padding', 'a', { padding: 'sideways' }, /^padding: got sideways/],
    ['truncation', 'a', { truncation: 'bad' }, /^truncation: got bad/],
    ['a negative length', 'a', { truncation: true, max_length: -1 }, /^max_length: got -1/],
    ['a huge length', 'a', { padding: 'max_length', max_length: 1e9 }, /^max_length: got 1000000000/],
    ['a fraction', 'a', { pad_to_multiple_of: 1.5 }, /^pad_to_multiple_of: got 1.5/],
    [
      'multiple against length',
      'a',
      { padding: true, truncation: true, max_length: 5, pad_to_multiple_of: 8 },
      /multiple/,
    ],
    ['padding_side', 'a', { padding_side: 'top' }, /^padding_side: got top/],
    ['truncation_side', 'a', { truncation_side: 'top' }, /^truncation_side: got top/],
    ['a flag', 'a', { return_tensor: 1 }, /^return_tensor: got number/],
    ['fewer pairs', ['a', 'b'], { text_pair: ['c'] }, /^text_pair: got 1 texts/],
    ['a pair for a batch', ['a'], { text_pair: 'c' }, /^text_pair/],
    ['no second', 'a cat on a mat', { truncation: 'only_second', max_length: 3 }, /no text_pair/],
    [
      'a stride beyond',
      'a cat on a mat',
      { truncation: true, max_length: 5, stride: 3, return_overflowing_tokens: true },
      /^stride/,
    ],
    [
      'an overflow of many parts by many',
      'a '.repeat(10_000),
      { text_pair: 'a '.repeat(10_000), truncation: true, max_length: 6, return_overflowing_tokens: true },
      /^return_overflowing_tokens: 10000 parts of text by 10000/,
    ],
    [
      'an overflow of parts that share nearly all',
      'a '.repeat(100_000),
      { truncation: true, max_length: 514, stride: 511, return_overflowing_tokens: true },
      /^return_overflowing_tokens: \d+ parts .*lower stride/,
    ],
  ])('refuses %s', (_, text, options, message) => {
    expect(() => tokenizer(text as TextInput, options as TokenizerOptions)).toThrow(
      error('INVALID_ARGUMENT', message) as Error,
    );
  });

  it('refuses ids that are no token’s', () => {
    for (const ids of [[-1], [1e9], [0.5], [2n ** 40n], ['a'], 5, null]) {
      expect(() => tokenizer.decode(ids as number[])).toThrow(error('INVALID_ARGUMENT', /^ids: got/) as Error);
    }
    expect(() => tokenizer.convert_ids_to_tokens(5000)).toThrow(
      error('INVALID_ARGUMENT', 'expected integers') as Error,
    );
    expect(() => tokenizer.decode(tokenizer('a').input_ids)).toThrow(
      error('INVALID_ARGUMENT', 'one dimension') as Error,
    );
  });

  it('takes long, empty and odd texts', () => {
    for (const text of [
      '',
      '\0',
      '\u0001\u007f\u0085',
      ' '.repeat(1000),
      'a'.repeat(1_000_000),
      '<mask'.repeat(1000),
    ]) {
      const { input_ids } = tokenizer(text, { truncation: true, max_length: 16 });
      expect(input_ids.size).toBeLessThanOrEqual(16);
    }
  });

  it('names the file that is no tokenizer', async () => {
    const folder = temporaryFolder();
    const foreign = path.join(folder, 'tokenizer.json');
    writeFileSync(foreign, '{"model": {"type": "BPE"}}');
    await expect(XLMRobertaTokenizer.from_file(foreign)).rejects.toEqual(error('UNSUPPORTED', 'tokenizer.json'));
    writeFileSync(foreign, 'hello');
    await expect(XLMRobertaTokenizer.from_file(foreign)).rejects.toEqual(error('MODEL_FORMAT', 'tokenizer.json'));
    await expect(XLMRobertaTokenizer.from_file(`${foreign}x`)).rejects.toEqual(error('IO', 'tokenizer.jsonx'));
    await expect(XLMRobertaTokenizer.from_file(5 as unknown as string)).rejects.toEqual(
      error('INVALID_ARGUMENT', 'file'),
    );
  });
});

describe('the native tokenizer', () => {
  it('comes out of a GGUF file as it went in', async () => {
    const output = path.join(temporaryFolder(), 'tiny.gguf');
    await native.convertModel({ source: fixture('models', 'tiny-e2e'), output, dtype: 'f32' });
    const loaded = await XLMRobertaTokenizer.from_file(output);
    const texts = readFileSync(fixture('e2e', 'tokenizer_cases.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { text: string }).text);
    const options = { return_tensor: false, return_offsets_mapping: true } as const;
    expect(loaded(texts, options)).toEqual(tokenizer(texts, options));
    expect(loaded.model_max_length).toBe(77);
    expect(loaded.all_special_ids).toEqual(tokenizer.all_special_ids);
  });

  it('answers wrong arguments with errors', async () => {
    const loaded = await native.loadTokenizer(file);
    const wrong = loaded as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const [method, ...args] of [
      ['encode'],
      ['encode', 5, true],
      ['encode', 'a'],
      ['encodeBatch', 'a', true],
      ['encodeBatch', ['a', 5], true],
      ['decode', [1], true],
      ['decode', new Int32Array([-1]), true],
      ['decode', new Int32Array(1)],
      ['idToToken', 'a'],
      ['tokenToId', 5],
    ] as [string, ...unknown[]][]) {
      expect(() => wrong[method]?.(...args), `${method}(${args})`).toThrow();
    }
    expect(loaded.idToToken(-1)).toBeUndefined();
    expect(loaded.idToToken(Number.NaN)).toBeUndefined();
    expect(loaded.tokenToId('no such token')).toBeUndefined();
  });

  it('has a constructor that makes nothing of use, and methods that know their own kind', async () => {
    const loaded = await native.loadTokenizer(file);
    const Made = loaded.constructor as new (...args: unknown[]) => typeof loaded;
    for (const args of [[], [{}], [loaded], ['x', 1n]]) {
      expect(() => new Made(...args).encode('a', false)).toThrow('no tokenizer of loadTokenizer');
    }
    const flag = new native.AbortFlag();
    for (const other of [{}, null, flag]) expect(() => loaded.encode.call(other, 'a', false)).toThrow();
  });
});
