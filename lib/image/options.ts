import { AltCLIPError, invalid } from '../errors';
import { shown } from '../tensor';
import { type ResampleName, resampleNumber } from './resample';

export type ImageSize = { height: number; width: number };
/** Pixels; with max_height and max_width as large as fits into both. */
export type ResizeSize =
  | ImageSize
  | { shortest_edge: number; longest_edge?: number }
  | { max_height: number; max_width: number };

/** Options of transformers' CLIPImageProcessor; sizes in pixels. */
export interface ImageProcessorOptions {
  /** Default true. */
  do_resize?: boolean;
  /** A number is the shortest edge. Default { shortest_edge: 224 }. */
  size?: number | ResizeSize;
  /** Pillow's number or name of a filter. Default 3, bicubic. */
  resample?: number | ResampleName;
  /** Default true. */
  do_center_crop?: boolean;
  /** A number is both edges. What is missing of the image is black. Default 224 x 224. */
  crop_size?: number | ImageSize;
  /** Default true. */
  do_rescale?: boolean;
  /** Default 1/255. */
  rescale_factor?: number;
  /** Default true. */
  do_normalize?: boolean;
  /** A number for all channels, or three. Default CLIP's. */
  image_mean?: number | number[];
  /** A number for all channels, or three. Default CLIP's. */
  image_std?: number | number[];
  /** Whether a RawImage or sharp instance that is not RGB is converted (true, the default) or an error. */
  do_convert_rgb?: boolean;
  /**
   * Lets the JPEG decoder leave out detail that resizing would throw away. Large photos given as files, URLs or bytes are
   * decoded at a half, a quarter or an eighth, and brought by sharp to a third, a fifth or a ninth of their size, with at
   * least twice the edges that `size` asks for remaining. Default false, as the pixels are then not quite those of
   * transformers.
   *
   * From the bytes of 12 and 48 megapixels to pixel values of 224 x 224 it is 1.8 to 3.5 times as fast; these move by up
   * to 0.5 levels of 255 on average and 8 at most, embeddings in f32 by less than 1e-5 in cosine, and by 1e-4 where
   * quantised weights meet a picture's activations as bytes (AVX-512 VNNI), whose rounding any change turns over
   * (`node bench/fast_decode.mjs`, with the demo model and with random weights of full size; AMD EPYC, Zen 4).
   */
  fast_decode?: boolean;
  /**
   * Converts files, URLs and bytes to sRGB by their ICC profile, within 1 level of 255 of what PIL's
   * ImageCms.profileToProfile gives (scripts/reference/image_formats.py). Default false: ignored, as PIL does.
   */
  use_icc_profile?: boolean;
}

/** 'channels_first' is [3, height, width], 'channels_last' [height, width, 3]. */
export type DataFormat = 'channels_first' | 'channels_last';

/** The options in their one form, complete. */
export interface ImageSettings {
  do_resize: boolean;
  size: ResizeSize;
  resample: number;
  do_center_crop: boolean;
  crop_size: ImageSize;
  do_rescale: boolean;
  rescale_factor: number;
  do_normalize: boolean;
  image_mean: number | number[];
  image_std: number | number[];
  do_convert_rgb: boolean;
  fast_decode: boolean;
  use_icc_profile: boolean;
}

const maxEdge = 2 ** 24;

/** What transformers' CLIPImageProcessor has by default. */
export const clipSettings: Readonly<ImageSettings> = {
  do_resize: true,
  size: { shortest_edge: 224 },
  resample: 3,
  do_center_crop: true,
  crop_size: { height: 224, width: 224 },
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
  do_convert_rgb: true,
  fast_decode: false,
  use_icc_profile: false,
};

const readers: { [Key in keyof ImageSettings]: (value: unknown, name: string) => ImageSettings[Key] } = {
  do_resize: flag,
  size: resizeSize,
  resample: resampleNumber,
  do_center_crop: flag,
  crop_size: cropSize,
  do_rescale: flag,
  rescale_factor: finite,
  do_normalize: flag,
  image_mean: channels,
  image_std: (value, name) => {
    const std = channels(value, name);
    if ([std].flat().includes(0)) invalid(`${name}: got 0, expected numbers other than 0`);
    return std;
  },
  do_convert_rgb: flag,
  fast_decode: flag,
  use_icc_profile: flag,
};

/**
 * `base` with what `options` set; undefined and null mean not set. What is no option is returned in `others`.
 * @throws INVALID_ARGUMENT naming an option of another kind or out of range.
 */
export function settingsOf(
  base: Readonly<ImageSettings>,
  options: object,
): { settings: ImageSettings; others: Record<string, unknown> } {
  const settings: Record<string, unknown> = { ...base };
  const others: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) {
    if (!Object.hasOwn(readers, key)) others[key] = value;
    else if (value !== undefined && value !== null) settings[key] = readers[key as keyof ImageSettings](value, key);
  }
  return { settings: settings as unknown as ImageSettings, others };
}

/** What of `options` is set and an image processor has. */
export function imageOptionsIn(options: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).filter(([key, value]) => Object.hasOwn(readers, key) && (value ?? undefined) !== undefined),
  );
}

/** @throws INVALID_ARGUMENT naming `name` where `value` is neither a data format nor unset. */
export function dataFormat(value: unknown, name: string): DataFormat | undefined {
  if ((value ?? undefined) === undefined) return undefined;
  if (value === 'channels_first' || value === 'channels_last') return value;
  return invalid(`${name}: got ${shown(value)}, expected 'channels_first' or 'channels_last'`);
}

/**
 * Size of the resized image, as transformers' get_resize_output_image_size, with a longest edge
 * get_size_with_aspect_ratio, and get_image_size_for_max_height_width compute it.
 * @throws INVALID_ARGUMENT where an edge would exceed 2^24 pixels.
 */
export function resizedSize(image: ImageSize, size: ResizeSize): ImageSize {
  const target = targetSize(image, size);
  if (target.height < 1 || target.width < 1 || Math.max(target.height, target.width) > maxEdge) {
    const sizes = `${image.width}x${image.height} would become ${target.width}x${target.height}`;
    throw new AltCLIPError('INVALID_ARGUMENT', `image: ${sizes} pixels, expected edges from 1 to ${maxEdge}`);
  }
  return target;
}

function targetSize(image: ImageSize, size: ResizeSize): ImageSize {
  if ('height' in size) return size;
  if ('shortest_edge' in size) return byShortestEdge(image, size.shortest_edge, size.longest_edge);
  const scale = Math.min(size.max_height / image.height, size.max_width / image.width);
  return { height: Math.trunc(image.height * scale), width: Math.trunc(image.width * scale) };
}

function byShortestEdge({ height, width }: ImageSize, shortest: number, longest: number | undefined): ImageSize {
  const [short, long] = width <= height ? [width, height] : [height, width];
  let [newShort, newLong] = [shortest, Math.trunc((shortest * long) / short)];
  if (longest !== undefined && (long / short) * shortest > longest) {
    const exact = (longest * short) / long;
    newShort = roundHalfToEven(exact);
    newLong = short === newShort ? long : Math.trunc((exact * long) / short);
  }
  return width <= height ? { height: newLong, width: newShort } : { height: newShort, width: newLong };
}

/** Python's round(). */
function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + (floor % 2) : Math.round(x);
}

function flag(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') invalid(`${name}: got ${shown(value)}, expected true or false`);
  return value;
}

function finite(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) invalid(`${name}: got ${shown(value)}, expected a number`);
  return value;
}

function channels(value: unknown, name: string): number | number[] {
  if (!Array.isArray(value)) return finite(value, name);
  if (value.length !== 3) invalid(`${name}: got ${value.length} numbers, expected 3 or a single one`);
  return value.map((one) => finite(one, name));
}

function edge(value: unknown, name: string): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > maxEdge) {
    invalid(`${name}: got ${shown(value)}, expected an integer from 1 to ${maxEdge}`);
  }
  return value as number;
}

function cropSize(value: unknown, name: string): ImageSize {
  const size = typeof value === 'number' ? { height: value, width: value } : value;
  return heightAndWidth(size, name) ?? invalid(`${name}: got ${shown(value)}, expected a number or { height, width }`);
}

/** A `size` in its one form. @throws INVALID_ARGUMENT naming `name`. */
export function resizeSize(value: unknown, name: string): ResizeSize {
  const size = typeof value === 'number' ? { shortest_edge: value } : value;
  const exact = heightAndWidth(size, name);
  if (exact) return exact;
  if (hasOnly(size, ['max_height', 'max_width'], [])) {
    const { max_height, max_width } = size;
    return { max_height: edge(max_height, `${name}.max_height`), max_width: edge(max_width, `${name}.max_width`) };
  }
  if (!hasOnly(size, ['shortest_edge'], ['longest_edge'])) {
    const expected =
      'a number, { shortest_edge }, { shortest_edge, longest_edge }, { max_height, max_width } or { height, width }';
    invalid(`${name}: got ${shown(value)}, expected ${expected}`);
  }
  const shortest_edge = edge(size.shortest_edge, `${name}.shortest_edge`);
  if (size.longest_edge === undefined || size.longest_edge === null) return { shortest_edge };
  return { shortest_edge, longest_edge: edge(size.longest_edge, `${name}.longest_edge`) };
}

function heightAndWidth(size: unknown, name: string): ImageSize | undefined {
  if (!hasOnly(size, ['height', 'width'], [])) return undefined;
  return { height: edge(size.height, `${name}.height`), width: edge(size.width, `${name}.width`) };
}

function hasOnly(value: unknown, needed: string[], allowed: string[]): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return (
    needed.every((key) => key in value) &&
    Object.keys(value).every((key) => needed.includes(key) || allowed.includes(key))
  );
}
