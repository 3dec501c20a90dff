import type { Pixels, Rgb } from './pixels';

/** The first frame of a GIF: where it lies on the screen, in pixels, and its colours. */
interface GifFrame {
  left: number;
  top: number;
  width: number;
  height: number;
  /** Number of the colour that is transparent. */
  transparent: number | undefined;
  colour(index: number): Rgb;
}

/**
 * Undefined where there is none.
 * @throws RangeError where the bytes end before.
 */
export function firstGifFrame(bytes: Buffer): GifFrame | undefined {
  const screen = 13;
  const tableBytes = (flags: number): number => (flags & 0x80 ? 3 << ((flags & 7) + 1) : 0);
  const shared = tableBytes(bytes.readUInt8(10));
  let transparent: number | undefined;
  for (let at = screen + shared; ; ) {
    const block = bytes.readUInt8(at);
    if (block === 0x2c) {
      const [left, top, width, height] = [1, 3, 5, 7].map((i) => bytes.readUInt16LE(at + i)) as [
        number,
        number,
        number,
        number,
      ];
      const own = tableBytes(bytes.readUInt8(at + 9));
      const table = own > 0 ? at + 10 : screen;
      const colour = (index: number): Rgb => {
        if (own + shared === 0) return [index, index, index];
        const entry = table + 3 * index;
        return [bytes.readUInt8(entry), bytes.readUInt8(entry + 1), bytes.readUInt8(entry + 2)];
      };
      return { left, top, width, height, transparent, colour };
    }
    if (block !== 0x21) return undefined;
    if (bytes.readUInt8(at + 1) === 0xf9 && bytes.readUInt8(at + 3) & 1) transparent = bytes.readUInt8(at + 6);
    for (at += 2; ; ) {
      const length = bytes.readUInt8(at);
      at += 1 + length;
      if (length === 0) break;
    }
  }
}

/** Gives the screen around the first frame its colour 0, in place, as PIL does where none is transparent. */
export function paintAroundFrame({ data, width, height, channels }: Pixels, encoded: Uint8Array): void {
  const frame = firstGifFrame(Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength));
  if (!frame || frame.transparent !== undefined) return;
  const { left, top } = frame;
  const [right, bottom] = [left + frame.width, top + frame.height];
  if (left === 0 && top === 0 && right >= width && bottom >= height) return;
  const colour = frame.colour(0);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += channels) {
      const inside = y >= top && y < bottom && x >= left && x < right;
      for (let c = 0; c < channels && !inside; c++) data[at + c] = colour[c] as number;
    }
  }
}
