import sharp, { type Metadata, type Sharp, type SharpOptions } from 'sharp';
import { AltCLIPError } from './errors';
import { grayAlphaOf, type Pixels, rgbKeyedOnWhite, rgbOf, rgbOfCmyk } from './image_pixels';
import { transparentColour } from './image_transparency';

/** sharp's own limit. */
const maxPixels = 0x3fff ** 2;

/**
 * An encoded image as transformers' load_image and convert_to_rgb open a file: upright, alpha dropped, but a colour that
 * a palette or a PNG declares transparent laid on white. RGB.
 *
 * ICC profiles are ignored, 16-bit gray is clipped, other 16-bit images keep the high byte, CMYK becomes RGB without a
 * profile. JPEG, PNG, WebP, GIF and TIFF equal PIL bit for bit (scripts/reference/pictures.py), but for the transparent
 * colour of a gray PNG of 1, 2, 4 or 16 bits, which PIL compares in other units than the pixels: here it is ignored. AVIF's
 * chroma is interpolated differently (up to 121 levels in synthetic pictures full of edges); BMP and others that sharp does
 * not read are errors; SVG works.
 * @param name says in errors where the image comes from.
 * @throws IMAGE for what does not decode to its end, or has more than 268 million pixels.
 */
export async function decodeAsFile(encoded: Uint8Array, name: string): Promise<Pixels> {
  const pixels = await decode(encoded, name, true);
  const hasAlpha = pixels.channels === 2 || pixels.channels === 4;
  const key = hasAlpha ? transparentColour(encoded) : undefined;
  return key ? rgbKeyedOnWhite(pixels, key) : rgbOf(pixels);
}

/**
 * An encoded image as PIL's Image.open gives it: EXIF orientation not applied (but TIFF's own), alpha kept, with the
 * channels of its mode: gray 1, gray and alpha 2, RGB, palette and CMYK 3, with transparency 4.
 * @throws as {@link decodeAsFile}.
 */
export async function decodeAsOpened(encoded: Uint8Array, name: string): Promise<Pixels> {
  return decode(encoded, name, false);
}

async function decode(encoded: Uint8Array, name: string, upright: boolean): Promise<Pixels> {
  const options: SharpOptions = { ignoreIcc: true, failOn: 'error' };
  try {
    const info = await sharp(encoded, options).metadata();
    return await decoded(sharp(encoded, { ...options, autoOrient: upright || info.format === 'tiff' }), info);
  } catch (cause) {
    throw undecodable(name, cause);
  }
}

/** What a sharp instance makes of its input: its pixels after its own operations. @throws IMAGE. */
export async function pixelsOfSharp(image: Sharp): Promise<Pixels> {
  try {
    return await bytesOf(image.clone());
  } catch (cause) {
    throw undecodable('sharp instance', cause);
  }
}

/** Whether a value is a sharp instance, of whatever copy of the package. */
export function isSharp(value: unknown): value is Sharp {
  const candidate = value as Partial<Record<'metadata' | 'raw' | 'toBuffer' | 'clone', unknown>> | null;
  return (
    typeof candidate === 'object' &&
    candidate !== null &&
    [candidate.metadata, candidate.raw, candidate.toBuffer, candidate.clone].every((f) => typeof f === 'function')
  );
}

async function decoded(image: Sharp, { space, hasAlpha }: Metadata): Promise<Pixels> {
  if (space === 'cmyk') return rgbOfCmyk(await bytesOf(image.pipelineColourspace('cmyk').toColourspace('cmyk')));
  if (space !== 'b-w' && space !== 'grey16') return bytesOf(image);
  if (hasAlpha) return grayAlphaOf(await bytesOf(image)); // gray output of sharp would lose the alpha
  return space === 'grey16' ? clippedGray16(image) : bytesOf(image.toColourspace('b-w'));
}

async function bytesOf(image: Sharp): Promise<Pixels> {
  const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels as Pixels['channels'] };
}

/** 16-bit gray as PIL's convert('RGB') sees it: values above 255 are white. */
async function clippedGray16(image: Sharp): Promise<Pixels> {
  const { data, info } = await image
    .toColourspace('grey16')
    .raw({ depth: 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const words = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const gray = new Uint8Array(data.byteLength / 2);
  for (let i = 0; i < gray.length; i++) gray[i] = Math.min(words.getUint16(2 * i, true), 255);
  return { data: gray, width: info.width, height: info.height, channels: 1 };
}

function undecodable(name: string, cause: unknown): AltCLIPError {
  const reason = (cause as Error).message.replace('exceeds pixel limit', `exceeds the limit of ${maxPixels} pixels`);
  return new AltCLIPError('IMAGE', `${name}: does not decode as an image: ${reason}`, { cause });
}
