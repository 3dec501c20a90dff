import { rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { throwIfAborted } from './abort';
import { AltCLIPError, fromNative, invalid } from './errors';
import { decodeAsFile, decodeAsOpened, isSharp, pixelsOfSharp } from './image_decode';
import { grayOf, type Pixels, rgbOf, rgbOnWhite } from './image_pixels';
import { type ResampleName, resampleNumber } from './image_resample';
import { readSource } from './image_source';
import { native } from './native';
import { kindOf, type Tensor } from './tensor';

/** As the native side has it. */
const maxSide = 2 ** 24;

/**
 * Whatever an image can be given as: a path, a file:, http(s): or data: URL, an encoded image's bytes, a RawImage or a
 * sharp instance.
 */
export type ImageInput = string | URL | Uint8Array | ArrayBuffer | Blob | RawImage | Sharp;

/**
 * Decoded pixels in memory, as transformers.js's RawImage. Methods return new images and leave this one as it is.
 *
 * It plays the part of an opened PIL image: read() does not apply an EXIF orientation and keeps alpha; an image
 * processor lays transparency on white. A path or bytes given to a processor directly are opened as transformers opens
 * files instead: upright, alpha dropped.
 */
export class RawImage {
  /** Rows of pixels, one byte a channel: [height, width, channels]. */
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  /** 1 gray, 2 gray + alpha, 3 RGB, 4 RGB + alpha. */
  readonly channels: 1 | 2 | 3 | 4;

  /** @throws INVALID_ARGUMENT where the bytes are not width * height * channels. */
  constructor(data: Uint8Array | Uint8ClampedArray, width: number, height: number, channels: 1 | 2 | 3 | 4) {
    if (!(data instanceof Uint8Array) && !(data instanceof Uint8ClampedArray)) {
      invalid(`RawImage: got data of ${kindOf(data)}, expected Uint8Array or Uint8ClampedArray`);
    }
    checkSide('RawImage', 'width', width);
    checkSide('RawImage', 'height', height);
    if (![1, 2, 3, 4].includes(channels)) invalid(`RawImage: got ${channels} channels, expected 1, 2, 3 or 4`);
    if (data.length !== width * height * channels) {
      const expected = `${width * height * channels} for ${width}x${height} pixels of ${channels} channels`;
      invalid(`RawImage: got ${data.length} bytes, expected ${expected}`);
    }
    this.data = data;
    this.width = width;
    this.height = height;
    this.channels = channels;
  }

  /**
   * Opens an image, or returns a RawImage as it is.
   * @throws IO naming the file or URL that cannot be read; IMAGE for what does not decode; ABORTED.
   */
  static async read(input: ImageInput, { signal }: { signal?: AbortSignal } = {}): Promise<RawImage> {
    if (input instanceof RawImage) return input;
    throwIfAborted(signal);
    return rawImage(isSharp(input) ? await pixelsOfSharp(input) : await encodedAs(decodeAsOpened, input, signal));
  }

  /** Opens the image at a URL (or path). @throws as {@link RawImage.read}. */
  static fromURL(url: string | URL, options?: { signal?: AbortSignal }): Promise<RawImage> {
    return RawImage.read(url, options);
  }

  /** Opens the image in a Blob. @throws as {@link RawImage.read}. */
  static fromBlob(blob: Blob, options?: { signal?: AbortSignal }): Promise<RawImage> {
    return RawImage.read(blob, options);
  }

  /**
   * An image of a uint8 tensor, [channels, height, width] ('CHW') or [height, width, channels] ('HWC').
   * @throws INVALID_ARGUMENT for another type or shape.
   */
  static fromTensor(tensor: Tensor, channel_format: 'CHW' | 'HWC' = 'CHW'): RawImage {
    const { type, data, dims } = tensor;
    if (type !== 'uint8' || dims.length !== 3) {
      invalid(`RawImage.fromTensor: got ${type} [${dims.join(', ')}], expected uint8 of 3 dimensions`);
    }
    const [a, b, c] = dims as [number, number, number];
    const bytes = data as Uint8Array;
    if (channel_format === 'HWC') return new RawImage(bytes.slice(), b, a, c as Pixels['channels']);
    const plane = b * c;
    const interleaved = Uint8Array.from(bytes, (_, i) => bytes[(i % a) * plane + Math.floor(i / a)] as number);
    return new RawImage(interleaved, c, b, a as Pixels['channels']);
  }

  /** [width, height]. */
  get size(): [number, number] {
    return [this.width, this.height];
  }

  /** 3 channels; alpha is dropped, as PIL's convert('RGB') does. */
  rgb(): RawImage {
    return rawImage(rgbOf(pixelsOf(this)));
  }

  /** 1 channel, ITU-R 601 luma as PIL's convert('L'); alpha is dropped. */
  grayscale(): RawImage {
    return rawImage(grayOf(pixelsOf(this)));
  }

  /**
   * The image in another size, bit for bit as Pillow's Image.resize of a gray or RGB image.
   * @param resample Pillow's number or name, default 2 bilinear as in transformers.js.
   * @throws INVALID_ARGUMENT for a size or filter out of range, or an image with alpha: rgb() first.
   */
  async resize(
    width: number,
    height: number,
    { resample = 2 }: { resample?: number | ResampleName } = {},
  ): Promise<RawImage> {
    checkSide('RawImage.resize', 'width', width);
    checkSide('RawImage.resize', 'height', height);
    if (this.channels === 2 || this.channels === 4) {
      invalid('RawImage.resize: got an image with alpha, expected gray or RGB; call rgb() or grayscale() first');
    }
    const rgb = rgbOf(pixelsOf(this));
    const options = { resize: { width, height, resample: resampleNumber(resample) } };
    const data = await fromNative(native.preprocessImage(rgb.data, this.width, this.height, options));
    const resized = new RawImage(data as Uint8Array, width, height, 3);
    return this.channels === 1 ? new RawImage(everyThird(resized.data), width, height, 1) : resized;
  }

  /**
   * A part of the image; what reaches outside is left out.
   * @param box [left, top, right, bottom] in pixels, right and bottom the last ones inside, as in transformers.js.
   * @throws INVALID_ARGUMENT where nothing is left.
   */
  crop(box: readonly [number, number, number, number]): RawImage {
    const [left, top] = [Math.max(box[0], 0), Math.max(box[1], 0)];
    const [right, bottom] = [Math.min(box[2], this.width - 1), Math.min(box[3], this.height - 1)];
    if (!box.every(Number.isInteger) || left > right || top > bottom) {
      const expected = `integers [left, top, right, bottom] within ${this.width}x${this.height}`;
      invalid(`RawImage.crop: got [${box.join(', ')}], expected ${expected}`);
    }
    const stride = (right - left + 1) * this.channels;
    const out = new Uint8Array(stride * (bottom - top + 1));
    for (let y = top; y <= bottom; y++) {
      const from = (y * this.width + left) * this.channels;
      out.set(this.data.subarray(from, from + stride), (y - top) * stride);
    }
    return new RawImage(out, right - left + 1, bottom - top + 1, this.channels);
  }

  /** A sharp instance of these pixels, for whatever else sharp does. */
  toSharp(): Sharp {
    const { width, height, channels } = this;
    return sharp(this.data, { raw: { width, height, channels } });
  }

  /** As {@link RawImage.toSharp}. */
  to_sharp(): Sharp {
    return this.toSharp();
  }

  /**
   * Writes an encoded image; the file's extension says the format. A file is whole or not there.
   * @throws IO where that cannot be done or the extension names no format that sharp writes.
   */
  async save(file: string): Promise<void> {
    const temporary = `${file}.${process.pid}.tmp`;
    try {
      const format = path.extname(file).slice(1).toLowerCase() as Parameters<Sharp['toFormat']>[0];
      await writeFile(temporary, await this.toSharp().toFormat(format).toBuffer());
      await rename(temporary, file);
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw new AltCLIPError('IO', `${file}: cannot be written: ${(cause as Error).message}`, { cause });
    }
  }
}

/**
 * Opens anything an image can be given as, ready for preprocessing; 3 channels.
 * @param convert false: a RawImage or sharp instance that is not RGB is an error rather than converted.
 * @throws IO, IMAGE or ABORTED as {@link RawImage.read}; INVALID_ARGUMENT for something else.
 */
export async function openAsRgb(input: ImageInput, convert: boolean, signal?: AbortSignal): Promise<Pixels> {
  throwIfAborted(signal);
  if (!(input instanceof RawImage) && !isSharp(input)) return encodedAs(decodeAsFile, input, signal);
  const pixels = input instanceof RawImage ? pixelsOf(input) : await pixelsOfSharp(input);
  if (!convert && pixels.channels !== 3) {
    invalid(`image: got ${pixels.channels} channels, expected 3 (RGB) as do_convert_rgb is off`);
  }
  return rgbOnWhite(pixels);
}

async function encodedAs(
  decode: (bytes: Uint8Array, name: string) => Promise<Pixels>,
  input: string | URL | Uint8Array | ArrayBuffer | Blob,
  signal: AbortSignal | undefined,
): Promise<Pixels> {
  if (typeof input === 'string' || input instanceof URL) {
    const { bytes, name } = await readSource(input, signal);
    throwIfAborted(signal);
    return decode(bytes, name);
  }
  if (input instanceof Blob) return decode(new Uint8Array(await input.arrayBuffer()), 'image in a Blob');
  if (input instanceof ArrayBuffer) return decode(new Uint8Array(input), 'image in an ArrayBuffer');
  if (input instanceof Uint8Array) return decode(input, `image in a ${kindOf(input)}`);
  return invalid(
    `image: got ${kindOf(input)}, expected a path, URL, Buffer, Uint8Array, ArrayBuffer, Blob, RawImage or sharp instance`,
  );
}

function rawImage({ data, width, height, channels }: Pixels): RawImage {
  return new RawImage(data, width, height, channels);
}

function pixelsOf({ data, width, height, channels }: RawImage): Pixels {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { data: bytes, width, height, channels };
}

function everyThird(data: Uint8Array | Uint8ClampedArray): Uint8Array {
  return Uint8Array.from({ length: data.length / 3 }, (_, i) => data[3 * i] as number);
}

function checkSide(where: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1 || value > maxSide) {
    invalid(`${where}: got ${name} ${value}, expected an integer from 1 to ${maxSide}`);
  }
}
