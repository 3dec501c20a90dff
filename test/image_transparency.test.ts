/** The transparent colour of a PNG, as PIL compares it; expected values from scripts/reference/png_keys.py. */
import { expect, it } from 'vitest';
import { CLIPImageProcessor } from '../lib/image/processing';
import { readJson } from './helpers/fixtures';

const cases = readJson<[label: string, png: string, rgb: number[]][]>('images', 'png_keys.json');

it.each(cases)('%s', async (_label, png, rgb) => {
  const plain = new CLIPImageProcessor({
    do_resize: false,
    do_center_crop: false,
    do_rescale: false,
    do_normalize: false,
  });
  const { pixel_values } = await plain(Buffer.from(png, 'base64'), { data_format: 'channels_last' });
  expect([...pixel_values.data]).toEqual(rgb);
});
