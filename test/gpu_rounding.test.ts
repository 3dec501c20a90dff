/** A GPU that a model of a dtype below f32 has started (npm run test:vulkan): faster there, closed to f32 ones. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { AltCLIPModel, AltCLIPProcessor } from '../lib';
import type { DeviceName } from '../lib/devices';
import { difference } from './helpers/compare';
import { demoImages, fixture, readJson, temporaryFolder } from './helpers/fixtures';

const device = process.env.ALTCLIP_TEST_DEVICE as DeviceName;
const cache_dir = temporaryFolder();
const checkpoint = fixture('demo', 'checkpoint');
const { texts, images } = readJson<{ texts: { text: string }[]; images: { file: string }[] }>('demo', 'golden.json');

describe.runIf(device)(`on ${device}`, () => {
  async function embed(id: string, dtype: 'auto' | 'f32' | 'f16' | 'bf16' | 'q4_k', on: DeviceName) {
    const model = await AltCLIPModel.from_pretrained(id, { dtype, cache_dir, device: on });
    const processor = await AltCLIPProcessor.from_pretrained(id);
    const files = images.map(({ file }) => path.join(demoImages, path.basename(file)));
    const inputs = await processor({ text: texts.map(({ text }) => text), images: files, padding: true });
    const { text_embeds, image_embeds } = await model(inputs);
    await model.dispose();
    return [...text_embeds, ...image_embeds].map(({ data }) => data as Float32Array);
  }

  // 'demo' is q8_0; q4_k is the coarsest: on the CPU 1 - cosine is 4.4e-4
  it.each([
    ['demo', 'auto', 0.999],
    [checkpoint, 'f16', 0.9999],
    [checkpoint, 'bf16', 0.9999],
    [checkpoint, 'q4_k', 0.999],
  ] as const)('%s as %s keeps the embeddings of f32', async (id, dtype, least) => {
    const exact = await embed(checkpoint, 'f32', 'cpu');
    const rounded = await embed(id, dtype, device);
    const cosines = rounded.map((row, i) => difference(row, exact[i] as Float32Array).cosine);
    console.log(`${dtype} on ${device}: lowest cosine to f32 ${Math.min(...cosines)}`);
    expect(Math.min(...cosines)).toBeGreaterThanOrEqual(least);
  });

  it.runIf(device?.startsWith('vulkan'))('an f32 model is an error that says how to have both', async () => {
    await expect(embed(checkpoint, 'f32', device)).rejects.toMatchObject({
      name: 'AltCLIPError',
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/multiplies in f16 .* load the f32 model first/),
    });
  });
});
