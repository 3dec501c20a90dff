/** Torch archives whose entries another tool has compressed: the same model, or an error, whatever the bytes. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, vi } from 'vitest';
import { AltCLIPError, fromNative } from '../lib/errors';
import { native } from '../lib/native';
import { fixture, temporaryFolder } from './helpers/fixtures';
import { deflatedZip, readZip } from './helpers/zip';

const folder = temporaryFolder();
const original = fixture('models', 'tiny-legacy-bin');
const entries = readZip(readFileSync(path.join(original, 'pytorch_model.bin')));
const output = path.join(folder, 'out.gguf');

/** A checkpoint with this archive as its weights. */
function checkpoint(name: string, archive: Buffer): string {
  const source = path.join(folder, name);
  mkdirSync(source, { recursive: true });
  for (const file of readdirSync(original)) {
    if (file !== 'pytorch_model.bin') cpSync(path.join(original, file), path.join(source, file));
  }
  writeFileSync(path.join(source, 'pytorch_model.bin'), archive);
  return source;
}

const convert = (source: string) => fromNative(native.convertModel({ source, output, dtype: 'f32' }));
const scratchFiles = () => readdirSync(tmpdir()).filter((name) => /^altclip-\d+\.scratch/.test(name));

it.each([
  ['stored blocks', 0, false],
  ['fast', 1, false],
  ['best', 9, false],
  ['fixed codes', 6, true],
])('gives the bytes of the stored archive: %s', async (_, level, fixed) => {
  await convert(checkpoint('weights', readFileSync(path.join(original, 'pytorch_model.bin'))));
  const expected = readFileSync(output);
  const before = scratchFiles();
  await convert(checkpoint('weights', deflatedZip(entries, level, fixed)));
  expect(readFileSync(output).equals(expected)).toBe(true);
  // other processes' files have a name for a moment too
  await vi.waitFor(() => expect(scratchFiles().filter((name) => !before.includes(name))).toEqual([]));
});

it('answers damage anywhere with an error', async () => {
  const sound = deflatedZip(entries, 6);
  let refused = 0;
  const n = process.env.ALTCLIP_FULL ? 2000 : 24;
  for (let i = 0; i < n; i++) {
    const damaged = Buffer.from(sound);
    const at = Math.floor((i * sound.length) / n) + (i % 7);
    damaged[at] = (damaged[at] as number) ^ (1 << (i % 8));
    const error = await convert(checkpoint('damaged', damaged)).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) continue; // bits that nothing reads: version and date fields
    expect(error).toBeInstanceOf(AltCLIPError);
    expect((error as AltCLIPError).message).toContain('pytorch_model.bin');
    refused++;
  }
  expect(refused).toBeGreaterThan(n * 0.9);
}, 600_000);

it('refuses an entry that claims more than deflate can give', async () => {
  const archive = deflatedZip(new Map([['x/data.pkl', Buffer.from('.')]]), 9);
  const directory = archive.lastIndexOf(Buffer.from('PK\x01\x02', 'latin1'));
  archive.writeUInt32LE(0x7fffffff, directory + 24);
  await expect(convert(checkpoint('bomb', archive))).rejects.toThrow(/contradicts itself about its size/);
});
