import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Sharp } from 'sharp';
import { fromNative, invalid } from '../errors';
import { replaceFile } from '../loading/saved_files';
import { native } from '../native';
import type { Tensor } from '../tensor';
import { type ImageInput, openAsOpened, pixelsOfImageData, pixelsOfTensor } from './open';
import { type ResizeSize, resizeSize } from './options';
import { checkPixels, checkSide, grayOf, type Pixels, rgbOf } from './pixels';
import { type ResampleName, resampleNumber } from './resample';
import { loadSharp } from './sharp';

export type { ImageDataLike, ImageInput } from './open';

/** Options of RawImage.read. */
export interface ReadImageOptions {
  signal?: AbortSignal;
  /** Seconds that a download may take. Default 300. */
  timeout?: number;
  /**
   * The size that the image will be resized to, as an image processor's `size`: a large JPEG may then come out smaller
   * than it is, with at least twice these edges. See {@link ImageProcessorOptions.fast_decode}.
   */
  fast_decode?: number | ResizeSize;
  /** Converts to sRGB by the image's ICC profile. Default false: ignored, as PIL does. */
  use_icc_profile?: boolean;
}

/** As long as timers run, in seconds. */
const maxTimeout = 2_000_000;

/**
 * Decoded pixels in memory, as transformers.js's RawImage. Methods return new images and leave this one as it is.
 *
 * It plays the part of an opened PIL image: read() does not apply an EXIF orientation and keeps alpha; an image
 * processor lays transparency on white. A path or bytes given to a processor directly are opened as transformers opens
 * files instead: upright, alpha dropped.
 *
 * JPEG, PNG, WebP, GIF and TIFF give the pixels of PIL bit for bit. AVIF is within 1 level of 255; where its chroma is
 * subsampled, which decoders interpolate in their own ways, a photo differs by 1.0 on average and 29 at most, noise by 12
 * and 83. What sharp does not read (BMP, PPM, JPEG 2000, HEIC) is an error of code IMAGE; SVG, which PIL does not read,
 * works. scripts/reference/image_formats.py measures it. The transparent colour of a gray PNG of 1, 2, 4 or 16 bits, or of
 * an RGB one of 16, becomes alpha as the PNG standard says, where PIL compares it in other units.
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
    checkPixels('RawImage', data, width, height, channels);
    this.data = data;
    this.width = width;
    this.height = height;
    this.channels = channels;
  }

  /**
   * Opens an image, or returns a RawImage as it is.
   * @throws IO naming the file or URL that cannot be read (http(s): within `timeout`, 30 s of silence, 100 MB and 10
   *   redirects); IMAGE for what does not decode; INVALID_ARGUMENT for an option; ABORTED.
   */
  static async read(input: ImageInput, options: ReadImageOptions = {}): Promise<RawImage> {
    if (input instanceof RawImage) return input;
    const { signal, timeout, fast_decode, use_icc_profile } = options;
    if (timeout !== undefined && !(typeof timeout === 'number' && timeout > 0 && timeout <= maxTimeout)) {
      invalid(`timeout: got ${timeout}, expected seconds above 0, at most ${maxTimeout}`);
    }
    const shrinkFor = (fast_decode ?? false) === false ? undefined : resizeSize(fast_decode, 'fast_decode');
    return rawImage(await openAsOpened(input, { signal, timeout, shrinkFor, useIccProfile: use_icc_profile }));
  }

  /** Opens the image at a URL (or path). @throws as {@link RawImage.read}. */
  static fromURL(url: string | URL, options?: ReadImageOptions): Promise<RawImage> {
    return RawImage.read(url, options);
  }

  /** Opens the image in a Blob. @throws as {@link RawImage.read}. */
  static fromBlob(blob: Blob, options?: ReadImageOptions): Promise<RawImage> {
    return RawImage.read(blob, options);
  }

  /**
   * An image of a uint8 tensor, [channels, height, width] ('CHW') or [height, width, channels] ('HWC').
   * @throws INVALID_ARGUMENT for another type or shape.
   */
  static fromTensor(tensor: Tensor, channel_format: 'CHW' | 'HWC' = 'CHW'): RawImage {
    const order = channel_format === 'HWC' ? 'channels_last' : 'channels_first';
    return rawImage(pixelsOfTensor(tensor, order, 'RawImage.fromTensor'));
  }

  /** [width, height]. */
  get size(): [number, number] {
    return [this.width, this.height];
  }

  /** 3 channels; alpha is dropped, as PIL's convert('RGB') does. */
  rgb(): RawImage {
    return rawImage(rgbOf(pixelsOfImageData(this)));
  }

  /** 1 channel, ITU-R 601 luma as PIL's convert('L'); alpha is dropped. */
  grayscale(): RawImage {
    return rawImage(grayOf(pixelsOfImageData(this)));
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
    const rgb = rgbOf(pixelsOfImageData(this));
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
    return loadSharp()(this.data, { raw: { width, height, channels } });
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
    await replaceFile(file, async (temporary) => {
      const format = path.extname(file).slice(1).toLowerCase() as Parameters<Sharp['toFormat']>[0];
      await writeFile(temporary, await this.toSharp().toFormat(format).toBuffer());
    });
  }
}

function rawImage({ data, width, height, channels }: Pixels): RawImage {
  return new RawImage(data, width, height, channels);
}

function everyThird(data: Uint8Array | Uint8ClampedArray): Uint8Array {
  return Uint8Array.from({ length: data.length / 3 }, (_, i) => data[3 * i] as number);
}
