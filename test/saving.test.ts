import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import {
  AltCLIPConfig,
  AltCLIPModel,
  AltCLIPProcessor,
  AltCLIPTextModel,
  AltCLIPVisionModel,
  CLIPImageProcessor,
  Tensor,
  XLMRobertaTokenizer,
} from '../lib';
import { native } from '../lib/native';
import { fixture, readJson, temporaryFolder } from './helpers/fixtures';

const folder = temporaryFolder();
const cache_dir = path.join(folder, 'cache');
const e2e = fixture('models', 'tiny-e2e');
const texts = ['a photo of a cat', '고양이 사진', '', 'a <mask> b', '  two  spaces ', 'naïve ½ ﷺ', '<s> a</s>'];
const options = { cache_dir, num_threads: 1 };
const read = (...parts: string[]): Record<string, unknown> =>
  JSON.parse(readFileSync(path.join(...parts), 'utf8')) as Record<string, unknown>;

async function converted(source: string, name: string): Promise<string> {
  const output = path.join(folder, name);
  await native.convertModel({ source, output, dtype: 'auto' });
  return output;
}

/** A folder with tiny-e2e's tokenizer and these fields in its tokenizer_config.json. */
function tokenizerFolder(name: string, fields: object): string {
  const made = path.join(folder, name);
  mkdirSync(made);
  copyFileSync(path.join(e2e, 'tokenizer.json'), path.join(made, 'tokenizer.json'));
  const config = { ...read(e2e, 'tokenizer_config.json'), ...fields };
  writeFileSync(path.join(made, 'tokenizer_config.json'), JSON.stringify(config));
  return made;
}

describe('XLMRobertaTokenizer.save_pretrained', () => {
  it.each(['tokenizer.json', 'sentencepiece.bpe.model', 'GGUF'])('writes the same tokenizer: %s', async (from) => {
    const file = from === 'GGUF' ? await converted(e2e, 'whole.gguf') : path.join(e2e, from);
    const tokenizer = await XLMRobertaTokenizer.from_file(file);
    const saved = path.join(folder, 'new', `saved-${from}`);
    await tokenizer.save_pretrained(saved);
    expect(readdirSync(saved).sort()).toEqual(['tokenizer.json', 'tokenizer_config.json']);
    const again = await XLMRobertaTokenizer.from_pretrained(saved);
    expect(again.model_max_length).toBe(77);
    expect(again(texts, { return_tensor: false })).toEqual(tokenizer(texts, { return_tensor: false }));
    // tokens, scores and character map of what transformers wrote
    const { model, normalizer } = read(saved, 'tokenizer.json');
    const original = read(e2e, 'tokenizer.json');
    expect(model).toEqual(original.model);
    expect(normalizer).toEqual(original.normalizer);
  });

  it('states how calls go, and writes no limit as transformers does', async () => {
    const tokenizer = await XLMRobertaTokenizer.from_file(path.join(e2e, 'tokenizer.json'));
    tokenizer.model_max_length = 1e30;
    tokenizer.padding_side = 'left';
    tokenizer.truncation_side = 'left';
    tokenizer.clean_up_tokenization_spaces = true;
    const saved = path.join(folder, 'sides');
    await tokenizer.save_pretrained(saved);
    expect(read(saved, 'tokenizer_config.json')).toMatchObject({ model_max_length: 1e30, mask_token: '<mask>' });
    const again = await XLMRobertaTokenizer.from_pretrained(saved);
    const { model_max_length, padding_side, truncation_side, clean_up_tokenization_spaces } = again;
    expect([model_max_length, padding_side, truncation_side, clean_up_tokenization_spaces]).toEqual([
      1e30,
      'left',
      'left',
      true,
    ]);
  });

  it('names what cannot be written', async () => {
    const tokenizer = await XLMRobertaTokenizer.from_pretrained(e2e);
    const file = path.join(folder, 'a-file');
    writeFileSync(file, '');
    await expect(tokenizer.save_pretrained(file)).rejects.toMatchObject({
      code: 'IO',
      message: `${file}: cannot be written: is a file, expected a folder`,
    });
    const blocked = path.join(folder, 'blocked');
    mkdirSync(path.join(blocked, 'tokenizer.json', 'x'), { recursive: true });
    await expect(tokenizer.save_pretrained(blocked)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining(path.join(blocked, 'tokenizer.json')),
    });
    expect(readdirSync(blocked)).toEqual(['tokenizer.json']);
  });
});

// what transformers 5.24 gives for these folders, and for a tokenizer.json whose padding and truncation face left
describe('tokenizer_config.json', () => {
  const batch = ['a cat', 'a photo of a cat .'];
  const left = [
    [1, 1, 0, 9, 184, 2],
    [0, 9, 184, 4, 5, 2],
  ];
  const spaced = "a cat , it is n't .";

  it('says which side is padded and cut, and whether decode cleans up; a GGUF keeps it', async () => {
    const made = tokenizerFolder('left', {
      padding_side: 'left',
      truncation_side: 'left',
      clean_up_tokenization_spaces: true,
    });
    for (const name of ['config.json', 'model.safetensors']) copyFileSync(path.join(e2e, name), path.join(made, name));
    for (const source of [made, await converted(made, 'left.gguf')]) {
      const tokenizer = await XLMRobertaTokenizer.from_pretrained(source);
      const call = { padding: true, truncation: true, max_length: 6, return_tensor: false } as const;
      expect(tokenizer(batch, call).input_ids).toEqual(left);
      const ids = tokenizer.encode(spaced);
      expect(tokenizer.decode(ids, { skip_special_tokens: true })).toBe("a cat, it isn't.");
      const kept = { skip_special_tokens: true, clean_up_tokenization_spaces: false };
      expect(tokenizer.decode(ids, kept)).toBe(spaced);
    }
  });

  it('leaves the sides to tokenizer.json', async () => {
    const made = tokenizerFolder('sides-of-json', {});
    const json = read(made, 'tokenizer.json');
    json.padding = { strategy: 'BatchLongest', direction: 'Left', pad_id: 1, pad_type_id: 0, pad_token: '<pad>' };
    json.truncation = { direction: 'Left', max_length: 5, strategy: 'LongestFirst', stride: 0 };
    writeFileSync(path.join(made, 'tokenizer.json'), JSON.stringify(json));
    const tokenizer = await XLMRobertaTokenizer.from_pretrained(made);
    const call = { padding: true, truncation: true, max_length: 6, return_tensor: false } as const;
    expect(tokenizer(batch, call).input_ids).toEqual(left);
  });

  it.each([
    [
      ['input_ids', 'token_type_ids', 'attention_mask'],
      ['input_ids', 'token_type_ids', 'attention_mask'],
    ],
    [['input_ids'], ['input_ids']],
    [[], ['input_ids']],
    [['token_type_ids'], ['input_ids', 'token_type_ids']],
  ])('says what a call gives, model_input_names %j; a GGUF and a saved tokenizer keep it', async (names, given) => {
    const made = tokenizerFolder(`names-${names}`, { model_input_names: names });
    for (const name of ['config.json', 'model.safetensors']) copyFileSync(path.join(e2e, name), path.join(made, name));
    const saved = path.join(folder, `names-saved-${names}`);
    await (await XLMRobertaTokenizer.from_pretrained(made)).save_pretrained(saved);
    expect(read(saved, 'tokenizer_config.json').model_input_names).toEqual(names);
    const values: Record<string, number[][]> = {
      input_ids: [
        [0, 9, 184, 2],
        [0, 9, 2, 1],
      ],
      token_type_ids: [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
      ],
      attention_mask: [
        [1, 1, 1, 1],
        [1, 1, 1, 0],
      ],
    };
    for (const source of [made, saved, await converted(made, `names-${names}.gguf`)]) {
      const tokenizer = await XLMRobertaTokenizer.from_pretrained(source);
      expect(tokenizer.model_input_names).toEqual(names);
      const call = { padding: true, return_tensor: false } as const;
      const encoding = tokenizer(['a cat', 'a'], call);
      expect(encoding).toEqual(Object.fromEntries(given.map((name) => [name, values[name]])));
      const asked = { ...call, return_attention_mask: true, return_token_type_ids: false };
      expect(Object.keys(tokenizer(['a cat', 'a'], asked))).toEqual(['input_ids', 'attention_mask']);
    }
  });

  it.each([{ padding_side: 'left' }, { model_input_names: ['input_ids'] }])(
    'changes no embedding of a batch: %j',
    async (fields) => {
      const name = `batch-${Object.keys(fields)}`;
      const made = tokenizerFolder(name, fields);
      for (const one of ['config.json', 'model.safetensors']) copyFileSync(path.join(e2e, one), path.join(made, one));
      const model = await AltCLIPModel.from_pretrained(await converted(made, `${name}.gguf`), options);
      const embeddings = async (batch_size: number) => {
        const rows: Tensor[] = [];
        for await (const row of model.encode_texts(batch, { batch_size })) rows.push(row);
        return rows.map((row) => row.tolist() as number[]);
      };
      const [alone, together] = [await embeddings(1), await embeddings(2)];
      alone.flat().forEach((value, i) => {
        expect(together.flat()[i]).toBeCloseTo(value, 5);
      });
      await model.dispose();
    },
  );

  it('without a limit leaves that of the model, by which encode_texts cuts', async () => {
    const made = tokenizerFolder('no-limit', { model_max_length: undefined });
    for (const one of ['config.json', 'model.safetensors']) copyFileSync(path.join(e2e, one), path.join(made, one));
    const model = await AltCLIPModel.from_pretrained(await converted(made, 'no-limit.gguf'), options);
    const text = 'a cat '.repeat(100);
    const tokenizer = await XLMRobertaTokenizer.from_pretrained(made);
    const features = await model.get_text_features(tokenizer(text, { truncation: true, max_length: 96 }));
    for await (const row of model.encode_texts([text])) {
      const scale = Math.hypot(...features.data);
      row.data.forEach((value, i) => {
        expect(value).toBeCloseTo((features.data[i] as number) / scale, 5);
      });
    }
    await model.dispose();
  });

  it('model_input_names set to what is no array is an error of ours', async () => {
    const tokenizer = await XLMRobertaTokenizer.from_pretrained(e2e);
    tokenizer.model_input_names = undefined as never;
    expect(() => tokenizer('a')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it.each([
    [{ padding_side: 'middle' }, 'padding_side is "middle"'],
    [{ padding_side: null }, 'padding_side is null'],
    [{ truncation_side: 7 }, 'truncation_side is 7'],
    [{ clean_up_tokenization_spaces: 'yes' }, 'clean_up_tokenization_spaces is "yes"'],
    [{ model_max_length: 'x' }, 'model_max_length is "x"'],
    [{ model_input_names: null }, 'model_input_names is null'],
    [{ model_input_names: 'input_ids' }, 'model_input_names is "input_ids"'],
    [{ model_input_names: ['input_ids', 7] }, 'model_input_names is ["input_ids",7]'],
  ])('is refused: %j', async (fields, message) => {
    const made = tokenizerFolder(`bad-${message}`.replace(/\W/g, '_'), fields);
    await expect(XLMRobertaTokenizer.from_pretrained(made)).rejects.toMatchObject({
      code: 'MODEL_FORMAT',
      message: expect.stringContaining(message),
    });
  });
});

describe('AltCLIPProcessor.save_pretrained', () => {
  it('writes both parts', async () => {
    const processor = await AltCLIPProcessor.from_pretrained(e2e);
    const saved = path.join(folder, 'processor');
    await processor.save_pretrained(saved);
    expect(readdirSync(saved).sort()).toEqual(['preprocessor_config.json', 'tokenizer.json', 'tokenizer_config.json']);
    const again = await AltCLIPProcessor.from_pretrained(saved);
    expect(again.image_processor.to_dict()).toEqual(processor.image_processor.to_dict());
    expect(again.tokenizer(texts, { return_tensor: false })).toEqual(
      processor.tokenizer(texts, { return_tensor: false }),
    );
  });
});

describe('save_pretrained of models', () => {
  const input_ids = [[0, 5, 6, 2]];
  const pixel_values = new Tensor('float32', new Float32Array(3 * 32 * 32).fill(0.5), [1, 3, 32, 32]);

  it('writes config.json and a model that loads as it is, processor included', async () => {
    const model = await AltCLIPModel.from_pretrained(e2e, options);
    const saved = path.join(folder, 'model');
    await model.save_pretrained(saved);
    expect(readdirSync(saved).sort()).toEqual(['config.json', 'model.gguf']);
    expect(read(saved, 'config.json')).toEqual(readJson('models', 'tiny-e2e', 'config.json'));
    const unused = path.join(folder, 'unused-cache');
    const again = await AltCLIPModel.from_pretrained(saved, { ...options, cache_dir: unused });
    expect(existsSync(unused)).toBe(false);
    const features = async (one: AltCLIPModel): Promise<unknown> => (await one.get_text_features({ input_ids })).data;
    expect(await features(again)).toEqual(await features(model));
    const tokenizer = await XLMRobertaTokenizer.from_pretrained(saved);
    const original = await XLMRobertaTokenizer.from_pretrained(e2e);
    expect(tokenizer(texts, { return_tensor: false })).toEqual(original(texts, { return_tensor: false }));
    await CLIPImageProcessor.from_pretrained(saved);
    await again.save_pretrained(saved); // into the folder that it is loaded from
    expect(await features(again)).toEqual(await features(model));
    await Promise.all([model.dispose(), again.dispose()]);
  });

  it('writes a tower alone as convert does, and it loads', async () => {
    const text = await AltCLIPTextModel.from_pretrained(e2e, options);
    const vision = await AltCLIPVisionModel.from_pretrained(e2e, options);
    await text.save_pretrained(path.join(folder, 'text'));
    await vision.save_pretrained(path.join(folder, 'vision'));
    for (const tower of ['text', 'vision'] as const) {
      const output = path.join(folder, `${tower}.gguf`);
      await native.convertModel({ source: e2e, output, dtype: 'auto', tower });
      expect(readFileSync(path.join(folder, tower, 'model.gguf')).equals(readFileSync(output))).toBe(true);
    }
    const text2 = await AltCLIPTextModel.from_pretrained(path.join(folder, 'text'), options);
    const vision2 = await AltCLIPVisionModel.from_pretrained(path.join(folder, 'vision'), options);
    expect((await text2({ input_ids })).pooler_output?.data).toEqual((await text({ input_ids })).pooler_output?.data);
    const image = { pixel_values: new Tensor('float32', new Float32Array(3 * 224 * 224).fill(0.5), [1, 3, 224, 224]) };
    expect((await vision2(image)).pooler_output?.data).toEqual((await vision(image)).pooler_output?.data);
    await Promise.all([text, vision, text2, vision2].map((model) => model.dispose()));
  });

  it('makes random weights once more', async () => {
    const config = await AltCLIPConfig.from_pretrained(fixture('models', 'tiny'));
    const model = await AltCLIPModel.from_config(config, { ...options, seed: 3, dtype: 'f16' });
    const saved = path.join(folder, 'random');
    await model.save_pretrained(saved);
    const again = await AltCLIPModel.from_pretrained(saved, options);
    expect(again.dtype).toBe('f16');
    const inputs = { input_ids, pixel_values };
    expect((await again(inputs)).logits_per_image.data).toEqual((await model(inputs)).logits_per_image.data);
    await Promise.all([model.dispose(), again.dispose()]);
  });

  it('stops when aborted, and leaves no model', async () => {
    const model = await AltCLIPModel.from_pretrained(e2e, options);
    const aborted = path.join(folder, 'aborted');
    await expect(model.save_pretrained(aborted, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(existsSync(aborted)).toBe(false);
    const controller = new AbortController();
    const saving = model.save_pretrained(aborted, { signal: controller.signal });
    controller.abort();
    await expect(saving).rejects.toMatchObject({ code: 'ABORTED' });
    await vi.waitFor(() => expect(readdirSync(aborted).filter((name) => name !== 'config.json')).toEqual([]));
    await model.save_pretrained(aborted, { signal: new AbortController().signal });
    expect(readdirSync(aborted).sort()).toEqual(['config.json', 'model.gguf']);
    await model.dispose();
  });

  it('names what cannot be written or is gone', async () => {
    const source = await converted(fixture('models', 'tiny'), 'gone.gguf');
    const model = await AltCLIPModel.from_pretrained(source, options);
    await expect(model.save_pretrained('')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    rmSync(source);
    const saved = path.join(folder, 'gone');
    await expect(model.save_pretrained(saved)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining(source),
    });
    expect(readdirSync(saved)).toEqual(['config.json']);
    await model.dispose();
  });
});
