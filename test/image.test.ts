import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIPImageProcessor } from '../lib/image/processing';
import { type ImageInput, RawImage } from '../lib/image/raw_image';
import { fixture, readJson, temporaryFolder } from './helpers/fixtures';

interface PictureCase {
  file: string;
  width: number;
  height: number;
  mode: string;
  rgb_sha256: string;
}
interface Expected {
  size: [number, number];
  sha256: string;
}
interface DecodeCase {
  id: string;
  mode: string;
  file: string;
  path: Expected;
  opened: Expected;
}

const china = fixture('inputs', 'photos', 'china.jpg');
const sha256 = (data: Uint8Array | Uint8ClampedArray): string => createHash('sha256').update(data).digest('hex');

/** The RGB bytes that a processor sees, [height, width, 3]. */
async function asProcessed(image: ImageInput): Promise<Expected> {
  const processor = new CLIPImageProcessor({
    do_resize: false,
    do_center_crop: false,
    do_rescale: false,
    do_normalize: false,
  });
  const { pixel_values } = await processor(image);
  const [, , height, width] = pixel_values.dims as [number, number, number, number];
  const planes = pixel_values.data;
  const plane = height * width;
  const rgb = Uint8Array.from({ length: 3 * plane }, (_, i) => planes[(i % 3) * plane + Math.floor(i / 3)] as number);
  return { size: [width, height], sha256: sha256(rgb) };
}

describe('decoding', () => {
  const pictures = readJson<{ images: PictureCase[] }>('images', 'cases.json').images;
  it.each(pictures)('$file gives the pixels of PIL', async (picture) => {
    const image = await RawImage.read(fixture(...picture.file.split('/')));
    expect(image.size).toEqual([picture.width, picture.height]);
    expect(sha256(image.rgb().data)).toBe(picture.rgb_sha256);
    const channels: Record<string, number> = { '1': 1, L: 1, 'I;16': 1, LA: 2, RGB: 3, CMYK: 3, RGBA: 4 };
    if (picture.mode !== 'P') expect(image.channels).toBe(channels[picture.mode]);
  });

  const cases = readJson<DecodeCase[]>('images', 'decode_cases.json');
  it.each(cases)('$id: as transformers opens a file', async ({ file, path: expected }) => {
    expect(await asProcessed(Buffer.from(file, 'base64'))).toEqual(expected);
  });
  it.each(cases)('$id: as transformers converts an opened image', async ({ file, opened }) => {
    expect(await asProcessed(await RawImage.read(Buffer.from(file, 'base64')))).toEqual(opened);
  });
});

describe('sources', () => {
  const file = fixture('images', 'files', 'cat_10x7.png');
  const bytes = readFileSync(file);
  let expected: Expected;
  let server: Server;
  let address: string;

  beforeAll(async () => {
    expected = await asProcessed(file);
    server = createServer((request, response) => {
      if (request.url === '/cat.png') response.end(bytes);
      else if (request.url === '/moved') response.writeHead(302, { location: '/cat.png' }).end();
      else if (request.url === '/huge') response.writeHead(200, { 'content-length': 200 * 1024 * 1024 }).write('x');
      else if (request.url === '/silent') response.writeHead(200).write('x');
      else if (request.url === '/text') response.end('not a picture');
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it('takes every kind of input', async () => {
    const arrayBuffer = new Uint8Array(bytes).buffer;
    const inputs: ImageInput[] = [
      path.relative(process.cwd(), file),
      pathToFileURL(file),
      pathToFileURL(file).href,
      `data:image/png;base64,${bytes.toString('base64')}`,
      new URL(`data:image/png;base64,${bytes.toString('base64')}`),
      bytes,
      new Uint8Array(bytes),
      arrayBuffer,
      new Blob([arrayBuffer]),
      await RawImage.read(file),
      await RawImage.fromURL(file),
      await RawImage.fromBlob(new Blob([arrayBuffer])),
      sharp(bytes, { ignoreIcc: true }),
      `${address}/cat.png`,
      new URL(`${address}/moved`),
    ];
    for (const input of inputs) expect(await asProcessed(input)).toEqual(expected);
  });

  it('names what cannot be read', async () => {
    const failing: [ImageInput, string, RegExp][] = [
      ['no/such/file.png', 'IO', /^no\/such\/file\.png: cannot be read: ENOENT/],
      [fixture('images'), 'IO', /images: cannot be read: is not a file/],
      ['', 'INVALID_ARGUMENT', /got ''/],
      ['file://elsewhere/cat.png', 'INVALID_ARGUMENT', /file:\/\/elsewhere/],
      [new URL('ftp://example.com/cat.png'), 'INVALID_ARGUMENT', /ftp:.*expected a file:/],
      ['data:image/png;base64,%%%', 'IO', /data:image/],
      [`${address}/missing.png`, 'IO', /missing\.png: cannot be downloaded: the server answered 404 Not Found/],
      [`${address}/huge`, 'IO', /larger than 100 MB/],
      [`${address}/text`, 'IMAGE', /text: does not decode/],
      ['http://127.0.0.1:1/cat.png', 'IO', /127\.0\.0\.1:1\/cat\.png: cannot be downloaded/],
      [5 as never, 'INVALID_ARGUMENT', /got number, expected a path/],
      [null as never, 'INVALID_ARGUMENT', /got null/],
      [{} as never, 'INVALID_ARGUMENT', /got Object/],
    ];
    for (const [input, code, message] of failing) {
      await expect(RawImage.read(input), String(input)).rejects.toMatchObject({
        name: 'AltCLIPError',
        code,
        message: expect.stringMatching(message),
      });
      await expect(asProcessed(input), String(input)).rejects.toMatchObject({ code });
    }
  });

  it('names what does not decode', async () => {
    const folder = temporaryFolder();
    const jpeg = readFileSync(china);
    const damaged: Record<string, Uint8Array> = {
      'text.jpg': Buffer.from('This is a text file, whatever its name says.\n'),
      'empty.png': Buffer.alloc(0),
      'cut.jpg': jpeg.subarray(0, jpeg.length / 2),
      'header.jpg': jpeg.subarray(0, 40),
      'cut.png': bytes.subarray(0, bytes.length - 60),
      'cut.webp': readFileSync(fixture('images', 'files', 'cat.webp')).subarray(0, 3000),
      'cut.gif': readFileSync(fixture('images', 'files', 'cat.gif')).subarray(0, 9000),
    };
    for (const [name, data] of Object.entries(damaged)) {
      const file = path.join(folder, name);
      writeFileSync(file, data);
      const error = { code: 'IMAGE', message: expect.stringContaining(`${file}: does not decode as an image: `) };
      await expect(RawImage.read(file), name).rejects.toMatchObject(error);
      await expect(asProcessed(data), name).rejects.toMatchObject({ code: 'IMAGE' });
    }
    await expect(asProcessed(sharp(Buffer.from('text')))).rejects.toMatchObject({ code: 'IMAGE' });
  });

  it('survives every truncation of small files with transparency', async () => {
    const cases = readJson<DecodeCase[]>('images', 'decode_cases.json');
    for (const id of ['gif_transparent', 'png_p_one_transparent']) {
      const whole = Buffer.from(cases.find((one) => one.id === id)?.file as string, 'base64');
      for (let length = 0; length < whole.length; length += 7) {
        await asProcessed(whole.subarray(0, length)).catch((error) => expect(error.code).toBe('IMAGE'));
      }
    }
  });

  it('stops when aborted, before and during the work', async () => {
    const aborted = { name: 'AbortError', code: 'ABORTED' };
    await expect(RawImage.read(file, { signal: AbortSignal.abort() })).rejects.toMatchObject(aborted);
    const controller = new AbortController();
    const reading = RawImage.read(`${address}/silent`, { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(reading).rejects.toMatchObject(aborted);
  });
});

describe('RawImage', () => {
  const gradient = new RawImage(
    Uint8Array.from({ length: 4 * 3 * 3 }, (_, i) => i * 7),
    4,
    3,
    3,
  );

  it('refuses bytes that do not fit', () => {
    const refused: [unknown[], RegExp][] = [
      [[new Uint8Array(5), 2, 1, 3], /got 5 bytes, expected 6 for 2x1 pixels of 3 channels/],
      [[new Uint8Array(10), 2, 1, 5], /5 channels/],
      [[new Float32Array(6), 2, 1, 3], /got data of Float32Array/],
      [[new Uint8Array(0), 0, 1, 3], /width 0/],
      [[new Uint8Array(6), 2, 1.5, 3], /height 1\.5/],
    ];
    for (const [args, message] of refused) {
      expect(() => Reflect.construct(RawImage, args)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
      );
    }
  });

  it('converts between gray and RGB as PIL does', () => {
    // Image.new('RGB', (2, 1)) with (255, 0, 0), (10, 200, 30) -> convert('L') -> 76, 124
    const image = new RawImage(Uint8Array.of(255, 0, 0, 10, 200, 30), 2, 1, 3);
    expect([...image.grayscale().data]).toEqual([76, 124]);
    expect([...image.grayscale().rgb().data]).toEqual([76, 76, 76, 124, 124, 124]);
    expect(image.size).toEqual([2, 1]);
    expect([...new RawImage(Uint8ClampedArray.of(1, 2, 3, 99), 1, 1, 4).rgb().data]).toEqual([1, 2, 3]);
    expect([...new RawImage(Uint8Array.of(7, 99), 1, 1, 2).rgb().data]).toEqual([7, 7, 7]);
  });

  it('crops, the last pixel included', () => {
    const part = gradient.crop([1, 1, 2, 5]);
    expect(part.size).toEqual([2, 2]);
    expect([...part.data]).toEqual([105, 112, 119, 126, 133, 140, 189, 196, 203, 210, 217, 224]);
    expect(() => gradient.crop([3, 0, 2, 1])).toThrow(/expected integers/);
    expect(() => gradient.crop([0, 0, 1.5, 1])).toThrow(/expected integers/);
  });

  it('resizes as Pillow does', async () => {
    interface ResizeCase {
      width: number;
      height: number;
      seed: number;
      out_width: number;
      out_height: number;
      resample: number;
      rgb?: string;
    }
    const cases = readJson<ResizeCase[]>('images', 'resize_cases.json').filter(({ rgb }) => rgb);
    expect(cases.length).toBeGreaterThan(20);
    for (const one of cases) {
      let x = one.seed;
      const pixels = Uint8Array.from({ length: one.width * one.height * 3 }, () => {
        x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
        return x >>> 24;
      });
      const image = new RawImage(pixels, one.width, one.height, 3);
      const resized = await image.resize(one.out_width, one.out_height, { resample: one.resample });
      expect(Buffer.from(resized.data).toString('hex'), JSON.stringify(one)).toBe(one.rgb);
    }
    const gray = await gradient.grayscale().resize(2, 2, { resample: 'box' });
    expect([gray.channels, gray.size]).toEqual([1, [2, 2]]);
    await expect(gradient.resize(0, 2)).rejects.toThrow(/width 0/);
    await expect(gradient.resize(2, 2, { resample: 9 })).rejects.toThrow(/resample: got 9/);
    await expect(new RawImage(new Uint8Array(4), 1, 1, 4).resize(2, 2)).rejects.toThrow(/alpha/);
  });

  it('comes from tensors of either order', async () => {
    const processor = new CLIPImageProcessor({ do_resize: false, do_center_crop: false });
    const { pixel_values } = await processor(gradient, { do_rescale: false, do_normalize: false });
    expect(RawImage.fromTensor(pixel_values.at(0)).data).toEqual(gradient.data);
    expect(() => RawImage.fromTensor(pixel_values)).toThrow(/expected uint8 of 3 dimensions/);
  });

  it('goes to sharp and to a file', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'gradient.png');
    await gradient.save(file);
    expect((await RawImage.read(file)).data).toEqual(Buffer.from(gradient.data));
    await Promise.all([gradient, gradient, gradient].map((image) => image.save(file)));
    const raw = await gradient.to_sharp().raw().toBuffer();
    expect([...raw]).toEqual([...gradient.data]);
    const unknown = path.join(folder, 'gradient.xyz');
    await expect(gradient.save(unknown)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining(unknown),
    });
    await expect(gradient.save(path.join(folder, 'no', 'gradient.png'))).rejects.toMatchObject({ code: 'IO' });
    expect(existsSync(unknown)).toBe(false);
  });
});
