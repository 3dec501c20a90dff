import type { Metadata, Sharp, SharpOptions } from 'sharp';
import { AltCLIPError } from '../errors';
import { looksLike } from './format';
import { paintAroundFrame } from './gif';
import { type ImageSize, type ResizeSize, resizedSize } from './options';
import { grayAlphaOf, type Pixels, rgbKeyedOnWhite, rgbOf, rgbOfCmyk, turned } from './pixels';
import { loadSharp } from './sharp';
import { type TransparentColour, transparentColour } from './transparency';

/** sharp's own limit. */
const maxPixels = 0x3fff ** 2;

/** How an encoded image is decoded where not as PIL would. */
export interface DecodeOptions {
  /** A JPEG may come out smaller, but with at least twice the edges that this size asks for. */
  shrinkFor?: ResizeSize | undefined;
  /** Converts to sRGB by the embedded profile, with perceptual intent; 3 or 4 channels. */
  useIccProfile?: boolean | undefined;
}

/** Decoded pixels. */
export interface Decoded {
  pixels: Pixels;
  /** What the size of the pixels would be had the decoder not shrunk them. */
  full: ImageSize;
}

/**
 * An encoded image as transformers' load_image and convert_to_rgb open a file: upright, alpha dropped, but a colour that
 * a palette or a PNG declares transparent laid on white. RGB.
 *
 * ICC profiles are ignored, 16-bit gray is clipped, other 16-bit images keep the high byte, CMYK becomes RGB without a
 * profile. RawImage says where the pixels are not those of PIL.
 * @param name says in errors where the image comes from.
 * @throws IMAGE for what does not decode to its end, or has more than 268 million pixels.
 */
export async function decodeAsFile(encoded: Uint8Array, name: string, options: DecodeOptions = {}): Promise<Decoded> {
  const key = transparentColour(encoded);
  const { pixels, full } = await decode(encoded, name, true, options, key);
  if (!key?.colour) return { pixels: rgbOf(pixels), full };
  const hasAlpha = pixels.channels === 2 || pixels.channels === 4;
  return { pixels: rgbKeyedOnWhite(pixels, key.colour, key.byAlpha && hasAlpha), full };
}

/**
 * An encoded image as PIL's Image.open gives it: EXIF orientation not applied (but TIFF's own), alpha kept, with the
 * channels of its mode: gray 1, gray and alpha 2, RGB, palette and CMYK 3, with transparency 4.
 * @throws as {@link decodeAsFile}.
 */
export function decodeAsOpened(encoded: Uint8Array, name: string, options: DecodeOptions = {}): Promise<Decoded> {
  return decode(encoded, name, false, options);
}

async function decode(
  encoded: Uint8Array,
  name: string,
  upright: boolean,
  { shrinkFor, useIccProfile = false }: DecodeOptions,
  key?: TransparentColour,
): Promise<Decoded> {
  const sharp = loadSharp();
  const options: SharpOptions = { ignoreIcc: !useIccProfile, failOn: 'error' };
  try {
    const info = await sharp(encoded, options).metadata();
    const autoOrient = upright || info.format === 'tiff';
    const { width, height } = autoOrient ? info.autoOrient : info;
    const full = { width, height };
    let image = sharp(encoded, { ...options, autoOrient });
    const turn = upright ? orientationInXmp(info) : undefined;
    // CMYK is decoded in its own space, where sharp would not shrink while loading
    const shrinks = info.format === 'jpeg' && info.space !== 'cmyk' && turn === undefined;
    if (shrinkFor && shrinks) image = shrunk(image, full, shrinkFor);
    const byProfile = useIccProfile && info.icc && info.space !== 'grey16';
    const pixels = await (byProfile ? inSrgb(image, info) : decoded(image, info, upright, key));
    if (info.format === 'gif') paintAroundFrame(pixels, encoded);
    if (turn === undefined) return { pixels, full };
    const result = turned(pixels, turn);
    return { pixels: result, full: { width: result.width, height: result.height } };
  } catch (cause) {
    throw undecodable(name, cause, encoded);
  }
}

/** The orientation, 1 to 8, that XMP states where EXIF states none: PIL goes by it then, sharp does not. */
function orientationInXmp({ orientation, xmp }: Metadata): number | undefined {
  if (orientation !== undefined || !xmp) return undefined;
  const found = /tiff:Orientation(?:="|>)([1-8])/.exec(xmp.toString('latin1'));
  return found ? Number(found[1]) : undefined;
}

/**
 * With libjpeg's own scaling by 1/2, 1/4 or 1/8. sharp uses a factor only where more than it is asked for, hence the
 * next odd one, whose remainder it resizes (Lanczos).
 */
function shrunk(image: Sharp, full: ImageSize, size: ResizeSize): Sharp {
  const target = resizedSize(full, size);
  for (const factor of [9, 5, 3]) {
    const [width, height] = [Math.floor(full.width / factor), Math.floor(full.height / factor)];
    if (width >= 2 * target.width && height >= 2 * target.height) return image.resize(width, height, { fit: 'fill' });
  }
  return image;
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

/** `asFile`: only RGB is asked for, so that sharp may drop alpha and triple gray off the JavaScript thread. */
async function decoded(
  image: Sharp,
  { space, depth, hasAlpha }: Metadata,
  asFile: boolean,
  key?: TransparentColour,
): Promise<Pixels> {
  if (space === 'cmyk') {
    const inks = image.pipelineColourspace('cmyk').toColourspace('cmyk');
    return rgbOfCmyk(await (depth === 'ushort' ? bytesOfWords(inks, (word) => word >> 8) : bytesOf(inks)));
  }
  if (space === 'grey16' && (key || !hasAlpha)) return clippedGray16(image.removeAlpha());
  if (asFile && !key?.byAlpha) return bytesOf(image.removeAlpha());
  if (space !== 'b-w' && space !== 'grey16') return bytesOf(image);
  if (hasAlpha) return grayAlphaOf(await bytesOf(image)); // gray output of sharp would lose the alpha
  return bytesOf(image.toColourspace('b-w'));
}

/** sharp takes 16-bit images to Display P3 unless told where to go. */
function inSrgb(image: Sharp, { depth }: Metadata): Promise<Pixels> {
  return bytesOf(depth === 'ushort' ? image.withIccProfile('srgb') : image);
}

async function bytesOf(image: Sharp): Promise<Pixels> {
  const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels as Pixels['channels'] };
}

/** 16-bit gray as PIL's convert('RGB') sees it: values above 255 are white. */
function clippedGray16(image: Sharp): Promise<Pixels> {
  return bytesOfWords(image.toColourspace('grey16'), (word) => Math.min(word, 255));
}

/** `byteOf` makes a byte of each 16-bit sample. */
async function bytesOfWords(image: Sharp, byteOf: (word: number) => number): Promise<Pixels> {
  const { data, info } = await image.raw({ depth: 'ushort' }).toBuffer({ resolveWithObject: true });
  const words = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const bytes = new Uint8Array(data.byteLength / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = byteOf(words.getUint16(2 * i, true));
  return { data: bytes, width: info.width, height: info.height, channels: info.channels as Pixels['channels'] };
}

function undecodable(name: string, cause: unknown, encoded?: Uint8Array): AltCLIPError {
  const seen = encoded && looksLike(encoded);
  const reason = (cause as Error).message.replace('exceeds pixel limit', `exceeds the limit of ${maxPixels} pixels`);
  const why = seen ? `looks like ${seen}, expected JPEG, PNG, WebP, GIF, AVIF, TIFF or SVG` : reason;
  return new AltCLIPError('IMAGE', `${name}: does not decode as an image: ${why}`, { cause });
}
