/**
 * Memory stays flat over many calls and many load/dispose cycles. Each measurement is a process of its own, whose
 * resident set is read after forced garbage collections.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const root = path.resolve(__dirname, '..');
const photos = ['china.jpg', 'grace_hopper.jpg', 'chelsea.png'].map((name) =>
  path.join(root, 'test', 'fixtures', 'inputs', 'photos', name),
);
const full = process.env.ALTCLIP_FULL === '1';

/** What may come and go without being a leak; a leak of one picture's tensor a call would be 49 MB in 1000 calls. */
const SLACK = full ? 20e6 : 10e6;

/**
 * A process left alone grows by some 60 MB in its first 2000 calls and then stays: V8's young generation, and glibc, which
 * raises the size from which it gives memory back. Both held small, what remains is what is really kept.
 */
const v8 = ['--expose-gc', '--max-semi-space-size=1'];
const glibc = { MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '65536' };

/** Runs a program that calls `record(n)`; gives the resident set in bytes after each n. */
async function residentSet(program: string): Promise<Map<number, number>> {
  const prelude = `
    const { pipeline } = require(${JSON.stringify(path.join(root, 'dist', 'index.js'))});
    const picture = ${JSON.stringify(path.join(root, 'models', 'demo', 'lion.png'))};
    const records = [];
    const record = async (n) => {
      for (let i = 0; i < 3; ++i) { gc(); await new Promise(setImmediate); }
      records.push([n, process.memoryUsage.rss()]);
    };`;
  const source = `${prelude}\n(async () => { ${program}\n console.log(JSON.stringify(records)); })();`;
  const env = { ...process.env, ...glibc };
  const { stdout } = await promisify(execFile)(process.execPath, [...v8, '-e', source], { env });
  return new Map(JSON.parse(stdout) as [number, number][]);
}

function growth(records: Map<number, number>, from: number, to: number): number {
  const report = [...records].map(([n, bytes]) => `${n}: ${(bytes / 1e6).toFixed(1)} MB`).join(', ');
  console.log(`resident set after ${report}`);
  return (records.get(to) as number) - (records.get(from) as number);
}

describe('memory', { timeout: full ? 600_000 : 120_000 }, () => {
  it(`is flat over ${full ? 1000 : 100} classifications`, async () => {
    const last = full ? 1000 : 100;
    const records = await residentSet(`
      const classify = await pipeline('zero-shot-image-classification', 'demo');
      for (let n = 1; n <= ${last}; ++n) {
        await classify(picture, ['lion ' + n, 'pizza', '虹']);
        if ([10, 100, 1000].includes(n)) await record(n);
      }
      await classify.dispose();`);
    expect(growth(records, full ? 100 : 10, last)).toBeLessThan(SLACK);
  });

  it(`is flat over ${full ? 50 : 12} cycles of loading and disposing`, async () => {
    const last = full ? 50 : 12;
    const records = await residentSet(`
      for (let n = 1; n <= ${last}; ++n) {
        const classify = await pipeline('zero-shot-image-classification', 'demo');
        await classify(picture, ['lion', 'pizza']);
        await classify.dispose();
        if (n === 4 || n === 12 || n === 25 || n === 50) await record(n);
      }`);
    expect(growth(records, full ? 12 : 4, last)).toBeLessThan(SLACK);
  });

  it.runIf(full)('is flat over 10,000 pictures through encode_images', async () => {
    const records = await residentSet(`
      const { AltCLIPModel } = require(${JSON.stringify(path.join(root, 'dist', 'index.js'))});
      const model = await AltCLIPModel.from_pretrained('demo');
      const files = ${JSON.stringify([path.join(root, 'models', 'demo', 'lion.png'), ...photos])};
      function* pictures() { for (let n = 0; n < 10000; ++n) yield files[n % 25 ? 0 : (n / 25) % files.length]; }
      let n = 0;
      for await (const _ of model.encode_images(pictures())) {
        if ([1000, 3000, 10000].includes(++n)) await record(n);
      }
      await model.dispose();`);
    expect(growth(records, 1000, 10_000)).toBeLessThan(SLACK);
  });

  it('is flat over models that are forgotten, not disposed', async () => {
    const last = full ? 50 : 12;
    const records = await residentSet(`
      for (let n = 1; n <= ${last}; ++n) {
        await (await pipeline('zero-shot-image-classification', 'demo'))(picture, ['lion', 'pizza']);
        if (n % 4 === 0) await record(n);
      }
      await record(${last});`);
    expect(growth(records, 4, last)).toBeLessThan(SLACK);
  });
});
