// What a dtype costs on the demo model: file size, rank of the right name among all names, speed.
//
//   node bench/quality.mjs [--dtypes f32,q8_0,some.gguf] [--threads N] [--repeat 3] [--json FILE] [--markdown]
//
// The question is that of the model's card: each of Noto's drawings, clean on white, is ranked against the CLDR names of
// all drawings in each of 18 languages. Drawings and names come from two npm packages, fetched once into .cache/bench
// (81 MB). Speed is the best of the repeats, the dtypes taking turns.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { AltCLIPModel, AltCLIPProcessor, RawImage } = createRequire(import.meta.url)('../dist/index.js');
const { convertModel } = createRequire(import.meta.url)('../dist/native.js').native;
const root = fileURLToPath(new URL('..', import.meta.url));
const checkpoint = path.join(root, 'test/fixtures/demo/checkpoint');
const cache = path.join(root, '.cache/bench/demo');

const languages = 'en zh ja ko th ar ru uk fr es de it hi da pl nl tr vi'.split(' ');
const drawingShare = 0.86; // of the white square's side, as in the model's card

/** Folder of an unpacked npm package. */
function fetched(name, version, ...members) {
  const folder = path.join(cache, `${name}-${version}`);
  if (existsSync(folder)) return path.join(folder, 'package');
  mkdirSync(cache, { recursive: true });
  console.error(`fetching ${name}@${version}`);
  const tarball = execFileSync('npm', ['pack', '--silent', `${name}@${version}`], {
    cwd: cache,
    encoding: 'utf8',
  }).trim();
  const fresh = mkdtempSync(path.join(cache, 'unpack-'));
  execFileSync('tar', ['-xzf', path.join('..', tarball), ...members.map((member) => `package/${member}`)], {
    cwd: fresh,
  });
  rmSync(path.join(cache, tarball));
  renameSync(fresh, folder);
  return path.join(folder, 'package');
}

/** Emoji with a meaning of their own: no country flags, keycaps, gender or direction variants, skin tones, one clock. */
function ownMeaning({ unified, category, subcategory }) {
  const points = unified.split('-');
  const first = Number.parseInt(points[0], 16);
  return !(
    category === 'Component' ||
    ['country-flag', 'subdivision-flag', 'alphanum', 'keycap'].includes(subcategory) ||
    points.slice(1).some((point) => ['2640', '2642', '27A1', '2194', '2195'].includes(point)) ||
    (['1F468', '1F469'].includes(points[0]) && points.includes('200D')) ||
    (first >= 0x1f550 && first <= 0x1f567 && first !== 0x1f552) ||
    points.some((point) => /^1F3F[B-F]$/.test(point))
  );
}

/** Drawings with their names in every language: [{ file, names: { en, ... } }]. */
function drawings() {
  const google = fetched('emoji-datasource-google', '16.0.0', 'emoji.json', 'img/google/64');
  const cldr = fetched('cldr-annotations-full', '48.2.0', 'annotations');
  const read = (file) => JSON.parse(readFileSync(file, 'utf8'));
  const annotations = languages.map(
    (one) => read(path.join(cldr, 'annotations', one, 'annotations.json')).annotations.annotations,
  );
  return read(path.join(google, 'emoji.json'))
    .filter(ownMeaning)
    .sort((a, b) => a.sort_order - b.sort_order)
    .flatMap(({ unified, image }) => {
      const emoji = String.fromCodePoint(...unified.split('-').map((point) => Number.parseInt(point, 16)));
      const found = annotations.map((all) => all[emoji] ?? all[emoji.replaceAll('\ufe0f', '')]);
      const file = path.join(google, 'img/google/64', image);
      if (found.includes(undefined) || !existsSync(file)) return [];
      const name = ({ tts }) =>
        tts[0]
          .split(/[,،、|]/)[0]
          .replaceAll('⊛', ' ')
          .replace(/\s+/g, ' ')
          .trim();
      return [{ file, names: Object.fromEntries(languages.map((one, i) => [one, name(found[i])])) }];
    });
}

/** The drawing in the middle of a white square. */
async function onWhite(file) {
  const sharp = createRequire(import.meta.url)('sharp');
  const { width } = await sharp(file).metadata();
  const side = Math.round(width / drawingShare);
  const canvas = sharp({ create: { width: side, height: side, channels: 3, background: 'white' } });
  const offset = Math.floor((side - width) / 2);
  const { data, info } = await canvas
    .composite([{ input: file, left: offset, top: offset }])
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return new RawImage(data, info.width, info.height, 3);
}

/** Rows of unit length for inputs taken in batches, and the seconds that the model took. */
async function embed(batches, call) {
  const rows = [];
  const start = performance.now();
  for (const inputs of batches) {
    const features = (await call(inputs)).normalize();
    for (let i = 0; i < features.dims[0]; i++)
      rows.push(features.data.slice(i * features.dims[1], (i + 1) * features.dims[1]));
  }
  return { rows, seconds: (performance.now() - start) / 1000 };
}

/** Rank, from 1, of each picture's own name among the distinct names. */
function ranks(pictures, texts, names) {
  const first = new Map();
  names.forEach((name, i) => void (first.has(name.toLowerCase()) || first.set(name.toLowerCase(), i)));
  const dot = (a, b) => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
  };
  return pictures.map((picture, i) => {
    const own = dot(picture, texts[first.get(names[i].toLowerCase())]);
    let rank = 1;
    for (const j of first.values()) if (dot(picture, texts[j]) > own) rank++;
    return rank;
  });
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const batchesOf = (all, size) =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));

const { values: options } = parseArgs({
  options: {
    dtypes: { type: 'string', default: 'f32,bf16,f16,q8_0,q6_k,q5_k_m,q5_k,q4_k_m,q4_k,q4_0' },
    threads: { type: 'string', default: '2' },
    repeat: { type: 'string', default: '3' },
    json: { type: 'string' },
    markdown: { type: 'boolean', default: false },
  },
});
const all = drawings();
const processor = await AltCLIPProcessor.from_pretrained(checkpoint);
const pixels = await Promise.all(
  batchesOf(await Promise.all(all.map(({ file }) => onWhite(file))), 64).map((images) => processor({ images })),
);
const texts = {};
for (const one of languages) {
  const names = all.map(({ names }) => names[one]);
  texts[one] = await Promise.all(batchesOf(names, 256).map((text) => processor({ text, padding: true })));
}
console.error(`${all.length} drawings, ${languages.length} languages`);

const work = mkdtempSync(path.join(tmpdir(), 'altclip-quality-'));
const results = [];
try {
  for (const dtype of options.dtypes.split(',')) {
    const output = dtype.endsWith('.gguf') ? dtype : path.join(work, `${dtype}.gguf`);
    if (output !== dtype) await convertModel({ source: checkpoint, output, dtype });
    const model = await AltCLIPModel.from_pretrained(output, { num_threads: Number(options.threads) });
    results.push({ dtype, megabytes: statSync(output).size / 1e6, model, images: Infinity, texts: Infinity });
  }
  for (let round = 0; round < Number(options.repeat); round++) {
    for (const result of results) {
      const pictures = await embed(pixels, (inputs) => result.model.get_image_features(inputs));
      result.images = Math.min(result.images, pictures.seconds);
      let seconds = 0;
      const every = [];
      for (const one of languages) {
        const embedded = await embed(texts[one], (inputs) => result.model.get_text_features(inputs));
        seconds += embedded.seconds;
        if (round === 0)
          every.push(
            ...ranks(
              pictures.rows,
              embedded.rows,
              all.map(({ names }) => names[one]),
            ),
          );
      }
      result.texts = Math.min(result.texts, seconds);
      if (round > 0) continue;
      result.top1 = every.filter((rank) => rank === 1).length / every.length;
      result.rank = mean(every);
    }
  }
  for (const result of results) await result.model.dispose();
} finally {
  rmSync(work, { recursive: true, force: true });
}

const rows = results.map(({ dtype, megabytes, top1, rank, images, texts: seconds }) => ({
  dtype,
  megabytes: Number(megabytes.toFixed(2)),
  top1: Number((100 * top1).toFixed(2)),
  mean_rank: Number(rank.toFixed(2)),
  pictures_per_second: Math.round(all.length / images),
  texts_per_second: Math.round((all.length * languages.length) / seconds),
}));
if (options.markdown) {
  console.log('| | file, MB | top-1, % | mean rank | pictures/s | texts/s |\n|---|---|---|---|---|---|');
  for (const row of rows) console.log(`| ${Object.values(row).join(' | ')} |`);
} else {
  console.table(rows);
}
if (options.json)
  writeFileSync(options.json, `${JSON.stringify({ drawings: all.length, languages, rows }, null, 2)}\n`);
