/**
 * Pictures of plain noise in every container, size and option against what transformers makes of the same noise:
 * hashes that scripts/reference/pictures.py wrote.
 */
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { CLIPImageProcessor, type ImageProcessorOptions } from '../lib/image/processing';
import { type ImageInput, RawImage } from '../lib/image/raw_image';
import { readJson } from './helpers/fixtures';
import { noise } from './helpers/noise';

type Case = [width: number, height: number, seed: number, option: number, bytes: string, values: string];
const { options, cases } = readJson<{ options: ImageProcessorOptions[]; cases: Case[] }>('images', 'option_cases.json');

/** Every way to hand over the same pixels. */
const containers: Record<string, (image: RawImage) => Promise<ImageInput>> = {
  RawImage: async (image) => image,
  PNG: (image) => image.toSharp().png({ compressionLevel: 1 }).toBuffer(),
  'interlaced PNG': (image) => image.toSharp().png({ compressionLevel: 1, progressive: true }).toBuffer(),
  WebP: (image) => image.toSharp().webp({ lossless: true, effort: 0 }).toBuffer(),
  TIFF: (image) => image.toSharp().tiff({ compression: 'lzw' }).toBuffer(),
  sharp: async (image) => sharp(await image.toSharp().png({ compressionLevel: 1 }).toBuffer()),
};

const hash = (data: ArrayBufferView): string =>
  createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex')
    .slice(0, 10);

describe(`${cases.length} combinations of size, option and container`, () => {
  const sizes = [...new Set(cases.map(([width, height, seed]) => `${width},${height},${seed}`))];
  it.each(sizes)('%s', async (size) => {
    const [width, height, seed] = size.split(',').map(Number) as [number, number, number];
    const image = new RawImage(noise(width * height * 3, seed), width, height, 3);
    const inputs = await Promise.all(Object.values(containers).map((make) => make(image)));
    const processor = new CLIPImageProcessor();
    for (const [, , , option, bytes, values] of cases.filter((one) => one[2] === seed)) {
      const input = inputs[(option + seed) % inputs.length] as ImageInput;
      const label = `${Object.keys(containers)[(option + seed) % inputs.length]} ${JSON.stringify(options[option])}`;
      const plain = await processor(input, { ...options[option], do_rescale: false, do_normalize: false });
      expect(hash(plain.pixel_values.data), label).toBe(bytes);
      const { pixel_values } = await processor(input, options[option]);
      expect(hash(pixel_values.data), label).toBe(values);
    }
  });
});
