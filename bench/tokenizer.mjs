// Loading and throughput of the tokenizer beside SentencePiece's C++ and @huggingface/tokenizers, in one run; beside
// SentencePiece by kind of text too.
//
//   npm install --prefix PEERS --ignore-scripts @huggingface/tokenizers@0.2.0
//   node bench/tokenizer.mjs --peers PEERS [--python PYTHON] [--repeat 9] [--loads 11] [--json FILE]
//
// PYTHON has sentencepiece; without it that peer is left out. The sides take turns at one batch, so that whatever else
// the machine does hits all. SentencePiece encodes the batch in one call on one thread; what the same call takes for as
// many empty strings, Python's share, is taken off. A side's time is that of its fastest round, which no other load of the
// machine falls into; loads are medians.
import { execFileSync, fork, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { median, rounded } from './figures.mjs';
import { writeVocabularyCheckpoint } from './vocabulary_checkpoint.mjs';

const require = createRequire(import.meta.url);
const script = fileURLToPath(import.meta.url);
const fixtures = path.join(path.dirname(script), '..', 'test', 'fixtures');
const { XLMRobertaTokenizer } = require('../dist/index.js');

const timed = async (run) => {
  const start = performance.now();
  await run();
  return performance.now() - start;
};

/** Memory of this process that no file backs, in MB; all of it where the system does not tell. */
function privateMegabytes() {
  try {
    return Number(/RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
  } catch {
    return process.memoryUsage.rss() / 2 ** 20;
  }
}

/** In a process of its own: what the first load takes, and its memory. */
async function load(file) {
  const before = privateMegabytes();
  const milliseconds = await timed(() => XLMRobertaTokenizer.from_file(file));
  process.send({ milliseconds, megabytes: privateMegabytes() - before });
}

/** First loads in `repeat` fresh processes. */
async function firstLoads(file, repeat) {
  const all = [];
  for (let i = 0; i < repeat; ++i) {
    const child = fork(script, ['--load', file]);
    all.push(await new Promise((resolve, reject) => child.once('message', resolve).once('error', reject)));
  }
  const milliseconds = all.map((one) => one.milliseconds);
  return {
    median_milliseconds: rounded(median(milliseconds)),
    worst_milliseconds: rounded(Math.max(...milliseconds)),
    megabytes: rounded(median(all.map((one) => one.megabytes))),
  };
}

/** A GGUF file of the vocabulary as `altclip convert` writes it, made in `folder`. */
function convertedVocabulary(folder, tokenizerJson) {
  const checkpoint = path.join(folder, 'checkpoint');
  mkdirSync(checkpoint);
  writeFileSync(path.join(checkpoint, 'tokenizer.json'), JSON.stringify(tokenizerJson));
  writeVocabularyCheckpoint(checkpoint, tokenizerJson.model.vocab.length);
  const gguf = path.join(folder, 'vocabulary.gguf');
  const cli = path.join(path.dirname(script), '..', 'dist', 'cli', 'main.mjs');
  execFileSync(process.execPath, [cli, 'convert', checkpoint, gguf, '--dtype', 'f32', '--tower', 'text']);
  return gguf;
}

const sentencepiece = `
import json, sys, time, sentencepiece
processor = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])
batches = json.load(open(sys.argv[2], encoding='utf-8'))
def timed(batch):
    start = time.perf_counter()
    processor.encode(batch, num_threads=1)
    return (time.perf_counter() - start) * 1e3
for line in sys.stdin:
    texts = batches[line.strip()]
    empty = [''] * len(texts)
    print(timed(texts) - min(timed(empty) for _ in range(5)), flush=True)
`;

/** A function that has the Python process encode a batch, by its name in the file, once: milliseconds. */
function sentencepieceSide(python, model, batches) {
  const child = spawn(python, ['-c', sentencepiece, model, batches], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const run = async (name) => {
    child.stdin.write(`${name}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error(`${python} ended; has it sentencepiece?`);
    return Number(value);
  };
  return { run, end: () => child.stdin.end() };
}

const scripts = {
  Latin: ['en', 'de', 'fr', 'es', 'it', 'pt', 'nl', 'pl', 'tr', 'vi'],
  'Cyrillic and Greek': ['ru', 'uk', 'el'],
  CJK: ['zh', 'ja', 'ko'],
  'Arabic and Hebrew': ['ar', 'fa', 'he'],
  'Thai and Indic': ['th', 'hi', 'bn', 'ta'],
};

/** Texts for which a tokenizer may take longer than their length: what they repeat. */
const adversaries = { a: 'a', 'one long word': 'internationalisation', spaces: ' ', CJK: '一只橘猫趴在窗台上晒太阳' };

/** About 60 KB of each kind of text. */
function kindsOf(rows) {
  const sentences = rows.map((row) => row.split('\t').at(-1));
  const filled = (texts) => {
    const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    return Array.from({ length: Math.ceil(6e4 / bytes) }, () => texts).flat();
  };
  const kinds = {};
  for (const [name, languages] of Object.entries(scripts)) {
    kinds[name] = sentences.filter((_, i) => languages.includes(rows[i].split('\t')[0]));
  }
  // one sentence of every eighth line: some six languages in one text
  kinds.mixed = Array.from({ length: 8 }, (_, i) => sentences.filter((_, k) => k % 8 === i).join(' '));
  kinds['long words'] = sentences.map((text) => text.replaceAll(' ', ''));
  return Object.fromEntries(Object.entries(kinds).map(([name, texts]) => [name, filled(texts)]));
}

/** Megabytes of UTF-8. */
function megabytesOf(texts) {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6;
}

/** Each kind of text beside SentencePiece, taking turns. */
async function byKind(kinds, repeat, tokenizer, python) {
  const result = {};
  for (const [name, texts] of Object.entries(kinds)) {
    const [ours, theirs] = [[], []];
    for (let round = -1; round < repeat; ++round) {
      const mine = await timed(() => tokenizer(texts, { return_tensor: false }));
      const other = await python.run(name);
      if (round < 0) continue;
      ours.push(mine);
      theirs.push(other);
    }
    result[name] = {
      altclip_megabytes_per_second: rounded((megabytesOf(texts) / Math.min(...ours)) * 1e3),
      sentencepiece_megabytes_per_second: rounded((megabytesOf(texts) / Math.min(...theirs)) * 1e3),
      altclip_is_times_as_fast: rounded(Math.min(...theirs) / Math.min(...ours)),
    };
  }
  return result;
}

async function main() {
  const { values: options } = parseArgs({
    options: {
      peers: { type: 'string' },
      python: { type: 'string' },
      repeat: { type: 'string', default: '9' },
      loads: { type: 'string', default: '11' },
      json: { type: 'string' },
    },
  });
  if (!options.peers) throw new Error('--peers: expected the folder that @huggingface/tokenizers is installed in');
  const repeat = Number(options.repeat);
  const folder = mkdtempSync(path.join(tmpdir(), 'altclip-bench-'));
  try {
    const unpacked = (name) => {
      const file = path.join(folder, name);
      writeFileSync(file, gunzipSync(readFileSync(path.join(fixtures, 'tokenizer', `${name}.gz`))));
      return file;
    };
    const model = unpacked('sentencepiece.bpe.model');
    const tokenizerJson = JSON.parse(readFileSync(unpacked('tokenizer.json'), 'utf8'));
    const config = JSON.parse(readFileSync(path.join(fixtures, 'tokenizer', 'tokenizer_config.json'), 'utf8'));
    const gguf = convertedVocabulary(folder, tokenizerJson);
    const loading = await firstLoads(gguf, Number(options.loads));

    const rows = readFileSync(path.join(fixtures, 'inputs', 'sentences.tsv'), 'utf8')
      .trim()
      .split('\n');
    const sentences = rows.map((row) => row.split('\t').at(-1));
    const batch = Array.from({ length: 20 }, () => sentences).flat();
    const megabytes = megabytesOf(batch);
    const kinds = kindsOf(rows);
    const batches = path.join(folder, 'batches.json');
    writeFileSync(batches, JSON.stringify({ ...kinds, all: batch }));

    const tokenizer = await XLMRobertaTokenizer.from_file(gguf);
    const { Tokenizer } = createRequire(path.resolve(options.peers, 'package.json'))('@huggingface/tokenizers');
    const peer = new Tokenizer(tokenizerJson, config);
    const python = options.python ? sentencepieceSide(options.python, model, batches) : undefined;
    const sides = {
      'altclip, numbers': () => timed(() => tokenizer(batch, { return_tensor: false })),
      'altclip, padded tensors': () => timed(() => tokenizer(batch, { padding: true })),
      '@huggingface/tokenizers': () => timed(() => batch.map((text) => peer.encode(text))),
      ...(python ? { 'SentencePiece C++': () => python.run('all') } : {}),
    };
    const times = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
    for (let round = -1; round < repeat; ++round) {
      for (const [name, run] of Object.entries(sides)) {
        const milliseconds = await run();
        if (round >= 0) times[name].push(milliseconds); // the first round warms up
      }
    }
    const kindFigures = python && (await byKind(kinds, repeat, tokenizer, python));
    python?.end();

    const long = {};
    for (const [name, unit] of Object.entries(adversaries)) {
      const text = unit.repeat(Math.ceil(1e6 / unit.length));
      const milliseconds = async (length) => {
        const part = text.slice(0, length);
        const times = [];
        for (let i = 0; i < 3; ++i) times.push(await timed(() => tokenizer.encode(part)));
        return rounded(Math.min(...times));
      };
      long[name] = {
        '100,000': await milliseconds(1e5),
        '300,000': await milliseconds(3e5),
        '1,000,000': await milliseconds(1e6),
      };
    }

    const ours = Math.min(...times['altclip, numbers']);
    const throughput = Object.entries(times).map(([side, all]) => ({
      side,
      megabytes_per_second: rounded((megabytes / Math.min(...all)) * 1e3),
      altclip_is_times_as_fast: rounded(Math.min(...all) / ours),
    }));
    const report = {
      cpu: cpus()[0]?.model,
      node: process.version,
      load_from_gguf: loading,
      texts: batch.length,
      throughput,
      by_kind_of_text: kindFigures,
      milliseconds_by_characters: long,
    };
    console.log(`${report.cpu}, Node ${report.node}`);
    console.log(`loading 250,002 tokens from GGUF, ${options.loads} fresh processes; MB beyond the mapped file`);
    console.table(report.load_from_gguf);
    console.log(`${batch.length} sentences of 24 languages, ${rounded(megabytes * 1e3)} KB`);
    console.table(throughput);
    if (kindFigures) console.table(kindFigures);
    console.log('milliseconds by the characters of one text');
    console.table(long);
    if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[2] === '--load') await load(process.argv[3]);
else await main();
