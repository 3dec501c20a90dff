import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { resizedSize } from '../lib/image/options';
import { CLIPImageProcessor, type ImageProcessorOptions } from '../lib/image/processing';
import { RawImage } from '../lib/image/raw_image';
import { AltCLIPProcessor } from '../lib/processing';
import type { Tensor } from '../lib/tensor';
import { fixture, readJson, temporaryFolder } from './helpers/fixtures';
import { readSafetensors } from './helpers/safetensors';

interface Cases {
  preprocessor: Record<string, unknown>;
  images: { file: string; crop: string; crop_by_path?: string; pixel_values_sha256: string }[];
  options: {
    id: string;
    file: string;
    kwargs: ImageProcessorOptions;
    dtype: 'uint8' | 'float32';
    tensor: string;
    shape: number[];
    size_before_crop?: [number, number] | null;
  }[];
}
const cases = readJson<Cases>('images', 'cases.json');
const tensors = readSafetensors(fixture('images', 'images.safetensors'));
const fileOf = (name: string): string => fixture(...name.split('/'));
const photo = fileOf('inputs/photos/china.jpg');
const raw = { do_rescale: false, do_normalize: false } as const;
const processor = new CLIPImageProcessor(cases.preprocessor);

/** A uint8 result [1, 3, height, width] as rows of RGB. */
function interleaved(tensor: Tensor): Uint8Array {
  const plane = tensor.size / 3;
  return Uint8Array.from({ length: tensor.size }, (_, i) => Number(tensor.data[(i % 3) * plane + Math.floor(i / 3)]));
}

async function png(name: string): Promise<Uint8Array> {
  return new Uint8Array(
    await sharp(fixture(...name.split('/')))
      .raw()
      .toBuffer(),
  );
}

describe('goldens of CLIPImageProcessorPil', () => {
  it.each(cases.images)('$file by path', async (image) => {
    const { pixel_values } = await processor(fileOf(image.file), raw);
    expect(pixel_values.dims).toEqual([1, 3, 224, 224]);
    expect(Buffer.compare(interleaved(pixel_values), await png(image.crop_by_path ?? image.crop))).toBe(0);
  });

  it.each(cases.images)('$file opened', async (image) => {
    const opened = await RawImage.read(fileOf(image.file));
    const crop = await processor(opened, raw);
    expect(Buffer.compare(interleaved(crop.pixel_values), await png(image.crop))).toBe(0);
    const { pixel_values } = await processor(opened);
    const bytes = new Uint8Array(pixel_values.data.buffer);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(image.pixel_values_sha256);
  });

  it.each(cases.options)('$id', async ({ file, kwargs, dtype, tensor, shape, size_before_crop }) => {
    const image = (await RawImage.read(fileOf(file))).rgb();
    const options = dtype === 'uint8' ? { ...raw, ...kwargs } : kwargs;
    const { pixel_values } = await processor(image, options);
    expect(pixel_values.type).toBe(dtype);
    const expected = tensors[tensor] as Tensor;
    expect(expected.dims).toEqual(shape);
    const actual = dtype === 'uint8' ? interleaved(pixel_values) : pixel_values.data;
    expect(Buffer.compare(bytesOf(actual), bytesOf(expected.data))).toBe(0);
    if (size_before_crop) {
      const before = await processor(image, { ...options, do_center_crop: false });
      expect(before.pixel_values.dims.slice(2)).toEqual(size_before_crop);
    }
  });
});

describe('data_format', () => {
  // transformers 4: to_channel_dimension_format(image, 'channels_last') is a transpose
  const chosen = cases.options.filter(({ id }) => /hw_90x130|crop_60x101|f32_(default|padded)/.test(id));
  it.each(chosen)('channels_last of $id', async ({ file, kwargs, dtype, tensor, shape }) => {
    const options = { ...(dtype === 'uint8' ? raw : {}), ...kwargs, data_format: 'channels_last' } as const;
    const { pixel_values } = await processor((await RawImage.read(fileOf(file))).rgb(), options);
    const golden = (tensors[tensor] as Tensor).data as Float32Array;
    if (dtype === 'uint8') {
      expect(pixel_values.dims).toEqual([1, ...shape]);
      expect(Buffer.compare(bytesOf(pixel_values.data), bytesOf(golden))).toBe(0);
      return;
    }
    const [channels, height, width] = shape as [number, number, number];
    expect(pixel_values.dims).toEqual([1, height, width, channels]);
    const plane = height * width;
    const expected = golden.map((_, i) => golden[(i % 3) * plane + Math.floor(i / 3)] as number);
    expect(Buffer.compare(bytesOf(pixel_values.data), bytesOf(expected))).toBe(0);
  });

  it('is checked', async () => {
    const image = new RawImage(new Uint8Array(12), 2, 2, 3);
    await expect(processor(image, { data_format: 'last' as never })).rejects.toThrow(
      /data_format: got "last", expected/,
    );
    const first = await processor(image, { data_format: 'channels_first' });
    const unset = await processor(image, { data_format: null as never });
    expect(first.pixel_values.data).toEqual(unset.pixel_values.data);
  });
});

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

describe('batches', () => {
  it('keeps the order of many images of many sizes', async () => {
    const files = [...cases.images, ...cases.images].map(({ file }) => fileOf(file));
    const { pixel_values } = await processor(files);
    expect(pixel_values.dims).toEqual([files.length, 3, 224, 224]);
    for (const [i, file] of files.entries()) {
      const alone = await processor.preprocess(file);
      expect(Buffer.compare(bytesOf(pixel_values.at(i).data), bytesOf(alone.pixel_values.data)), file).toBe(0);
    }
  });

  it('refuses images that end up with different sizes, and says which', async () => {
    const images = [new RawImage(new Uint8Array(1800), 30, 20, 3), new RawImage(new Uint8Array(243), 9, 9, 3)];
    await expect(processor(images, { do_resize: false, do_center_crop: false })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/numbers 0 and 1 would be 30x20 and 9x9/),
    });
  });

  it('fails with the image that failed, and goes on working', async () => {
    const missing = processor([photo, photo, 'missing.png', photo, photo, photo, photo]);
    await expect(missing).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining('missing.png') });
    expect((await processor(photo)).pixel_values.dims).toEqual([1, 3, 224, 224]);
  });

  it('stops when aborted', async () => {
    const aborted = { name: 'AbortError', code: 'ABORTED' };
    await expect(processor(photo, { signal: AbortSignal.abort() })).rejects.toMatchObject(aborted);
    const controller = new AbortController();
    const running = processor(Array<string>(200).fill(photo), { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expect(running).rejects.toMatchObject(aborted);
  });

  it('takes images of one pixel and thin strips', async () => {
    for (const [width, height] of [
      [1, 1],
      [1, 10000],
      [10000, 1],
    ] as const) {
      const strip = new RawImage(new Uint8Array(width * height).fill(128), width, height, 1);
      const { pixel_values } = await processor(strip, raw);
      expect(pixel_values.dims).toEqual([1, 3, 224, 224]);
      expect(pixel_values.data.every((value) => value === 128)).toBe(true);
    }
  });
});

describe('options', () => {
  const image = new RawImage(new Uint8Array(1800).fill(77), 30, 20, 3);

  it('has defaults, takes shorthands and per-call changes', async () => {
    expect(new CLIPImageProcessor().to_dict()).toEqual({
      image_processor_type: 'CLIPImageProcessor',
      ...cases.preprocessor,
    });
    const short = new CLIPImageProcessor({ size: 64, crop_size: 32, resample: 'LANCZOS', image_mean: 0.5 });
    expect(short.to_dict()).toMatchObject({
      size: { shortest_edge: 64 },
      crop_size: { height: 32, width: 32 },
      resample: 1,
      image_mean: 0.5,
    });
    expect((await short(image)).pixel_values.dims).toEqual([1, 3, 32, 32]);
    expect((await short(image, { crop_size: { height: 8, width: 9 } })).pixel_values.dims).toEqual([1, 3, 8, 9]);
    expect((await short(image)).pixel_values.dims).toEqual([1, 3, 32, 32]);
    expect(short.model_input_names).toEqual(['pixel_values']);
  });

  it('refuses wrong ones by name', async () => {
    const wrong: [Record<string, unknown>, RegExp][] = [
      [{ size: 0 }, /size\.shortest_edge: got 0/],
      [{ size: { edge: 3 } }, /size: got \{"edge":3\}, expected a number, \{ shortest_edge \}/],
      [{ size: { height: 3 } }, /size: got/],
      [{ size: { height: 3, width: -1 } }, /size\.width: got -1/],
      [{ size: { max_height: 3, max_width: 0 } }, /size\.max_width: got 0/],
      [{ size: { max_height: 3 } }, /size: got/],
      [{ size: 1.5 }, /size\.shortest_edge: got 1\.5/],
      [{ size: 'large' }, /size: got "large"/],
      [{ crop_size: { shortest_edge: 3 } }, /crop_size: got/],
      [{ crop_size: Number.NaN }, /crop_size\.height: got "NaN"/],
      [{ image_mean: [0.5, 0.5] }, /image_mean: got 2 numbers, expected 3/],
      [{ image_mean: ['a', 'b', 'c'] }, /image_mean: got "a"/],
      [{ image_std: 0 }, /image_std: got 0/],
      [{ image_std: [1, 0, 1] }, /image_std: got 0/],
      [{ rescale_factor: Number.POSITIVE_INFINITY }, /rescale_factor: got "Infinity"/],
      [{ resample: 9 }, /resample: got 9, expected 0 nearest/],
      [{ resample: 'constructor' }, /resample: got "constructor"/],
      [{ do_resize: 1 }, /do_resize: got 1, expected true or false/],
    ];
    for (const [options, message] of wrong) {
      const error = { code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) };
      expect(() => new CLIPImageProcessor(options)).toThrow(expect.objectContaining(error));
      await expect(processor(image, options), String(message)).rejects.toMatchObject(error);
    }
    await expect(processor(image, { do_crop: true } as never)).rejects.toThrow(/unknown option do_crop/);
    await expect(processor([])).rejects.toThrow(/empty array/);
    await expect(processor(5 as never)).rejects.toThrow(/got number/);
    await expect(
      processor(image, { size: { height: 2 ** 24, width: 2 ** 24 }, do_center_crop: false }),
    ).rejects.toThrow(/pixels/);
    expect(() => new CLIPImageProcessor([] as never)).toThrow(/expected an object/);
  });

  it('converts to RGB only where asked', async () => {
    const gray = image.grayscale();
    expect((await processor(gray)).pixel_values.dims).toEqual([1, 3, 224, 224]);
    await expect(processor(gray, { do_convert_rgb: false })).rejects.toThrow(/got 1 channels, expected 3/);
    expect((await processor(image, { do_convert_rgb: false })).pixel_values.dims).toEqual([1, 3, 224, 224]);
  });

  it('lays the transparency of images in memory on white', async () => {
    // PIL: Image.alpha_composite(white, (10, 20, 30, 128)) -> 132, 137, 142
    const half = new RawImage(Uint8Array.of(10, 20, 30, 128), 1, 1, 4);
    const options = { ...raw, do_resize: false, do_center_crop: false };
    expect([...(await processor(half, options)).pixel_values.data]).toEqual([132, 137, 142]);
    expect([...(await processor(half.toSharp(), options)).pixel_values.data]).toEqual([132, 137, 142]);
  });

  it('computes sizes as transformers does', () => {
    // get_resize_output_image_size and get_size_with_aspect_ratio of transformers 5.23, (height, width)
    const sized = (height: number, width: number, size: Parameters<typeof resizedSize>[1]): [number, number] => {
      const result = resizedSize({ height, width }, size);
      return [result.height, result.width];
    };
    expect(sized(427, 640, { shortest_edge: 224 })).toEqual([224, 335]);
    expect(sized(10000, 1, { shortest_edge: 224 })).toEqual([2240000, 224]);
    expect(sized(300, 451, { shortest_edge: 100, longest_edge: 120 })).toEqual([80, 120]);
    // get_image_size_for_max_height_width; Pillow refuses an edge of 0 too
    expect(sized(30, 50, { max_height: 20, max_width: 20 })).toEqual([12, 20]);
    expect(sized(451, 300, { max_height: 100, max_width: 120 })).toEqual([100, 66]);
    expect(sized(1000, 17, { max_height: 64, max_width: 64 })).toEqual([64, 1]);
    expect(sized(2, 3, { max_height: 224, max_width: 100 })).toEqual([66, 100]);
    expect(() => sized(3, 1000, { max_height: 64, max_width: 64 })).toThrow(/1000x3 would become 64x0/);
    expect(() => sized(1, 100000, { shortest_edge: 224 })).toThrow(/100000x1 would become 22400000x224/);
  });
});

describe('preprocessor_config.json', () => {
  it('gives way to options of from_pretrained', async () => {
    const own = await CLIPImageProcessor.from_pretrained('demo');
    const other = await CLIPImageProcessor.from_pretrained('demo', {
      size: 32,
      crop_size: undefined,
      fast_decode: true,
    });
    expect(other.to_dict()).toEqual({ ...own.to_dict(), size: { shortest_edge: 32 }, fast_decode: true });
    const both = await AltCLIPProcessor.from_pretrained('demo', { crop_size: 48 });
    expect((await both({ images: photo })).pixel_values?.dims).toEqual([1, 3, 48, 48]);
    const last = await both({ images: photo, data_format: 'channels_last', fast_decode: true, use_icc_profile: true });
    expect(last.pixel_values?.dims).toEqual([1, 48, 48, 3]);
    await expect(CLIPImageProcessor.from_pretrained('demo', { size: 0 })).rejects.toThrow(/size\.shortest_edge: got 0/);
  });

  it('is loaded, kept whole and written as transformers writes it', async () => {
    const folder = temporaryFolder();
    const config = { ...cases.preprocessor, size: 96, processor_class: 'AltCLIPProcessor', crop_size: null };
    writeFileSync(path.join(folder, 'preprocessor_config.json'), JSON.stringify(config));
    const loaded = await CLIPImageProcessor.from_pretrained(folder);
    expect(loaded.to_dict()).toMatchObject({
      size: { shortest_edge: 96 },
      crop_size: { height: 224, width: 224 },
      processor_class: 'AltCLIPProcessor',
    });
    const target = path.join(folder, 'new', 'folder');
    await loaded.save_pretrained(target);
    const written = path.join(target, 'preprocessor_config.json');
    expect(readFileSync(written, 'utf8')).toBe(loaded.to_json_string());
    expect((await CLIPImageProcessor.from_pretrained(target)).to_dict()).toEqual(loaded.to_dict());
    const keys = Object.keys(JSON.parse(loaded.to_json_string()));
    expect(keys).toEqual([...keys].sort());
    await expect(loaded.save_pretrained(written)).rejects.toMatchObject({ code: 'IO' });
    expect(readdirSync(target)).toEqual(['preprocessor_config.json']);
  });

  it('is missed by name', async () => {
    const folder = temporaryFolder();
    await expect(CLIPImageProcessor.from_pretrained(folder)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('preprocessor_config.json'),
    });
  });
});
