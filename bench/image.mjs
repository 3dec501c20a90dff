// A 12-megapixel photo to pixel values of 224 x 224 on one thread: resize, centre crop, rescale and normalise, beside
// Pillow's resize with NumPy (what transformers does) and sharp's own resize, in one run.
//
//   npm run bench:image [-- --repeat 15 --json FILE]
//
// ALTCLIP_PYTHON names a Python with Pillow and NumPy; without it that peer is left out. All sides start from the same
// decoded pixels and take turns, so that whatever else the machine does hits all. sharp gives the cropped bytes only.
// Figures are medians with the fastest and the 90th percentile; ratios are of medians.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { rounded } from './figures.mjs';
import { enlarged } from './photo.mjs';

const require = createRequire(import.meta.url);
const sharp = require('sharp');
const { CLIPImageProcessor, RawImage } = require('../dist/index.js');

const [width, height] = [4000, 3000];
const side = 224;

const timed = async (run) => {
  const start = performance.now();
  await run();
  return performance.now() - start;
};

const pillow = `
import sys, time
import numpy as np
from PIL import Image
width, height, side = map(int, sys.argv[2:5])
image = Image.frombytes("RGB", (width, height), open(sys.argv[1], "rb").read())
image.load()
mean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
std = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
long = int(side * max(width, height) / min(width, height))
for line in sys.stdin:
    start = time.perf_counter()
    resized = image.resize((long, side), Image.Resampling.BICUBIC)
    crop = np.asarray(resized)[:, (long - side) // 2 : (long - side) // 2 + side]
    values = ((crop * (1 / 255)).astype(np.float32) - mean) / std
    np.ascontiguousarray(values.transpose(2, 0, 1))
    print((time.perf_counter() - start) * 1e3, flush=True)
`;

/** A function that has the Python process do it once: milliseconds. */
function pillowSide(python, file) {
  const args = ['-c', pillow, file, width, height, side].map(String);
  const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.on('error', (error) => console.error(`${python}: ${error.message}`));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const run = async () => {
    child.stdin.write('\n');
    const { value, done } = await lines.next();
    if (done) throw new Error(`${python} ended; has it Pillow and NumPy?`);
    return Number(value);
  };
  return { run, end: () => child.stdin.end() };
}

function summary(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { median: at(0.5), fastest: sorted[0], p90: at(0.9) };
}

const { values: options } = parseArgs({
  options: { repeat: { type: 'string', default: '15' }, json: { type: 'string' } },
});
const repeat = Number(options.repeat);
sharp.concurrency(1);
const data = await enlarged(width, height);
const image = new RawImage(data, width, height, 3);
const processor = new CLIPImageProcessor();
const sharpCrop = (kernel) =>
  timed(() =>
    sharp(data, { raw: { width, height, channels: 3 } })
      .resize(side, side, { fit: 'cover', kernel })
      .raw()
      .toBuffer(),
  );

const folder = mkdtempSync(path.join(tmpdir(), 'altclip-bench-'));
let python;
try {
  const sides = {
    altclip: () => timed(() => processor(image)),
    'sharp, cubic': () => sharpCrop('cubic'),
    'sharp, lanczos3 (its default)': () => sharpCrop('lanczos3'),
  };
  if (process.env.ALTCLIP_PYTHON) {
    const file = path.join(folder, 'photo.rgb');
    writeFileSync(file, data);
    python = pillowSide(process.env.ALTCLIP_PYTHON, file);
    sides.Pillow = python.run;
  } else {
    console.log('Pillow is left out: ALTCLIP_PYTHON names no Python');
  }
  const times = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
  for (let round = -2; round < repeat; ++round) {
    for (const [name, run] of Object.entries(sides)) {
      const milliseconds = await run();
      if (round >= 0) times[name].push(milliseconds); // the first rounds warm up
    }
  }
  const ours = summary(times.altclip).median;
  const rows = Object.entries(times).map(([name, all]) => {
    const { median, fastest, p90 } = summary(all);
    const milliseconds = { median: rounded(median), fastest: rounded(fastest), p90: rounded(p90) };
    return { side: name, ...milliseconds, altclip_is_times_as_fast: rounded(median / ours) };
  });
  const load = loadavg().map(rounded);
  console.log(`${cpus()[0]?.model}, Node ${process.version}, load ${load.join(' ')}`);
  console.log(`${width}x${height} to ${side}x${side}, milliseconds`);
  console.table(rows);
  if (options.json) {
    writeFileSync(options.json, `${JSON.stringify({ cpu: cpus()[0]?.model, load, rows }, null, 2)}\n`);
  }
} finally {
  python?.end();
  rmSync(folder, { recursive: true, force: true });
}
