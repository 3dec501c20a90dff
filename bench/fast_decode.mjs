// What fast_decode changes: time from JPEG bytes to pixel values, and how far embeddings move, beside the full decode in
// one run.
//
//   npm run build && node bench/fast_decode.mjs [MODEL] [PHOTO.jpg ...]
//
// MODEL is what from_pretrained takes, 'demo' by default. Without photos: a real one enlarged to 12 and 48 megapixels
// with sensor noise, and one of 12 megapixels tiled from real ones, with as much detail as pixels can hold. Both ways
// take turns; times are medians.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { median } from './figures.mjs';
import { enlarged, photo } from './photo.mjs';

const require = createRequire(import.meta.url);
const sharp = require('sharp');
const { AltCLIPModel, CLIPImageProcessor } = require('../dist/index.js');

const [model_id = 'demo', ...files] = process.argv.slice(2);
const enlargedJpeg = async (width, height) =>
  sharp(await enlarged(width, height), { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();

function tiled(width, height) {
  const blank = sharp({ create: { width, height, channels: 3, background: '#000' } });
  return blank
    .composite([{ input: photo, tile: true }])
    .jpeg({ quality: 90 })
    .toBuffer();
}

const photos = files.length
  ? files.map((file) => [file, readFileSync(file)])
  : [
      ['enlarged, 12 megapixels', await enlargedJpeg(4000, 3000)],
      ['enlarged, 48 megapixels', await enlargedJpeg(8000, 6000)],
      ['tiled, 12 megapixels', await tiled(4000, 3000)],
    ];
const model = await AltCLIPModel.from_pretrained(model_id);
const side = model.config.vision_config.image_size;
const processor = new CLIPImageProcessor({ size: side, crop_size: side });

const rows = [];
for (const [name, bytes] of photos) {
  const times = { full: [], fast: [] };
  const pixels = {};
  for (let round = 0; round < 9; ++round) {
    for (const way of ['full', 'fast']) {
      const start = performance.now();
      pixels[way] = await processor(bytes, { fast_decode: way === 'fast' });
      if (round > 1) times[way].push(performance.now() - start); // the first rounds warm up
    }
  }
  const [full, fast] = await Promise.all(
    ['full', 'fast'].map(async (way) => (await model.get_image_features(pixels[way])).normalize().data),
  );
  const [a, b] = [pixels.full.pixel_values.data, pixels.fast.pixel_values.data];
  const levels = a.map((value, i) => Math.abs(value - b[i]) * 255 * 0.27);
  rows.push({
    photo: name,
    full_ms: Math.round(median(times.full)),
    fast_ms: Math.round(median(times.fast)),
    times_as_fast: Number((median(times.full) / median(times.fast)).toPrecision(3)),
    mean_levels: Number((levels.reduce((sum, x) => sum + x, 0) / levels.length).toPrecision(2)),
    most_levels: Math.round(levels.reduce((most, x) => Math.max(most, x), 0)),
    '1 - cosine': Number((1 - full.reduce((sum, value, i) => sum + value * fast[i], 0)).toPrecision(2)),
  });
}
console.log(`${model_id}: pixel values and embeddings with fast_decode, against the full decode`);
console.table(rows);
await model.dispose();
