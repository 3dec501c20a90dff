import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AltCLIPModel, AltCLIPProcessor, type Tensor } from '../lib';
import { difference } from './helpers/compare';
import { demoImages, fixture, readJson, temporaryFolder } from './helpers/fixtures';
import { readSafetensors } from './helpers/safetensors';

const cache_dir = temporaryFolder();

interface EndToEnd {
  models: string[];
  photos: string[];
  texts: string[];
}

const e2e = readJson<EndToEnd>('e2e', 'cases.json');

describe.each(e2e.models)('%s: photos and texts', (folder) => {
  const expected = readSafetensors(fixture('e2e', 'e2e.safetensors'));
  let model: AltCLIPModel;
  let processor: AltCLIPProcessor;
  beforeAll(async () => {
    model = await AltCLIPModel.from_pretrained(fixture(folder), { dtype: 'f32', cache_dir, num_threads: 1 });
    processor = await AltCLIPProcessor.from_pretrained(fixture(folder));
  });
  afterAll(() => model.dispose());

  const photos = e2e.photos.map((photo) => fixture(photo));
  const close = (actual: Tensor, name: string, limit: number): void => {
    const wanted = expected[name] as Tensor;
    expect(actual.dims, name).toEqual(wanted.dims);
    expect(difference(actual.data as Float32Array, wanted.data as Float32Array).maxAbs, name).toBeLessThanOrEqual(
      limit,
    );
  };

  it('gives the ids, embeddings and logits of transformers', async () => {
    const inputs = await processor({ text: e2e.texts, images: photos, padding: true });
    expect(inputs.input_ids?.tolist()).toEqual(expected.input_ids?.tolist());
    expect(inputs.attention_mask?.tolist()).toEqual(expected.attention_mask?.tolist());
    const outputs = await model(inputs);
    close(outputs.text_embeds, 'text_embeds', 1e-5);
    close(outputs.image_embeds, 'image_embeds', 1e-5);
    close(outputs.logits_per_image, 'logits_per_image', 1e-5 * Math.exp(model.logit_scale));
    close(outputs.logits_per_image.softmax(-1), 'probs', 1e-4);
    close(await model.get_text_features(inputs), 'text_features', 2e-4);
    close(await model.get_image_features(inputs), 'image_features', 2e-4);
  });

  it('streams the same embeddings', async () => {
    let row = 0;
    for await (const embedding of model.encode_images(photos, { batch_size: 2 })) {
      const wanted = expected.image_embeds?.at(row++).data as Float32Array;
      expect(difference(embedding.data, wanted).maxAbs).toBeLessThanOrEqual(1e-5);
    }
    expect(row).toBe(photos.length);
    row = 0;
    for await (const embedding of model.encode_texts(e2e.texts, { batch_size: 4 })) {
      const wanted = expected.text_embeds?.at(row++).data as Float32Array;
      expect(difference(embedding.data, wanted).maxAbs).toBeLessThanOrEqual(1e-5);
    }
    expect(row).toBe(e2e.texts.length);
  });
});

interface DemoGolden {
  texts: { text: string; input_ids: number[] }[];
  images: { file: string; logits_per_image: number[]; probs: number[]; image_embeds: number[] }[];
  text_embeds_first: number[];
}

describe('the demo model', () => {
  const golden = readJson<DemoGolden>('demo', 'golden.json');
  const text = golden.texts.map((entry) => entry.text);
  const images = golden.images.map((entry) => path.join(demoImages, path.basename(entry.file)));
  const checkpoint = fixture('demo', 'checkpoint');
  const top = (row: ArrayLike<number>): number => Array.from(row).indexOf(Math.max(...Array.from(row)));

  async function run(id: string, dtype: 'f32' | 'auto') {
    const model = await AltCLIPModel.from_pretrained(id, { dtype, cache_dir, num_threads: 1 });
    const processor = await AltCLIPProcessor.from_pretrained(id);
    const inputs = await processor({ text, images, padding: true });
    const outputs = await model(inputs);
    await model[Symbol.asyncDispose]();
    return { inputs, ...outputs };
  }

  it('in f32 gives the logits and probabilities of transformers', async () => {
    const { inputs, logits_per_image, text_embeds } = await run(checkpoint, 'f32');
    golden.texts.forEach((entry, i) => {
      const length = entry.input_ids.length;
      expect([...(inputs.input_ids?.at(i).data ?? [])].slice(0, length).map(Number)).toEqual(entry.input_ids);
    });
    const probs = logits_per_image.softmax(-1);
    golden.images.forEach((entry, i) => {
      expect(difference(logits_per_image.at(i).data, entry.logits_per_image).maxAbs).toBeLessThanOrEqual(2e-3);
      expect(difference(probs.at(i).data, entry.probs).maxAbs).toBeLessThanOrEqual(1e-3);
      expect(top(logits_per_image.at(i).data)).toBe(top(entry.logits_per_image));
    });
    expect(difference(text_embeds.at(0).data, golden.text_embeds_first).maxAbs).toBeLessThanOrEqual(1e-5);
  });

  it('as it comes with the package (q8_0) keeps the embeddings and the answers', async () => {
    const full = await run(checkpoint, 'f32');
    const packed = await run('demo', 'auto');
    let lowest = 1;
    for (const name of ['text_embeds', 'image_embeds'] as const) {
      [...packed[name]].forEach((row, i) => {
        lowest = Math.min(lowest, difference(row.data, full[name].at(i).data).cosine);
      });
    }
    console.log(`demo q8_0: lowest cosine to f32 ${lowest.toFixed(6)}`);
    expect(lowest).toBeGreaterThanOrEqual(0.999);
    golden.images.forEach((entry, i) => {
      expect(top(packed.logits_per_image.at(i).data)).toBe(top(entry.logits_per_image));
    });
  });

  it('takes an image in every form', async () => {
    const processor = await AltCLIPProcessor.from_pretrained('demo');
    const file = images[0] as string;
    const bytes = readFileSync(file);
    const inputs = [file, new URL(`file://${file}`), bytes, new Uint8Array(bytes), new Blob([bytes])];
    const { pixel_values } = await processor({ images: inputs });
    expect(pixel_values?.dims).toEqual([5, 3, 64, 64]);
    for (const image of pixel_values as Tensor) expect(image.data).toEqual(pixel_values?.at(0).data);
  });
});
