// Conversion beside what the machine allows: the disk's rate of writing the same bytes, and the cores' time.
//
//   npm run build && node bench/convert.mjs FOLDER [--dtype q8_0,q4_k_m] [--repeat 3] [--to FOLDER]
//
// FOLDER is a checkpoint in Hugging Face's layout, read into the page cache first. Each round converts it in a process
// of its own, then writes a file of the same size in pieces of the same size to the same disk and syncs it. `allowed` is
// the longer of the writing and of the processor time divided by the cores; `of it` is allowed / wall, medians of the
// rounds.
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from './figures.mjs';

const seconds = (begin) => (performance.now() - begin) / 1000;

/** In a child: converts and prints wall and processor seconds, bytes written, peak memory in kilobytes. */
async function convert(source, output, dtype) {
  const { native } = createRequire(import.meta.url)('../dist/native.js');
  const [begin, before] = [performance.now(), process.cpuUsage()];
  const { bytes } = await native.convertModel({ source, output, dtype });
  const { user, system } = process.cpuUsage(before);
  const { maxRSS } = process.resourceUsage();
  console.log(JSON.stringify({ wall: seconds(begin), cpu: (user + system) / 1e6, bytes, peak: maxRSS }));
}

function readAll(folder) {
  const buffer = Buffer.alloc(4 << 20);
  for (const name of readdirSync(folder)) {
    if (!statSync(path.join(folder, name)).isFile()) continue;
    const file = openSync(path.join(folder, name));
    while (readSync(file, buffer) > 0);
    closeSync(file);
  }
}

/** Seconds that writing so many bytes takes until they are on the disk. */
function write(output, bytes) {
  const piece = Buffer.alloc(1 << 19, 'some bytes that are not zero');
  const begin = performance.now();
  const file = openSync(output, 'w');
  for (let left = bytes; left > 0; left -= piece.length) writeSync(file, piece, 0, Math.min(left, piece.length));
  fsyncSync(file);
  closeSync(file);
  return seconds(begin);
}

function measure(source, output, dtype, repeat) {
  const rounds = Array.from({ length: repeat }, () => {
    readAll(source);
    const child = [fileURLToPath(import.meta.url), '--child', source, '--to', output, '--dtype', dtype];
    const run = JSON.parse(execFileSync(process.execPath, child, { encoding: 'utf8' }));
    rmSync(output);
    const disk = write(output, run.bytes);
    rmSync(output);
    const allowed = Math.max(disk, run.cpu / availableParallelism());
    return { ...run, disk, allowed, share: allowed / run.wall };
  });
  const of = (key) => median(rounds.map((round) => round[key]));
  return {
    dtype,
    'written, MB': Math.round(of('bytes') / 1e6),
    'wall, s': of('wall').toFixed(2),
    'disk alone, s': of('disk').toFixed(2),
    'processor, s': of('cpu').toFixed(2),
    'of it': `${Math.round(100 * of('share'))} %`,
    'peak, MB': Math.round(of('peak') / 1e3),
  };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dtype: { type: 'string', default: 'q8_0' },
    repeat: { type: 'string', default: '3' },
    to: { type: 'string', default: tmpdir() },
    child: { type: 'string' },
  },
});
if (values.child) await convert(values.child, values.to, values.dtype);
else {
  if (!positionals[0]) throw new Error('convert.mjs needs a FOLDER');
  const output = path.join(values.to, `altclip-bench-${process.pid}.gguf`);
  console.table(values.dtype.split(',').map((dtype) => measure(positionals[0], output, dtype, Number(values.repeat))));
}
