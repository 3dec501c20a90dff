/** f32 models on the GPU that ALTCLIP_TEST_DEVICE names (npm run test:vulkan): a thousandth of the values' scale. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AltCLIPModel, AltCLIPProcessor, list_devices, type Tensor } from '../lib';
import type { DeviceName } from '../lib/devices';
import { difference } from './helpers/compare';
import { demoImages, fixture, readJson, temporaryFolder } from './helpers/fixtures';
import { disposeAll, goldenModels, type Loaded, loadAll, measureCase } from './helpers/goldens';

const device = process.env.ALTCLIP_TEST_DEVICE as DeviceName;
const backend = device?.split(':')[0] as DeviceName;
const cache_dir = temporaryFolder();

/** What logits and the loss are made of has a scale of its own. */
const scaleOf = (name: string, scale: number, logitScale: number) =>
  /^logits|^loss$/.test(name) ? Math.exp(logitScale) : /attentions\.\d+$/.test(name) ? 1 : scale;

describe.runIf(device)(`on ${device}`, () => {
  describe.each(goldenModels())('$name in f32', (golden) => {
    let loaded: Loaded;
    beforeAll(async () => {
      loaded = await loadAll(fixture(golden.model), 'f32', cache_dir, 1, device);
    });
    afterAll(() => disposeAll(loaded));

    it.each(golden.cases)('$id: $method', async (golden_case) => {
      for (const { name, scale, maxAbs, cosine } of await measureCase(loaded, golden, golden_case)) {
        expect(maxAbs, name).toBeLessThanOrEqual(1e-3 * scaleOf(name, scale, loaded.model.logit_scale));
        if (name !== 'loss') expect(cosine, name).toBeGreaterThanOrEqual(0.9999);
      }
    });
  });

  it('the demo model in f32 gives the embeddings and answers of transformers', async () => {
    const golden = readJson<DemoGolden>('demo', 'golden.json');
    const checkpoint = fixture('demo', 'checkpoint');
    await using model = await AltCLIPModel.from_pretrained(checkpoint, { dtype: 'f32', cache_dir, device });
    expect(model.device).toBe(device.includes(':') ? device : `${device}:0`);
    const processor = await AltCLIPProcessor.from_pretrained(checkpoint);
    const inputs = await processor({
      text: golden.texts.map(({ text }) => text),
      images: golden.images.map(({ file }) => path.join(demoImages, path.basename(file))),
      padding: true,
    });
    const { text_embeds, image_embeds, logits_per_image } = await model(inputs);
    const close = (got: Tensor, wanted: number[]) => {
      const { maxAbs, cosine } = difference(got.data as Float32Array, wanted);
      expect(maxAbs).toBeLessThanOrEqual(1e-3 * Math.max(...wanted.map(Math.abs)));
      expect(cosine).toBeGreaterThanOrEqual(0.9999);
    };
    close(text_embeds.at(0), golden.text_embeds_first);
    golden.images.forEach((image, i) => {
      close(image_embeds.at(i), image.image_embeds);
      close(logits_per_image.at(i), image.logits_per_image);
    });
  });

  it('many texts at once, of many lengths, give what each gives alone', async () => {
    await using model = await AltCLIPModel.from_pretrained('demo', { device });
    const processor = await AltCLIPProcessor.from_pretrained('demo');
    const text = Array.from({ length: 300 }, (_, i) => Array.from({ length: 1 + (i % 20) }, () => 'lion').join(' '));
    const { input_ids, attention_mask } = await processor({ text, padding: true });
    const all = await model.get_text_features({ input_ids, attention_mask });
    for (const i of [0, 19, 170, 299]) {
      const alone = await model.get_text_features(await processor({ text: [text[i] as string] }));
      expect(difference(all.at(i).data, alone.data).cosine).toBeGreaterThanOrEqual(0.99999);
    }
  });

  it('is listed, with its memory', async () => {
    const found = (await list_devices()).find(({ name }) => name.startsWith(device));
    expect(found).toMatchObject({ backend });
    expect(found?.description).not.toBe('');
    expect(found?.memory_free).toBeGreaterThan(0);
    expect(found?.memory_free).toBeLessThanOrEqual(found?.memory_total as number);
  });

  it("a CPU that poses as a GPU is not what 'auto' takes", async () => {
    const [first] = (await list_devices()).filter(({ type }) => type !== 'software');
    await using model = await AltCLIPModel.from_pretrained('demo');
    expect(model.device).toBe(first?.name);
  });

  it('one that is not there is an error that names those that are', async () => {
    await expect(AltCLIPModel.from_pretrained('demo', { device: `${backend}:99` as DeviceName })).rejects.toMatchObject(
      {
        name: 'AltCLIPError',
        code: 'UNSUPPORTED',
        message: expect.stringContaining(`there is only ${backend}:0`),
      },
    );
  });

  it('stops between batches when it is aborted, and works on', async () => {
    await using model = await AltCLIPModel.from_pretrained('demo', { device });
    const abort = new AbortController();
    const texts = Array.from({ length: 5000 }, (_, i) => `a photo of ${i} lions`);
    setTimeout(() => abort.abort(), 50);
    const all = async () => {
      for await (const _ of model.encode_texts(texts, { signal: abort.signal }));
    };
    await expect(all()).rejects.toMatchObject({ name: 'AbortError' });
    for await (const { data } of model.encode_texts(['a lion'])) expect(Math.hypot(...data)).toBeCloseTo(1, 5);
  });
});

interface DemoGolden {
  texts: { text: string }[];
  images: { file: string; logits_per_image: number[]; image_embeds: number[] }[];
  text_embeds_first: number[];
}
