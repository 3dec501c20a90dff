import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AltCLIPModel } from '../lib';
import { download, downloadLimits } from '../lib/image/download';
import { CLIPImageProcessor, type ImageProcessorOptions } from '../lib/image/processing';
import { type ImageInput, RawImage } from '../lib/image/raw_image';
import { Tensor } from '../lib/tensor';
import { fixture } from './helpers/fixtures';

const china = fixture('inputs', 'photos', 'china.jpg');
const cat = readFileSync(fixture('images', 'files', 'cat_10x7.png'));

describe('downloads', () => {
  let server: Server;
  let address: string;
  const page = '<!DOCTYPE html>\n<html><body><svg></svg> Please sign in</body></html>';

  beforeAll(async () => {
    server = createServer((request, response) => {
      const redirect = (location: string): unknown => response.writeHead(302, { location }).end('moved');
      const url = request.url as string;
      const hop = /^\/hop\/(\d+)$/.exec(url);
      if (hop) redirect(hop[1] === '1' ? '/cat.png' : `/hop/${Number(hop[1]) - 1}`);
      else if (url === '/loop') redirect('/loop');
      else if (url === '/file') redirect('file:///etc/passwd');
      else if (url === '/nowhere') redirect('http://[');
      else if (url === '/slow') setTimeout(redirect, 600, '/slower');
      else if (url === '/slower') setTimeout(redirect, 600, '/cat.png');
      else if (url === '/page') response.writeHead(200, { 'content-type': 'image/jpeg' }).end(page);
      else if (url === '/drip') {
        const drip = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(drip));
      } else response.end(cat);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it('follow ten redirects and no more', async () => {
    expect((await RawImage.read(`${address}/hop/10`)).size).toEqual([10, 7]);
    for (const from of ['/hop/11', '/loop']) {
      const message = `${address}${from}: cannot be downloaded: is redirected more than 10 times`;
      await expect(RawImage.read(address + from)).rejects.toMatchObject({ code: 'IO', message });
    }
  });

  it('follow no redirect to something else', async () => {
    const elsewhere = { code: 'IO', message: expect.stringContaining('is redirected to file:///etc/passwd, expected') };
    await expect(RawImage.read(`${address}/file`)).rejects.toMatchObject(elsewhere);
    await expect(RawImage.read(`${address}/nowhere`)).rejects.toThrow(/is redirected to http:\/\/\[, which is no URL/);
  });

  it('end after the time they may take, however the server drips', async () => {
    const late = {
      code: 'IO',
      message: expect.stringContaining('/drip: cannot be downloaded: not complete after 0.3 s'),
    };
    await expect(RawImage.read(`${address}/drip`, { timeout: 0.3 })).rejects.toMatchObject(late);
    for (const timeout of [0, -1, Number.NaN, '5' as never]) {
      await expect(RawImage.read(`${address}/cat.png`, { timeout })).rejects.toThrow(/timeout: got/);
    }
  });

  it('may take their time at each redirect', async () => {
    const patient = { ...downloadLimits, silence: 1000 };
    expect((await download(`${address}/slow`, undefined, patient)).bytes).toEqual(cat);
  });

  it('end at a size that no header announced', async () => {
    const small = { ...downloadLimits, bytes: 1 << 20 };
    await expect(download(`${address}/drip`, undefined, { ...small, bytes: 5 })).rejects.toThrow(/is larger than/);
    expect((await download(`${address}/cat.png`, undefined, small)).bytes).toEqual(cat);
  });

  it('say what came in place of a picture', async () => {
    const message = `${address}/page (served as image/jpeg): does not decode as an image: looks like an HTML page`;
    await expect(RawImage.read(`${address}/page`)).rejects.toMatchObject({
      code: 'IMAGE',
      message: expect.stringContaining(message),
    });
  });
});

describe('what is no picture', () => {
  it.each([
    ['<html><head>', 'an HTML page'],
    ['\n<?xml version="1.0"?>\n<!DOCTYPE html><html>', 'an HTML page'],
    ['<?xml version="1.0"?><feed>', 'an XML document'],
    ['{"error": "no such key"}', 'JSON'],
    ['not a picture', 'text'],
    ['', 'an empty file'],
    ['%PDF-1.7', 'a PDF'],
    ['BM6\0\0\0', 'BMP'],
    ['\0\0\0\x18ftypheic', 'HEIC'],
    ['\0\0\0\x18ftypisom', 'a video'],
    ['PK\x03\x04', 'a ZIP archive'],
    ['version https://git-lfs.github.com/spec/v1', 'a Git LFS pointer'],
  ])('%j is called %s', async (bytes, what) => {
    await expect(RawImage.read(Buffer.from(bytes, 'latin1'))).rejects.toMatchObject({
      code: 'IMAGE',
      message: expect.stringContaining(`does not decode as an image: looks like ${what}`),
    });
  });
});

it.each([
  ['<svg xmlns="http://www.w3.org/2000/svg" width="60000" height="60000"/>', /limit of 268402689 pixels/],
  ['<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><g></svg>', /(?!.*looks like)/],
  ['\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf', /^(?!.*looks like)/],
  ['\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf', /^(?!.*looks like)/],
])('a damaged picture of a format that is read keeps its own reason: %j', async (bytes, reason) => {
  const { message } = await RawImage.read(Buffer.from(bytes, 'latin1')).catch((error) => error);
  expect(message).toMatch(reason);
  expect(message).not.toContain('looks like');
});

describe('pixels in memory', () => {
  const plain = new CLIPImageProcessor({
    do_resize: false,
    do_center_crop: false,
    do_rescale: false,
    do_normalize: false,
  });
  const rgb = Uint8Array.of(1, 2, 3, 4, 5, 6);

  it('come as ImageData and as the images of others', async () => {
    // PIL: Image.alpha_composite(white, (10, 20, 30, 128)) -> 132, 137, 142
    const imageData = { data: Uint8ClampedArray.of(10, 20, 30, 128), width: 1, height: 1 };
    expect([...(await plain(imageData)).pixel_values.data]).toEqual([132, 137, 142]);
    expect(await RawImage.read(imageData)).toEqual(new RawImage(Uint8Array.of(10, 20, 30, 128), 1, 1, 4));
    const foreign: ImageInput = { data: rgb, width: 2, height: 1, channels: 3 };
    expect([...(await RawImage.read(foreign)).data]).toEqual([...rgb]);
  });

  it('come as tensors of either order', async () => {
    const planes = new Tensor('uint8', Uint8Array.of(1, 4, 2, 5, 3, 6), [3, 1, 2]);
    const rows = new Tensor('uint8', rgb, [1, 2, 3]);
    expect(await RawImage.read(planes)).toEqual(new RawImage(rgb, 2, 1, 3));
    expect(await RawImage.read(rows.reshape([2, 1, 3]))).toEqual(new RawImage(rgb, 1, 2, 3));
    // either could be the channels: first, as transformers' infer_channel_dimension_format says
    expect(await RawImage.read(rows)).toEqual(new RawImage(rgb, 3, 2, 1));
    expect([...(await plain(rows, { input_data_format: 'channels_last' })).pixel_values.data]).toEqual([
      ...planes.data,
    ]);
    expect((await plain(planes)).pixel_values.tolist()).toEqual([planes.tolist()]);
    await expect(plain(rows, { input_data_format: 'last' as never })).rejects.toThrow(/input_data_format: got "last"/);
  });

  it('are refused where they do not fit', async () => {
    const refused: [unknown, RegExp][] = [
      [{ data: new Uint8Array(5), width: 2, height: 2 }, /got 1\.25 channels/],
      [{ data: new Uint8Array(8), width: 2, height: 2, channels: 3 }, /got 8 bytes, expected 12/],
      [{ data: [1, 2, 3], width: 1, height: 1 }, /got data of Array/],
      [{ data: undefined, width: 1, height: 1 }, /got data of undefined/],
      [{ data: new Uint8Array(4), width: 1 }, /image: got .*height undefined/],
      [new Tensor('float32', [1, 2, 3], [3, 1, 1]), /image: got float32 \[3, 1, 1\], expected uint8/],
      [new Tensor('uint8', new Uint8Array(35), [7, 1, 5]), /image: got 7 channels/],
    ];
    for (const [input, message] of refused) {
      const error = { code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) };
      await expect(RawImage.read(input as ImageInput), String(message)).rejects.toMatchObject(error);
      await expect(plain(input as ImageInput), String(message)).rejects.toMatchObject(error);
    }
  });
});

/** A PNG of one row with the given profile. */
async function pngWithProfile(rgb: number[], icc: Uint8Array): Promise<Uint8Array> {
  const width = rgb.length / 3;
  const png = await sharp(Buffer.from(rgb), { raw: { width, height: 1, channels: 3 } })
    .png()
    .toBuffer();
  const body = Buffer.concat([Buffer.from('iCCPprofile\0\0', 'latin1'), deflateSync(icc)]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length - 4);
  check.writeUInt32BE(crc32(body));
  const afterHeader = 33;
  return Buffer.concat([png.subarray(0, afterHeader), length, body, check, png.subarray(afterHeader)]);
}

describe('ICC profiles', () => {
  const displayP3 = [255, 0, 0, 10, 200, 30, 128, 128, 128, 250, 120, 40];
  // PIL: ImageCms.profileToProfile(image, profile, createProfile('sRGB'), outputMode='RGB')
  const srgb = [255, 0, 0, 0, 204, 0, 128, 128, 128, 255, 110, 0];
  let png: Uint8Array;
  beforeAll(async () => {
    const p3 = await sharp(Buffer.of(1, 2, 3), { raw: { width: 1, height: 1, channels: 3 } })
      .withIccProfile('p3')
      .png()
      .toBuffer();
    png = await pngWithProfile(displayP3, (await sharp(p3).metadata()).icc as Buffer);
  });

  it('are ignored unless asked for', async () => {
    expect([...(await RawImage.read(png)).data]).toEqual(displayP3);
    const converted = await RawImage.read(png, { use_icc_profile: true });
    for (const [i, value] of srgb.entries()) expect(Math.abs((converted.data[i] as number) - value)).toBeLessThan(2);
  });

  it('are honoured by processors, in 16 bits too', async () => {
    const options = { do_resize: false, do_center_crop: false, do_rescale: false, do_normalize: false };
    const plain = new CLIPImageProcessor({ ...options, use_icc_profile: true });
    const deep = await sharp(png, { ignoreIcc: true }).toColourspace('rgb16').keepIccProfile().png().toBuffer();
    for (const image of [png, deep]) {
      const { pixel_values } = await plain(image, { data_format: 'channels_last' });
      for (const [i, value] of srgb.entries()) {
        expect(Math.abs(Number(pixel_values.data[i]) - value)).toBeLessThan(2);
      }
    }
    expect(plain.to_dict()).toMatchObject({ use_icc_profile: true });
    const same = await plain(china);
    expect(same.pixel_values.data).toEqual((await plain(china, { use_icc_profile: false })).pixel_values.data);
  });
});

describe('fast_decode', () => {
  const processor = new CLIPImageProcessor({ size: 64, crop_size: 64, do_rescale: false, do_normalize: false });
  const large = (): sharp.Sharp => sharp(china).resize(800, 600, { fit: 'fill' });

  async function pixelsOf(image: ImageInput, options: ImageProcessorOptions): Promise<Uint8Array> {
    return (await processor(image, options)).pixel_values.data as Uint8Array;
  }

  async function meanDifference(image: ImageInput): Promise<number> {
    const [full, fast] = [await pixelsOf(image, {}), await pixelsOf(image, { fast_decode: true })];
    return full.reduce((sum, value, i) => sum + Math.abs(value - (fast[i] as number)), 0) / full.length;
  }

  it('changes large JPEGs a little, upright or not, gray or coloured', async () => {
    const pictures = [
      large(),
      large().grayscale(),
      large().withMetadata({ orientation: 6 }),
      sharp(china).resize(401, 701, { fit: 'fill' }),
    ];
    for (const picture of pictures) {
      const difference = await meanDifference(await picture.jpeg().toBuffer());
      expect(difference).toBeGreaterThan(0);
      expect(difference).toBeLessThan(3); // on its side it would be 50
    }
  });

  it('leaves everything else as it is', async () => {
    expect(await pixelsOf(china, { size: 224, fast_decode: true })).toEqual(await pixelsOf(china, { size: 224 }));
    expect(await meanDifference(await large().png({ compressionLevel: 1 }).toBuffer())).toBe(0);
    expect(await meanDifference(await large().toColourspace('cmyk').jpeg().toBuffer())).toBe(0);
    const jpeg = await large().jpeg().toBuffer();
    const unresized = await pixelsOf(jpeg, { do_resize: false, fast_decode: true });
    expect(unresized).toEqual(await pixelsOf(jpeg, { do_resize: false }));
  });

  it('keeps twice the size that an image is read for', async () => {
    const jpeg = await large().jpeg().toBuffer();
    const sizeFor = async (fast_decode: number | { height: number; width: number }): Promise<[number, number]> =>
      (await RawImage.read(jpeg, { fast_decode })).size;
    expect(await sizeFor(64)).toEqual([266, 200]);
    expect(await sizeFor(25)).toEqual([88, 66]);
    expect(await sizeFor({ height: 100, width: 1000 })).toEqual([800, 600]);
    await expect(RawImage.read(jpeg, { fast_decode: true as never })).rejects.toThrow(/fast_decode: got true/);
  });
});

describe('options of transformers', () => {
  it('are taken by encode_images', async () => {
    const model = await AltCLIPModel.from_pretrained('demo');
    const own = await CLIPImageProcessor.from_pretrained('demo');
    const { value } = await model.encode_images([china], { resample: 'nearest', crop_size: 64 }).next();
    const inputs = await own(china, { resample: 'nearest', crop_size: 64 });
    expect(value?.tolist()).toEqual((await model.get_image_features(inputs)).normalize().at(0).tolist());
    expect(() => model.encode_images([china], { on_error: 'skip', size: -1 })).toThrow(/size\.shortest_edge: got -1/);
    expect(() => model.encode_images([china], { fast_decode: 1 as never })).toThrow(/fast_decode: got 1/);
    const misspelt = { on_error: 'skip', bacth_size: 4 } as const;
    expect(() => model.encode_images([china], misspelt)).toThrow(/encode_images: unknown option bacth_size/);
    await model.dispose();
  });
});
