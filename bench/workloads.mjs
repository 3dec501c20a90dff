// What is measured, and its inputs as raw files that every peer reads: little-endian float32 pixels, int64 ids and mask.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const side = 224;
const vocabulary = 250002;
const photo = { width: 1600, height: 1200 };

const images = (items) => ({
  id: `images-${items}`,
  title: `${items} image${items > 1 ? 's' : ''}`,
  kind: 'images',
  items,
});
const jpegs = (items) => ({
  id: `jpegs-${items}`,
  title: `${items} JPEG${items > 1 ? 's' : ''}, bytes to embedding`,
  kind: 'jpegs',
  items,
});
const texts = (items, tokens) => ({
  id: `texts-${items}x${tokens}`,
  title: `${items} text${items > 1 ? 's' : ''} of ${tokens} tokens`,
  kind: 'texts',
  lengths: Array(items).fill(tokens),
  items,
});
const mixed = (items) => ({
  id: `texts-${items}-mixed`,
  title: `${items} texts of 4 to 77 tokens`,
  kind: 'texts',
  lengths: Array.from({ length: items }, (_, i) => 4 + ((i * 37) % 74)),
  items,
});

/** `main`: for the main peers alone, with one number of threads; `quick` false: left out of --quick. */
const core = [
  images(1),
  { ...images(8), quick: false },
  { ...images(32), quick: false, main: true },
  jpegs(1),
  { ...jpegs(8), quick: false, main: true },
  texts(1, 12),
  texts(32, 12),
  { ...mixed(64), quick: false },
];
/** What the growth curves need beside them. */
const curves = [images(2), images(4), images(16), ...[4, 32, 77, 154, 308, 512].map((tokens) => texts(1, tokens))];

/** All workloads of a run: each with `tower`; `curve` where it is only a point of a growth curve. */
export const workloads = [...core, ...curves.map((one) => ({ ...one, curve: true, main: true, quick: false }))].map(
  (one) => ({ quick: true, ...one, tower: one.kind === 'texts' ? 'text' : 'vision' }),
);

/** Gratings of a few frequencies, different for every picture and channel: as smooth and as bright as a photograph. */
function brightness(picture, channel, x, y) {
  const a = Math.sin(0.031 * (picture + 3) * x + 0.5 * channel) * Math.cos(0.047 * (channel + 1) * y + picture);
  const b = Math.sin(0.21 * x + 0.17 * (picture % 5) * y) * 0.4;
  return Math.min(1, Math.max(0, 0.5 + 0.35 * a + 0.35 * b));
}

function pixels(items) {
  const mean = [0.48145466, 0.4578275, 0.40821073];
  const std = [0.26862954, 0.26130258, 0.27577711];
  const values = new Float32Array(items * 3 * side * side);
  for (let at = 0; at < values.length; ++at) {
    const [x, y, plane] = [at % side, Math.floor(at / side) % side, Math.floor(at / side / side)];
    const channel = plane % 3;
    values[at] = (brightness(Math.floor(plane / 3), channel, x, y) - mean[channel]) / std[channel];
  }
  return values;
}

async function writeJpeg(picture, file) {
  const sharp = createRequire(import.meta.url)('sharp');
  const { width, height } = photo;
  const rgb = Buffer.alloc(width * height * 3);
  for (let at = 0; at < rgb.length; ++at) {
    const pixel = Math.floor(at / 3);
    rgb[at] = 255 * brightness(picture, at % 3, (pixel % width) / 7, Math.floor(pixel / width) / 7);
  }
  await sharp(rgb, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toFile(file);
}

/**
 * Writes the inputs of a workload, where they are not there yet.
 * @returns the workload with the paths of its inputs, as peers get it
 */
export async function withInputs({ id, kind, items, lengths }, folder) {
  mkdirSync(folder, { recursive: true });
  const file = (name, values) => {
    const name_ = path.join(folder, name);
    if (!existsSync(name_)) writeFileSync(name_, values());
    return name_;
  };
  if (kind === 'images') return { id, kind, items, pixels: file(`${id}.f32`, () => pixels(items)) };
  if (kind === 'texts') {
    const columns = Math.max(...lengths);
    const table = (value) => () =>
      BigInt64Array.from({ length: items * columns }, (_, at) => {
        const [row, column] = [Math.floor(at / columns), at % columns];
        return BigInt(value(row, column, column < lengths[row]));
      });
    const ids = table((i, j, real) => (real ? 4 + ((i * 7919 + j * 104729) % (vocabulary - 5)) : 1));
    const mask = table((_, __, real) => Number(real));
    return { id, kind, items, columns, ids: file(`${id}.ids`, ids), mask: file(`${id}.mask`, mask) };
  }
  const files = [];
  for (let i = 0; i < items; ++i) {
    files.push(path.join(folder, `${i}.jpg`));
    if (!existsSync(files[i])) await writeJpeg(i, files[i]);
  }
  return { id, kind, items, files };
}
