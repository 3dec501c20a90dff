import { invalid } from '../errors';
import { kindOf } from '../tensor';

/** As the native side has it. */
const maxSide = 2 ** 24;

/** Decoded pixels, row by row, one byte a channel: 1 gray, 2 gray + alpha, 3 RGB, 4 RGB + alpha. */
export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
  channels: 1 | 2 | 3 | 4;
}
export type Rgb = readonly [number, number, number];

/** @throws INVALID_ARGUMENT beginning with `where` unless `data` holds width * height * channels bytes. */
export function checkPixels(
  where: string,
  data: unknown,
  width: number,
  height: number,
  channels: number,
): asserts data is Uint8Array | Uint8ClampedArray {
  if (!(data instanceof Uint8Array) && !(data instanceof Uint8ClampedArray)) {
    invalid(`${where}: got data of ${kindOf(data)}, expected Uint8Array or Uint8ClampedArray`);
  }
  checkSide(where, 'width', width);
  checkSide(where, 'height', height);
  if (![1, 2, 3, 4].includes(channels)) invalid(`${where}: got ${channels} channels, expected 1, 2, 3 or 4`);
  if (data.length !== width * height * channels) {
    const expected = `${width * height * channels} for ${width}x${height} pixels of ${channels} channels`;
    invalid(`${where}: got ${data.length} bytes, expected ${expected}`);
  }
}

/** @throws INVALID_ARGUMENT where `value` is no edge in pixels. */
export function checkSide(where: string, name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1 || value > maxSide) {
    invalid(`${where}: got ${name} ${value}, expected an integer from 1 to ${maxSide}`);
  }
}

/** round(a / 255) for a up to 255 * 255, as Pillow computes it. */
function div255(a: number): number {
  const half = a + 128;
  return ((half >> 8) + half) >> 8;
}

/** `map(source, from, target, to)` fills pixel after pixel of an image with `channels` channels. */
function mapped(
  pixels: Pixels,
  channels: Pixels['channels'],
  map: (source: Uint8Array, from: number, target: Uint8Array, to: number) => void,
): Pixels {
  const { data: source, width, height, channels: step } = pixels;
  const target = new Uint8Array(width * height * channels);
  for (let from = 0, to = 0; to < target.length; from += step, to += channels) map(source, from, target, to);
  return { data: target, width, height, channels };
}

/** RGB; alpha is dropped, as PIL's convert('RGB') does. */
export function rgbOf(pixels: Pixels): Pixels {
  if (pixels.channels === 3) return pixels;
  const { data, width, height, channels } = pixels;
  const [g, b] = channels === 4 ? [1, 2] : [0, 0];
  // a loop of its own: through mapped() it takes twice as long, and pictures are large
  const target = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < target.length; from += channels, to += 3) {
    target[to] = data[from] as number;
    target[to + 1] = data[from + g] as number;
    target[to + 2] = data[from + b] as number;
  }
  return { data: target, width, height, channels: 3 };
}

/** Gray by ITU-R 601 weights, as PIL's convert('L'); alpha is dropped. */
export function grayOf(pixels: Pixels): Pixels {
  if (pixels.channels === 1) return pixels;
  const colour = pixels.channels > 2;
  return mapped(pixels, 1, (source, from, target, to) => {
    const [r, g, b] = [source[from] as number, source[from + 1] as number, source[from + 2] as number];
    target[to] = colour ? (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16 : r;
  });
}

/** A level laid on white (AlphaComposite.c). */
function onWhite(level: number, alpha: number): number {
  const sum = level * alpha * 128 + 255 * (255 - alpha) * 128 + 0x4000;
  return ((sum >> 8) + sum) >> 15;
}

/** RGB with transparency laid on white, as transformers' convert_to_rgb does to an opened image. */
export function rgbOnWhite(pixels: Pixels): Pixels {
  if (pixels.channels === 1 || pixels.channels === 3) return rgbOf(pixels);
  const { data, width, height, channels } = pixels;
  const alphaAt = channels - 1;
  const [g, b] = channels === 4 ? [1, 2] : [0, 0];
  const target = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < target.length; from += channels, to += 3) {
    const alpha = data[from + alphaAt] as number;
    target[to] = onWhite(data[from] as number, alpha);
    target[to + 1] = onWhite(data[from + g] as number, alpha);
    target[to + 2] = onWhite(data[from + b] as number, alpha);
  }
  return { data: target, width, height, channels: 3 };
}

/** RGB where the colour `key` is white, as PIL's detour over RGB leaves it; `byAlpha`: what is transparent too. */
export function rgbKeyedOnWhite(pixels: Pixels, key: Rgb, byAlpha: boolean): Pixels {
  const rgb = rgbOf(pixels);
  const { data, channels } = pixels;
  return mapped(rgb, 3, (source, from, target, to) => {
    const isKey = key.every((value, c) => source[from + c] === value);
    const isWhite = isKey || (byAlpha && data[(from / 3 + 1) * channels - 1] === 0);
    for (let c = 0; c < 3; c++) target[to + c] = isWhite ? 255 : (source[from + c] as number);
  });
}

/** Gray and alpha of a gray image that was decoded as RGB + alpha. */
export function grayAlphaOf(pixels: Pixels): Pixels {
  return mapped(pixels, 2, (source, from, target, to) => {
    target[to] = source[from] as number;
    target[to + 1] = source[from + 3] as number;
  });
}

/** RGB of CMYK without a profile, as PIL's convert('RGB'); 4 channels in. */
export function rgbOfCmyk({ data, width, height }: Pixels): Pixels {
  const target = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < target.length; from += 4, to += 3) {
    const white = 255 - (data[from + 3] as number);
    for (let c = 0; c < 3; c++) target[to + c] = Math.max(0, white - div255((data[from + c] as number) * white));
  }
  return { data: target, width, height, channels: 3 };
}

/** Upright, where EXIF's orientation is `orientation`, 1 to 8. */
export function turned({ data: source, width, height, channels }: Pixels, orientation: number): Pixels {
  const sideways = orientation > 4; // 5 is the transpose
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  const [columns, rows] = sideways ? [height, width] : [width, height];
  const target = new Uint8Array(source.length);
  for (let row = 0, to = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [x, y] = sideways ? [row, column] : [column, row];
      const from = ((fromBottom ? height - 1 - y : y) * width + (fromRight ? width - 1 - x : x)) * channels;
      for (let c = 0; c < channels; c++) target[to++] = source[from + c] as number;
    }
  }
  return { data: target, width: columns, height: rows, channels };
}
