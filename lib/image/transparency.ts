import { firstGifFrame } from './gif';
import type { Rgb } from './pixels';

/** A transparent colour, and what else the decoder has to know of it. */
export interface TransparentColour {
  /** As PIL compares it with the pixels after their conversion to RGB; undefined where it can be none of theirs. */
  colour: Rgb | undefined;
  /** Whether what the decoder calls transparent is that colour too: GIF, whose transparent pixels come out black. */
  byAlpha: boolean;
}

/**
 * The one colour that a PNG or GIF declares transparent, where PIL keeps it as a colour (info['transparency']) rather
 * than as an alpha channel; undefined for any other file. It survives PIL's conversion to RGB, so that transformers lays
 * it on white even where it drops alpha.
 *
 * Bytes may be damaged: what does not fit is taken as not there; the decoder is the judge.
 */
export function transparentColour(encoded: Uint8Array): TransparentColour | undefined {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  try {
    if (bytes.toString('latin1', 1, 4) === 'PNG') return pngColour(bytes);
    if (bytes.toString('latin1', 0, 4) === 'GIF8') return gifColour(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a read past the end
  }
  return undefined;
}

function pngColour(bytes: Buffer): TransparentColour | undefined {
  const depth = bytes.readUInt8(24);
  const colourType = bytes.readUInt8(25);
  const [gray, colour, indexed] = [0, 2, 3];
  let palette = 0;
  for (let at = 8; ; at += 12 + bytes.readUInt32BE(at)) {
    const type = bytes.toString('latin1', at + 4, at + 8);
    const data = at + 8;
    if (type === 'PLTE') palette = data;
    if (type === 'IDAT') return undefined;
    if (type !== 'tRNS') continue;
    if (colourType === indexed) {
      // PIL: one entry is fully transparent, all others opaque; else it is an alpha channel
      const alphas = bytes.subarray(data, data + bytes.readUInt32BE(at));
      const index = alphas.indexOf(0);
      const simple = index >= 0 && alphas.every((alpha, i) => alpha === (i === index ? 0 : 255));
      return simple && palette > 0 ? { colour: rgbAt(bytes, palette + 3 * index), byAlpha: false } : undefined;
    }
    if (colourType === gray) return { colour: grayKey(bytes.readUInt16BE(data), depth), byAlpha: false };
    if (colourType !== colour) return undefined;
    // PIL compares the low byte, also where it has dropped the low bytes of the pixels
    return {
      colour: [bytes.readUInt8(data + 1), bytes.readUInt8(data + 3), bytes.readUInt8(data + 5)],
      byAlpha: false,
    };
  }
}

/** PIL compares a gray sample as it stands in the file with pixels that it has brought to 8 bits. */
function grayKey(sample: number, depth: number): Rgb | undefined {
  // of 1 and 16 bits it becomes (sample, 0, 0), so that only black can be meant
  if (depth === 1) return sample === 0 ? [0, 0, 0] : undefined;
  if (depth === 16) return sample % 256 === 0 ? [0, 0, 0] : undefined;
  const level = Math.min(sample, 255);
  return [level, level, level];
}

function gifColour(bytes: Buffer): TransparentColour | undefined {
  const frame = firstGifFrame(bytes);
  if (frame?.transparent === undefined) return undefined;
  return { colour: frame.colour(frame.transparent), byAlpha: true };
}

function rgbAt(bytes: Buffer, offset: number): Rgb {
  return [bytes.readUInt8(offset), bytes.readUInt8(offset + 1), bytes.readUInt8(offset + 2)];
}
