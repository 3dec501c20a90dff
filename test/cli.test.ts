/** The altclip command as a child process: what it prints, its exit codes, and what Ctrl-C leaves behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import stringWidth from 'string-width';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openingPictures } from './helpers/pictures';

vi.setConfig({ testTimeout: 120_000 });

const root = path.resolve(__dirname, '..');
const main = path.join(root, 'dist', 'cli', 'main.mjs');
const picture = (name: string) => path.join(root, 'models', 'demo', `${name}.png`);
const checkpoint = path.join(root, 'test', 'fixtures', 'demo', 'checkpoint');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'altclip-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(args: string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, [main, ...args], {
    cwd: root,
    env: {
      ...process.env,
      NO_COLOR: undefined,
      FORCE_COLOR: undefined,
      ALTCLIP_CACHE: path.join(folder, 'cache'),
      ...env,
    },
  });
}

async function outcome(child: ChildProcess) {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const [code, signal] = await once(child, 'close');
  return { code, signal, stdout, stderr };
}

async function altclip(args: string[], { input = '', env = {} }: { input?: string; env?: NodeJS.ProcessEnv } = {}) {
  const child = start(args, env);
  child.stdin?.on('error', () => undefined); // a command may end without reading it
  child.stdin?.end(input);
  return outcome(child);
}

/** Sends Ctrl-C as soon as something lies in `watched`. */
async function interruptOnceWriting(child: ChildProcess, watched: string) {
  const result = outcome(child);
  while (child.exitCode === null && readdirSync(watched).length === 0) await sleep(2);
  child.kill('SIGINT');
  return result;
}

function readNpy(file: string) {
  const bytes = readFileSync(file);
  expect(bytes.toString('latin1', 0, 8)).toBe('\u0093NUMPY\u0001\u0000');
  const start = 10 + bytes.readUInt16LE(8);
  expect(start % 64).toBe(0);
  const header = bytes.toString('latin1', 10, start);
  expect(header).toMatch(/^\{'descr': '<f4', 'fortran_order': False, 'shape': \(\d+, \d+\), \} *\n$/);
  const [rows = 0, dim = 0] = (/\((\d+), (\d+)\)/.exec(header) ?? []).slice(1).map(Number);
  const data = Array.from({ length: rows * dim }, (_, i) => bytes.readFloatLE(start + 4 * i));
  expect(bytes.length).toBe(start + 4 * rows * dim);
  return { rows, dim, data };
}

describe('help and usage', () => {
  it('explains itself on a screen of 80 x 24', async () => {
    for (const args of [
      ['--help'],
      ...['classify', 'embed', 'convert', 'info', 'demo'].map((name) => [name, '--help']),
    ]) {
      const { code, stdout, stderr } = await altclip(args);
      expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' });
      const lines = stdout.trimEnd().split('\n');
      expect(lines.length).toBeLessThanOrEqual(23);
      for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(80);
    }
  });

  it('prints the version', async () => {
    const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
    expect((await altclip(['--version'])).stdout).toBe(`${version}\n`);
  });

  it.each([
    [['paint'], /'paint' is not a command/],
    [['classify'], /needs a picture/],
    [['classify', 'a.png'], /needs --labels/],
    [['classify', 'a.png', '--labels', 'a', '--template', 'photo'], /--template/],
    [['classify', 'a.png', '--labels', 'a', '--dtype', 'q1'], /--dtype/],
    [['classify', '--colour'], /--colour/],
    [['embed'], /needs one of/],
    [['embed', 'a.png', '--text', 'a'], /needs one of/],
    [['embed', '--text', 'a', '--fast-decode'], /--fast-decode .* for pictures/],
    [['embed', 'a.png', '--output', 'a.csv'], /\.jsonl or \.npy/],
    [['embed', 'a.png', '--batch-size', '0'], /--batch-size/],
    [['convert', 'folder'], /OUT\.gguf/],
    [['convert', 'folder', 'out.bin'], /ends in \.gguf/],
    [['info', 'a', 'b'], /one model/],
  ])('%j is wrong usage: exit code 2 and one line', async (args, message) => {
    const { code, stdout, stderr } = await altclip(args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^altclip: [^\n]+\n$/);
    expect(stderr).toMatch(message);
  });

  it.each([
    [['classify', 'missing.png', '--labels', 'a,b'], /missing\.png/],
    [['classify', path.join(root, 'README.md'), '--labels', 'a,b'], /README\.md/],
    [['info', 'missing.gguf'], /missing\.gguf/],
    [['embed', '--texts-file', 'missing.txt'], /missing\.txt/],
    [['convert', 'lib', path.join('missing', 'out.gguf')], /lib|missing/],
  ])('%j fails: exit code 1 and one line', async (args, message) => {
    const { code, stderr } = await altclip(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^altclip: [^\n]+\n$/);
    expect(stderr).toMatch(message);
  });
});

describe('classify', () => {
  it('finds the best label, in any language', async () => {
    const args = ['classify', picture('lion'), picture('pizza'), '--labels', 'Löwe,بيتزا', '--labels', '虹', '--json'];
    const { code, stdout, stderr } = await altclip(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const results: { image: string; labels: { label: string; score: number }[] }[] = JSON.parse(stdout);
    expect(results.map(({ image }) => image)).toEqual([picture('lion'), picture('pizza')]);
    expect(results.map(({ labels }) => labels[0]?.label)).toEqual(['Löwe', 'بيتزا']);
    for (const { labels } of results) {
      expect(labels).toHaveLength(3);
      expect(labels.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5);
    }
  });

  it('colours only where asked', async () => {
    const args = ['classify', picture('key'), '--labels', 'llave,lion'];
    const plain = await altclip(args);
    expect(plain.stdout).toMatch(/llave +█/);
    expect(plain.stdout).not.toContain('\u001b');
    expect((await altclip(args, { env: { FORCE_COLOR: '1' } })).stdout).toContain('\u001b[32m');
  });
});

describe('embed', () => {
  it('writes .jsonl to standard output', async () => {
    const { code, stdout } = await altclip(['embed', '--text', 'lion', '--text', '狮子']);
    expect(code).toBe(0);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ text }) => text)).toEqual(['lion', '狮子']);
    for (const { embedding } of lines) expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
  });

  it('writes .npy of pictures, equal to .jsonl', async () => {
    const images = ['lion', 'key', 'pizza'].map(picture);
    const npy = path.join(folder, 'images.npy');
    const jsonl = path.join(folder, 'images.jsonl');
    expect(await altclip(['embed', ...images, '-o', npy, '--batch-size', '2'])).toMatchObject({ code: 0, stdout: '' });
    expect(await altclip(['embed', ...images, '-o', jsonl, '--batch-size', '2'])).toMatchObject({ code: 0 });
    const { rows, dim, data } = readNpy(npy);
    expect([rows, dim]).toEqual([3, 128]);
    const lines = readFileSync(jsonl, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ image }) => image)).toEqual(images);
    expect(lines.flatMap(({ embedding }) => embedding)).toEqual(data);
  });

  it('opens pictures as it is asked to', async () => {
    const { photo, tagged } = await openingPictures(mkdtempSync(path.join(folder, 'opening-')));
    const embeddings = async (...args: string[]) => {
      const { code, stdout } = await altclip(['embed', photo, tagged, ...args]);
      expect(code).toBe(0);
      const lines = stdout.trimEnd().split('\n');
      return lines.map((line) => (JSON.parse(line) as { embedding: number[] }).embedding);
    };
    const [plain, fast, managed] = [
      await embeddings(),
      await embeddings('--fast-decode'),
      await embeddings('--use-icc-profile'),
    ];
    expect(fast[0]).not.toEqual(plain[0]);
    expect(managed[0]).toEqual(plain[0]);
    expect(managed[1]).not.toEqual(plain[1]);
    const scores = async (...args: string[]) =>
      (await altclip(['classify', tagged, '--labels', 'lion,pizza', '--json', ...args])).stdout;
    expect(await scores('--use-icc-profile')).not.toBe(await scores());
  });

  it('reads texts from a file and from standard input', async () => {
    const texts = path.join(folder, 'texts.txt');
    writeFileSync(texts, 'lion\r\n\nclé\npizza');
    const fromFile = path.join(folder, 'file.npy');
    const fromInput = path.join(folder, 'input.npy');
    expect((await altclip(['embed', '--texts-file', texts, '-o', fromFile])).code).toBe(0);
    const input = await altclip(['embed', '--texts-file', '-', '-o', fromInput], { input: 'lion\nclé\npizza\n' });
    expect(input.code).toBe(0);
    expect(readNpy(fromFile)).toMatchObject({ rows: 3, dim: 128 });
    expect(readFileSync(fromFile).equals(readFileSync(fromInput))).toBe(true);
  });

  it('leaves no file behind when an input fails', async () => {
    const output = mkdtempSync(path.join(folder, 'failing-'));
    const { code } = await altclip(['embed', picture('lion'), 'missing.png', '-o', path.join(output, 'a.npy')]);
    expect(code).toBe(1);
    expect(readdirSync(output)).toEqual([]);
  });

  it('leaves no file behind on Ctrl-C', async () => {
    const output = mkdtempSync(path.join(folder, 'stopped-'));
    const child = start(['embed', '--texts-file', '-', '-o', path.join(output, 'a.jsonl')]);
    child.stdin?.write('lion\n'.repeat(100)); // and no end: it waits for more
    const { code, stderr } = await interruptOnceWriting(child, output);
    expect({ code, stderr }).toEqual({ code: 130, stderr: 'altclip: stopped\n' });
    expect(readdirSync(output)).toEqual([]);
  });
});

describe('convert and info', () => {
  it('converts a folder, says what it holds, and classifies with it', async () => {
    const output = path.join(folder, 'demo-f16.gguf');
    const converted = await altclip(['convert', checkpoint, output, '--dtype', 'f16']);
    expect(converted).toMatchObject({ code: 0, stderr: '' });
    expect(converted.stdout).toMatch(/demo-f16\.gguf: \d+ tensors, f16, \d/);

    const info = await altclip(['info', output, '--tensors']);
    expect(info).toMatchObject({ code: 0, stderr: '' });
    expect(info.stdout).toMatch(/hidden_size +192 +192/);
    expect(info.stdout).toMatch(/token_embd\S* +f16 +8002 x 192/);
    expect(info.stdout).toMatch(/this machine: .+\ndevices: .*cpu \(/);
    const { hparams } = JSON.parse((await altclip(['info', output, '--json'])).stdout);
    expect(hparams.text.vocabSize).toBe(8002);

    const { stdout } = await altclip(['classify', picture('lion'), '--labels', 'lion,key', '-m', output, '--json']);
    expect(JSON.parse(stdout)[0].labels[0].label).toBe('lion');
  });

  it('writes one tower, which has no scale of logits', async () => {
    const output = path.join(folder, 'demo-text.gguf');
    await altclip(['convert', checkpoint, output, '--tower', 'text']);
    const info = await altclip(['info', output]);
    expect(info.stdout).toMatch(/projection \d+, with tokenizer/);
    expect(info.stdout).toMatch(/hidden_size +192 *\n/);
  });

  it('packs weights for the CPU, says so, and such a file runs', async () => {
    const output = path.join(folder, 'demo-packed.gguf');
    const converted = await altclip(['convert', checkpoint, output, '--dtype', 'q8_0', '--packed']);
    expect(converted).toMatchObject({ code: 0, stderr: '' });
    const info = await altclip(['info', output, '--tensors']);
    expect(info.stdout).toMatch(/q8_0, packed for the CPU \(layout \d+\)/);
    expect(info.stdout).toMatch(/t\.blk\.0\.attn_q\.weight\.packed_q8_0 +i8 +\d+/);
    const { stdout } = await altclip(['classify', picture('lion'), '--labels', 'lion,key', '-m', output, '--json']);
    expect(JSON.parse(stdout)[0].labels[0].label).toBe('lion');
  });

  it('leaves no file behind on Ctrl-C', async () => {
    const source = mkdtempSync(path.join(folder, 'large-'));
    const output = mkdtempSync(path.join(folder, 'stopped-'));
    growVocabulary(path.join(root, 'test', 'fixtures', 'models', 'tiny'), source, 4_000_000);
    const child = start(['convert', source, path.join(output, 'large.gguf'), '--dtype', 'q8_0']);
    const { code, stderr } = await interruptOnceWriting(child, output);
    expect({ code, stderr }).toEqual({ code: 130, stderr: 'altclip: stopped\n' });
    expect(readdirSync(output)).toEqual([]);
  });
});

/** Copies a checkpoint with a token table of zeros so large (1 GB, sparse) that its conversion can be interrupted. */
function growVocabulary(from: string, to: string, vocabulary: number): void {
  const config = JSON.parse(readFileSync(path.join(from, 'config.json'), 'utf8'));
  config.text_config.vocab_size = vocabulary;
  writeFileSync(path.join(to, 'config.json'), JSON.stringify(config));
  copyFileSync(path.join(from, 'preprocessor_config.json'), path.join(to, 'preprocessor_config.json'));

  const weights = readFileSync(path.join(from, 'model.safetensors'));
  const start = 8 + Number(weights.readBigUInt64LE(0));
  const header = JSON.parse(weights.toString('utf8', 8, start));
  const name = Object.keys(header).find((key) => key.endsWith('word_embeddings.weight')) as string;
  const [, width] = header[name].shape;
  const end = weights.length - start;
  header[name].shape = [vocabulary, width];
  const [oldStart, oldEnd] = header[name].data_offsets;
  // the table moves to the end of the file, and what came after it to its place
  for (const tensor of Object.values<{ data_offsets?: [number, number] }>(header)) {
    if (tensor.data_offsets && tensor.data_offsets[0] >= oldEnd) {
      tensor.data_offsets = tensor.data_offsets.map((offset) => offset - (oldEnd - oldStart)) as [number, number];
    }
  }
  const rest = end - (oldEnd - oldStart);
  header[name].data_offsets = [rest, rest + 4 * vocabulary * width];
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = path.join(to, 'model.safetensors');
  writeFileSync(
    file,
    Buffer.concat([length, text, weights.subarray(start, start + oldStart), weights.subarray(start + oldEnd)]),
  );
  truncateSync(file, 8 + text.length + rest + 4 * vocabulary * width);
}

describe('demo', () => {
  it('is right about all twelve pictures and fits a screen', async () => {
    const { code, stdout } = await altclip(['demo']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/12 of 12 right, on (cpu|cuda|metal|vulkan)/);
    expect(stdout.match(/✓/g)).toHaveLength(12);
    const lines = stdout.split('\n');
    expect(lines.length).toBeLessThanOrEqual(24);
    for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(100);
  });
});
