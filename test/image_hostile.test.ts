/** Damaged and malicious picture files through encode_images: the bad ones are named, the others keep their order. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AltCLIPError } from '../lib/errors';
import { RawImage } from '../lib/image/raw_image';
import { AltCLIPModel } from '../lib/modeling/model';
import { damagedPictures, smallPictures } from './helpers/damaged_pictures';
import { demoImages, temporaryFolder } from './helpers/fixtures';
import { noise } from './helpers/noise';

const full = process.env.ALTCLIP_FULL === '1';
let model: AltCLIPModel;
beforeAll(async () => {
  model = await AltCLIPModel.from_pretrained('demo');
});
afterAll(() => model.dispose());

const cosine = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, x, i) => sum + x * (b[i] as number), 0);

it(`${full ? 10_000 : 300} damaged pictures: only they are lost`, { timeout: 900_000 }, async () => {
  const count = full ? 10_000 : 300;
  const pictures = smallPictures();
  const expected: Float32Array[] = [];
  for await (const { data } of model.encode_images(pictures)) expected.push(data);
  const sources: (number | undefined)[] = [];
  let peak = 0;
  function* items(): Generator<Uint8Array> {
    for (const { bytes, source } of damagedPictures(pictures, count, 17)) {
      sources.push(source);
      peak = Math.max(peak, process.memoryUsage.rss());
      yield bytes;
    }
  }
  const lost = new Set<number>();
  const on_error = (error: unknown, index: number): void => {
    expect(error).toBeInstanceOf(AltCLIPError);
    expect(['IMAGE', 'INVALID_ARGUMENT']).toContain((error as AltCLIPError).code);
    lost.add(index);
  };
  const before = process.memoryUsage.rss();
  const rows: Float32Array[] = [];
  for await (const { data } of model.encode_images(items(), { batch_size: 16, on_error })) rows.push(data);

  expect(sources.length).toBe(count);
  expect(rows.length).toBe(count - lost.size);
  expect(lost.size).toBeGreaterThan(count / 5);
  const kept = sources.map((_, index) => index).filter((index) => !lost.has(index));
  for (const [row, index] of kept.entries()) {
    const source = sources[index];
    if (source !== undefined) {
      expect(cosine(rows[row] as Float32Array, expected[source] as Float32Array), `item ${index}`).toBeGreaterThan(
        0.999,
      );
    }
  }
  expect(kept.filter((index) => sources[index] !== undefined).length).toBe(Math.ceil(count / 5));
  const grown = (peak - before) / 2 ** 20;
  console.log(`${lost.size} of ${count} refused; at most ${grown.toFixed(0)} MB more resident`);
  expect(grown).toBeLessThan(700);
});

describe('a corrupt file in the middle of a list', () => {
  const lion = path.join(demoImages, 'lion.png');
  const corrupt = path.join(temporaryFolder(), 'corrupt.png');
  writeFileSync(corrupt, noise(5000, 3));
  const files = [lion, corrupt, lion];
  const rowsOf = async (options: Parameters<AltCLIPModel['encode_images']>[1]): Promise<number> => {
    let rows = 0;
    for await (const _ of model.encode_images(files, options)) rows++;
    return rows;
  };

  it('ends the stream after the row before it', async () => {
    const rows = model.encode_images(files);
    expect((await rows.next()).done).toBe(false);
    await expect(rows.next()).rejects.toMatchObject({ code: 'IMAGE', message: expect.stringContaining(corrupt) });
  });

  it('is left out, and a callback hears of it', async () => {
    expect(await rowsOf({ on_error: 'skip' })).toBe(2);
    const heard: unknown[] = [];
    expect(await rowsOf({ on_error: (...what) => heard.push(what) })).toBe(2);
    expect(heard).toEqual([[expect.objectContaining({ code: 'IMAGE' }), 1, corrupt]]);
  });
});

describe('files that claim to be huge or are no pictures', () => {
  /** A 1-bit PNG of zeros: 112 MB of rows for 30,000 x 30,000 in 0.5 MB of file. */
  const zeros = (side: number): Buffer => {
    const chunk = (name: string, data: Buffer): Buffer => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(data.length);
      const checksum = Buffer.alloc(4);
      checksum.writeUInt32BE(crc32(Buffer.concat([Buffer.from(name), data])));
      return Buffer.concat([length, Buffer.from(name), data, checksum]);
    };
    const header = Buffer.alloc(13);
    header.writeUInt32BE(side, 0);
    header.writeUInt32BE(side, 4);
    header[8] = 1;
    const rows = deflateSync(Buffer.alloc(side * (1 + Math.ceil(side / 8))), { level: 1 });
    const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
    return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
  };
  const small = () => sharp({ create: { width: 20, height: 10, channels: 3, background: 'red' } });
  const claim = 60_000;
  const tooLarge = /Input image exceeds the limit of 268402689 pixels/;
  const huge: [name: string, reason: RegExp, make: () => Promise<Buffer> | Buffer][] = [
    ['a bomb of 30,000 x 30,000.png', tooLarge, () => zeros(30_000)],
    [
      'claim.png',
      tooLarge,
      async () => {
        const bytes = await small().png().toBuffer();
        bytes.writeUInt32BE(claim, 16);
        bytes.writeUInt32BE(claim, 20);
        bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
        return bytes;
      },
    ],
    [
      'claim.jpg',
      tooLarge,
      async () => {
        const bytes = await small().jpeg().toBuffer();
        const frame = bytes.indexOf(Buffer.of(0xff, 0xc0));
        bytes.writeUInt16BE(claim, frame + 5);
        bytes.writeUInt16BE(claim, frame + 7);
        return bytes;
      },
    ],
    [
      'claim.gif',
      tooLarge,
      async () => {
        const bytes = await small().gif().toBuffer();
        const descriptor = bytes.lastIndexOf(Buffer.of(0x2c, 0, 0, 0, 0));
        for (const at of [6, 8, descriptor + 5, descriptor + 7]) bytes.writeUInt16LE(claim, at);
        return bytes;
      },
    ],
    [
      'claim.webp',
      /corrupt header/,
      async () => {
        const bytes = await sharp({ create: { width: 20, height: 10, channels: 4, background: '#f008' } })
          .webp()
          .toBuffer();
        bytes.writeUIntLE(claim - 1, 24, 3);
        bytes.writeUIntLE(claim - 1, 27, 3);
        return bytes;
      },
    ],
    [
      'claim.tif',
      tooLarge,
      async () => {
        const bytes = await small().tiff().toBuffer();
        const first = bytes.readUInt32LE(4);
        for (let entry = 0; entry < bytes.readUInt16LE(first); entry++) {
          const at = first + 2 + 12 * entry;
          if ([256, 257].includes(bytes.readUInt16LE(at))) bytes.writeUInt32LE(claim, at + 8);
        }
        return bytes;
      },
    ],
    ['random bytes.jpg', /unsupported image format/, () => Buffer.from(noise(100_000, 9))],
    ['empty.png', /looks like an empty file/, () => Buffer.alloc(0)],
  ];

  it.each(huge)('%s is refused by name, without taking memory', async (name, reason, make) => {
    const file = path.join(temporaryFolder(), name);
    writeFileSync(file, await make());
    const before = process.memoryUsage.rss();
    const error = await RawImage.read(file).catch((thrown) => thrown);
    expect(error).toMatchObject({ name: 'AltCLIPError', code: 'IMAGE', message: expect.stringContaining(file) });
    expect(error.message.slice(file.length)).toMatch(reason);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 2 ** 20);
  });
});
