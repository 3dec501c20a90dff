import type { Sharp } from 'sharp';
import { throwIfAborted } from '../abort';
import { invalid } from '../errors';
import { kindOf, Tensor } from '../tensor';
import { transpose } from './batch';
import { type Decoded, type DecodeOptions, decodeAsFile, decodeAsOpened, isSharp, pixelsOfSharp } from './decode';
import type { DataFormat } from './options';
import { checkPixels, type Pixels, rgbOnWhite } from './pixels';
import { readSource } from './source';

/** Decoded pixels of anyone: a canvas's ImageData (RGBA), a RawImage, transformers.js's too. */
export interface ImageDataLike {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  /** Bytes a pixel; default: as many as there are. */
  readonly channels?: number;
}

/**
 * Whatever an image can be given as: a path, a file:, http(s): or data: URL, an encoded image's bytes, a RawImage, an
 * ImageData, a sharp instance or a uint8 tensor of three dimensions.
 */
export type ImageInput = string | URL | Uint8Array | ArrayBuffer | Blob | ImageDataLike | Sharp | Tensor;

/** How an image is opened. */
export interface OpenOptions extends DecodeOptions {
  signal?: AbortSignal | undefined;
  /** Seconds that a download may take. */
  timeout?: number | undefined;
  /** Order of a tensor's dimensions; default: the one where 1 or 3 channels come out, else 2 or 4; channels first if both. */
  order?: DataFormat | undefined;
}

/**
 * Opens anything as PIL's Image.open does.
 * @throws IO naming the file or URL that cannot be read; IMAGE for what does not decode; INVALID_ARGUMENT for something
 *   else; ABORTED.
 */
export async function openAsOpened(input: ImageInput, options: OpenOptions): Promise<Pixels> {
  throwIfAborted(options.signal);
  const pixels = await pixelsInMemory(input, options.order);
  return pixels ?? (await decodedBy(decodeAsOpened, input, options)).pixels;
}

/**
 * Opens anything as transformers' processors do: files as it opens files, pixels with transparency laid on white. RGB.
 * @param convert false: pixels in memory that are not RGB are an error rather than converted.
 * @throws as {@link openAsOpened}.
 */
export async function openAsRgb(input: ImageInput, convert: boolean, options: OpenOptions): Promise<Decoded> {
  throwIfAborted(options.signal);
  const pixels = await pixelsInMemory(input, options.order);
  if (!pixels) return decodedBy(decodeAsFile, input, options);
  const { channels, width, height } = pixels;
  if (!convert && channels !== 3) {
    invalid(`image: got ${channels} channels, expected 3 (RGB) as do_convert_rgb is off`);
  }
  return { pixels: rgbOnWhite(pixels), full: { width, height } };
}

/** Pixels of what is decoded already, or decodes itself; undefined for anything else. */
async function pixelsInMemory(input: unknown, order: DataFormat | undefined): Promise<Pixels | undefined> {
  if (isSharp(input)) return pixelsOfSharp(input);
  if (input instanceof Tensor) return pixelsOfTensor(input, order, 'image');
  return isImageData(input) ? pixelsOfImageData(input) : undefined;
}

function isImageData(input: unknown): input is ImageDataLike {
  return typeof input === 'object' && input !== null && 'data' in input && 'width' in input;
}

/** @throws INVALID_ARGUMENT where the bytes are not those of so many pixels. */
export function pixelsOfImageData({ data, width, height, channels }: ImageDataLike): Pixels {
  const bytesAPixel = channels ?? data?.length / (width * height);
  checkPixels('image', data, width, height, bytesAPixel);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { data: bytes, width, height, channels: bytesAPixel as Pixels['channels'] };
}

/**
 * Pixels of a uint8 tensor [channels, height, width] or [height, width, channels].
 * @throws INVALID_ARGUMENT beginning with `where` for another type or shape.
 */
export function pixelsOfTensor({ type, data, dims }: Tensor, order: DataFormat | undefined, where: string): Pixels {
  if (type !== 'uint8' || dims.length !== 3) {
    invalid(`${where}: got ${type} [${dims.join(', ')}], expected uint8 of 3 dimensions`);
  }
  const [a, b, c] = dims as [number, number, number];
  // as transformers infers it; where neither is 1 or 3, with alpha
  const counts = [1, 3].some((count) => count === a || count === c) ? [1, 3] : [2, 4];
  const isChannels = (size: number): boolean => counts.includes(size);
  const bytes = data as Uint8Array;
  if ((order ?? (isChannels(a) || !isChannels(c) ? 'channels_first' : 'channels_last')) === 'channels_last') {
    checkPixels(where, bytes, b, a, c);
    return { data: bytes.slice(), width: b, height: a, channels: c as Pixels['channels'] };
  }
  checkPixels(where, bytes, c, b, a);
  const interleaved = new Uint8Array(bytes.length);
  transpose(bytes, a, interleaved, 0);
  return { data: interleaved, width: c, height: b, channels: a as Pixels['channels'] };
}

async function decodedBy(
  decode: (bytes: Uint8Array, name: string, options: DecodeOptions) => Promise<Decoded>,
  input: unknown,
  options: OpenOptions,
): Promise<Decoded> {
  if (typeof input === 'string' || input instanceof URL) {
    const { bytes, name } = await readSource(input, options.signal, options.timeout);
    throwIfAborted(options.signal);
    return decode(bytes, name, options);
  }
  if (input instanceof Blob) return decode(new Uint8Array(await input.arrayBuffer()), 'image in a Blob', options);
  if (input instanceof ArrayBuffer) return decode(new Uint8Array(input), 'image in an ArrayBuffer', options);
  if (input instanceof Uint8Array) return decode(input, `image in a ${kindOf(input)}`, options);
  const expected = 'a path, URL, Buffer, Uint8Array, ArrayBuffer, Blob, RawImage, ImageData, Tensor or sharp instance';
  return invalid(`image: got ${kindOf(input)}, expected ${expected}`);
}
