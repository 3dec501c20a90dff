import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AltCLIPConfig, AltCLIPModel, AltCLIPTextModel, AltCLIPVisionModel, Tensor } from '../lib';
import { fixture, temporaryFolder } from './helpers/fixtures';

const tiny = fixture('models', 'tiny');
const cache_dir = temporaryFolder();
const pixel_values = new Tensor('float32', new Float32Array(3 * 32 * 32).fill(0.5), [1, 3, 32, 32]);

describe('AltCLIPModel', () => {
  let model: AltCLIPModel;
  beforeAll(async () => {
    model = await AltCLIPModel.from_pretrained(tiny, { cache_dir, dtype: 'f32', num_threads: 1 });
  });
  afterAll(() => model.dispose());

  it('is called like a function and is an instance of its class', async () => {
    expect(typeof model).toBe('function');
    expect(model).toBeInstanceOf(AltCLIPModel);
    const inputs = { input_ids: [[0, 5, 6, 2]], pixel_values };
    expect((await model(inputs)).logits_per_image.data).toEqual((await model.forward(inputs)).logits_per_image.data);
  });

  it('shows its configuration and its scale', () => {
    expect(model.config).toBeInstanceOf(AltCLIPConfig);
    expect(model.config.projection_dim).toBe(40);
    expect(model.logit_scale).toBeCloseTo(3.1, 1);
    expect(model.dtype).toBe('f32');
  });

  it('takes nested arrays of numbers or bigints, and ignores what it does not use', async () => {
    const pixels = pixel_values.tolist() as number[][][][];
    const plain = await model({ input_ids: [[0, 5, 6, 2]], pixel_values: pixels, extra: 1 } as never);
    const typed = await model({ input_ids: [[0n, 5n, 6n, 2n]], pixel_values });
    expect(plain.logits_per_image.data).toEqual(typed.logits_per_image.data);
  });

  it('gives hidden states and attentions only where they are asked for', async () => {
    const inputs = { input_ids: [[0, 5, 6, 2]], pixel_values };
    const plain = await model(inputs);
    expect(Object.keys(plain.text_model_output)).toEqual(['last_hidden_state', 'pooler_output']);
    expect('loss' in plain).toBe(false);
    const all = await model({ ...inputs, output_hidden_states: true, output_attentions: true, return_loss: true });
    expect(all.text_model_output.hidden_states?.length).toBe(3);
    expect(all.vision_model_output.attentions?.map(({ dims }) => dims)).toEqual(Array(3).fill([1, 4, 17, 17]));
    expect(all.loss?.dims).toEqual([]);
  });

  it('takes what the configuration asks for', async () => {
    model.config.output_hidden_states = true;
    const inputs = { input_ids: [[0, 5, 6, 2]], pixel_values };
    expect((await model(inputs)).text_model_output.hidden_states?.length).toBe(3);
    expect((await model({ ...inputs, output_hidden_states: false })).text_model_output.hidden_states).toBeUndefined();
    model.config.output_hidden_states = false;
  });

  it('lets one row of a mask, of positions and of token types stand for all', async () => {
    const input_ids = [
      [0, 5, 6, 2],
      [0, 7, 8, 2],
    ];
    const one = await model.get_text_features({
      input_ids,
      attention_mask: [[1, 1, 0, 1]],
      token_type_ids: [[0, 0, 0, 0]],
    });
    const each = await model.get_text_features({
      input_ids,
      attention_mask: [
        [1, 1, 0, 1],
        [1, 1, 0, 1],
      ],
    });
    expect(one.data).toEqual(each.data);
  });

  it('runs many calls at once, each with its own result', async () => {
    const alone = await Promise.all([5, 6, 7].map((id) => model.get_text_features({ input_ids: [[0, id, 2]] })));
    const together = await model.get_text_features({ input_ids: [5, 6, 7].map((id) => [0, id, 2]) });
    alone.forEach((features, i) => {
      [...features.data].forEach((x, k) => {
        expect(x).toBeCloseTo(together.at(i).data[k] as number, 4);
      });
    });
  });

  it('streams from async iterables', async () => {
    async function* source(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 3; i++) yield png;
    }
    const rows = [];
    for await (const row of model.encode_images(source(), { batch_size: 2 })) rows.push(row);
    expect(rows.map(({ dims }) => dims)).toEqual(Array(3).fill([40]));
    for (const { data } of rows) expect(Math.hypot(...data)).toBeCloseTo(1, 5);
  });

  it('has no tokenizer where the checkpoint has none', async () => {
    await expect(model.encode_texts(['a']).next()).rejects.toMatchObject({ name: 'AltCLIPError' });
  });
});

/** A PNG of one red pixel. */
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==',
  'base64',
);

describe('towers alone', () => {
  it('load their own part and have its configuration', async () => {
    const text = await AltCLIPTextModel.from_pretrained(tiny, { cache_dir, num_threads: 1 });
    const vision = await AltCLIPVisionModel.from_pretrained(tiny, { cache_dir, num_threads: 1 });
    expect(text.config.vocab_size).toBe(1000);
    expect(vision.config.image_size).toBe(32);
    expect((await text({ input_ids: [[0, 5, 2]] })).last_hidden_state.dims).toEqual([1, 3, 48]);
    expect((await vision.forward({ pixel_values })).last_hidden_state.dims).toEqual([1, 17, 64]);
    await Promise.all([text.dispose(), vision.dispose()]);
  });
});

describe('from_config', () => {
  const inputs = { input_ids: [[0, 5, 6, 2]], pixel_values };

  it('gives the same weights for the same seed, others for another, and leaves no file', async () => {
    const config = await AltCLIPConfig.from_pretrained(tiny);
    const before = readdirSync(cache_dir);
    const models = await Promise.all(
      [7, 7, 8].map((seed) => AltCLIPModel.from_config(config, { seed, cache_dir, num_threads: 1 })),
    );
    if (process.platform !== 'win32') expect(readdirSync(cache_dir)).toEqual(before);
    const [a, b, c] = await Promise.all(models.map(async (model) => (await model(inputs)).text_embeds.data));
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
    expect(models[0]?.dtype).toBe('f32');
    for await (const row of models[0]?.encode_images([png]) ?? []) expect(row.dims).toEqual([40]);
    await expect(models[0]?.encode_texts(['a']).next()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await Promise.all(models.map((model) => model.dispose()));
  });

  it('takes every dtype', async () => {
    const config = await AltCLIPConfig.from_pretrained(tiny);
    const model = await AltCLIPModel.from_config(config, { dtype: 'q8_0', cache_dir, num_threads: 1 });
    expect(model.dtype).toBe('q8_0');
    await model.dispose();
  });

  it.each([
    [{}, {}, /config: got Object, expected an AltCLIPConfig/],
    [new AltCLIPConfig(), { seed: -1 }, /seed: got -1/],
    [new AltCLIPConfig(), { dtype: 'q2' }, /dtype: got "q2"/],
  ])('refuses %#', async (config, options, message) => {
    await expect(AltCLIPModel.from_config(config as AltCLIPConfig, options as object)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message) as string,
    });
  });
});
