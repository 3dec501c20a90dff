// What calls cost beside their arithmetic: waking, merging, aborting, sharing, the event loop, idling, memory.
//
//   node bench/engine.mjs [--dtype q8_0] [--packed] [--threads N] [--only abort,memory] [--json FILE]
//
// Two models: one so small that a call's time is all overhead, and a full-size one with random weights, made once into
// the cache folder of the bench. Every section is a process of its own. Bars are those that the engine is built to.
import { fork } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { main } from '../scripts/steps.mjs';
import { median, rounded } from './figures.mjs';
import { machine } from './machine.mjs';
import { cacheFolder } from './peers/setup.mjs';

const { AltCLIPConfig, AltCLIPModel, AltCLIPTextConfig, AltCLIPVisionConfig, Tensor } = createRequire(import.meta.url)(
  '../dist/index.js',
);
const { native } = createRequire(import.meta.url)('../dist/native.js');

/** ViT-L/14 and XLM-R-large. */
const large = {
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  project_dim: 768,
};
const small = {
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 1,
  num_attention_heads: 1,
  vocab_size: 1000,
  project_dim: 32,
};

const configOf = (size, image, patch_size) =>
  AltCLIPConfig.from_text_vision_configs(
    new AltCLIPTextConfig(size),
    new AltCLIPVisionConfig({ ...size, image_size: image, patch_size }),
    { projection_dim: size.project_dim },
  );
const tiny = (threads) => AltCLIPModel.from_config(configOf(small, 32, 16), { num_threads: threads });

async function fullSizeFile(dtype, packed) {
  const name = `${dtype}${packed ? '-packed' : ''}.gguf`;
  const [peers, output] = ['', 'engine-'].map((prefix) => path.join(cacheFolder(), 'gguf', prefix + name));
  if (existsSync(peers)) return peers;
  if (existsSync(output)) return output;
  mkdirSync(path.dirname(output), { recursive: true });
  console.error(`making a random model: ${output}`);
  const source = { config: configOf(large, 224, 14).to_json_string(), seed: 7 };
  await native.convertModel({ source, output: `${output}.part`, dtype, packed, name: 'random' });
  renameSync(`${output}.part`, output);
  return output;
}

const text = (tokens, i = 0) => ({
  input_ids: [Array.from({ length: tokens }, (_, j) => 4 + ((i * 79 + j * 101) % 900))],
});
const batch = (items, tokens) => ({ input_ids: Array.from({ length: items }, (_, i) => text(tokens, i).input_ids[0]) });
const noise = (items, side) => ({
  pixel_values: new Tensor(
    'float32',
    Float32Array.from({ length: items * 3 * side * side }, (_, i) => 2 * Math.sin(i * 12.9898)),
    [items, 3, side, side],
  ),
});
/** 4,200 tokens all over the token table: all of its pages where it is q8_0, as the system reads 64 kB at a time. */
const manyTokens = () => ({
  input_ids: Array.from({ length: 60 }, (_, i) => Array.from({ length: 70 }, (_, j) => ((i * 70 + j) * 59) % 250002)),
});
const time = async (run) => {
  const start = performance.now();
  await run();
  return performance.now() - start;
};
const times = async (n, run) => {
  const all = [];
  for (let i = 0; i < n; ++i) all.push(await time(run));
  return all;
};

/** Bytes of the process that are in memory, without what JavaScript has done with. */
const resident = async () => {
  for (let i = 0; i < 3; ++i) {
    globalThis.gc();
    await sleep(10);
  }
  return process.memoryUsage.rss();
};

/** Each gives figures: `{ what, value, unit, bar }`, at most `bar`, or at least where `atLeast`. */
const sections = {
  async overhead({ threads }) {
    const model = await tiny(threads);
    await times(500, () => model.get_text_features(text(1)));
    const value = median(await times(3000, () => model.get_text_features(text(1))));
    return [{ what: 'a call that computes next to nothing, whole', value, unit: 'ms', bar: 0.2 }];
  },

  async loading({ file, threads }) {
    const start = performance.now(); // since the process began
    const model = await AltCLIPModel.from_pretrained(file, { num_threads: threads });
    const loaded = performance.now();
    await model.get_text_features(text(8));
    const answered = performance.now();
    return [
      { what: 'loading', value: loaded - start, unit: 'ms' },
      { what: 'from the start of the process to the first text', value: answered, unit: 'ms', bar: 1500 },
      {
        what: 'the first picture after that',
        value: await time(() => model.get_image_features(noise(1, 224))),
        unit: 'ms',
      },
      { what: 'the second picture', value: await time(() => model.get_image_features(noise(1, 224))), unit: 'ms' },
    ];
  },

  async loading_image({ file, threads }) {
    const model = await AltCLIPModel.from_pretrained(file, { num_threads: threads });
    await model.get_image_features(noise(1, 224));
    return [{ what: 'from the start of the process to the first picture', value: performance.now(), unit: 'ms' }];
  },

  async merging({ file, threads }) {
    const model = await AltCLIPModel.from_pretrained(file, { num_threads: threads });
    const calls = Array.from({ length: 64 }, (_, i) => text(12, i));
    const explicit = [];
    const concurrent = [];
    for (let round = 0; round < 4; ++round) {
      explicit.push(await time(() => model.get_text_features(batch(64, 12))));
      concurrent.push(await time(() => Promise.all(calls.map((one) => model.get_text_features(one)))));
    }
    const value = (100 * median(explicit.slice(1))) / median(concurrent.slice(1));
    return [
      { what: '64 calls of one text, of the throughput of one call of 64', value, unit: '%', bar: 90, atLeast: true },
    ];
  },

  async event_loop({ file, threads }) {
    const model = await AltCLIPModel.from_pretrained(file, { num_threads: threads });
    const [texts, images] = [Array.from({ length: 64 }, (_, i) => text(12, i)), noise(8, 224)];
    const p99 = async (run) => {
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      await run();
      delay.disable();
      return delay.percentile(99) / 1e6 - 1; // the histogram holds the time between ticks of a timer of 1 ms
    };
    const work = () =>
      Promise.all([...texts.map((one) => model.get_text_features(one)), model.get_image_features(images)]);
    const unit = 'ms';
    return [
      { what: 'event-loop delay without work, p99: what the machine adds', value: await p99(() => sleep(3000)), unit },
      { what: 'event-loop delay under full load, p99', value: await p99(work), unit, bar: 10 },
    ];
  },

  async abort({ file, threads }) {
    const model = await AltCLIPModel.from_pretrained(file, { num_threads: threads });
    const images = noise(32, 224);
    const settled = [];
    const free = [];
    for (const seconds of [1, 1.3, 1.7, 2.2, 2.6]) {
      const controller = new AbortController();
      const call = model.get_image_features({ ...images, signal: controller.signal }).catch((error) => error);
      await sleep(1000 * seconds);
      const start = performance.now();
      controller.abort();
      const { code } = await call;
      settled.push(performance.now() - start);
      if (code !== 'ABORTED') throw new Error(`the call ended with ${code}, expected ABORTED`);
      await model.get_text_features(text(1));
      free.push(performance.now() - start);
    }
    const alone = median(await times(5, () => model.get_text_features(text(1))));
    const ready = Math.max(0, ...free.map((value) => value - alone));
    return [
      { what: 'abort in 32 images: until the call rejects, worst', value: Math.max(...settled), unit: 'ms', bar: 150 },
      { what: 'abort in 32 images: until the engine is free, worst', value: ready, unit: 'ms', bar: 150 },
    ];
  },

  async idle({ file, threads }) {
    const model = await AltCLIPModel.from_pretrained(file, { num_threads: threads });
    await model.get_text_features(batch(4, 12));
    await sleep(200);
    const before = process.cpuUsage();
    await sleep(2000);
    const { user, system } = process.cpuUsage(before);
    return [{ what: 'CPU time in 2 s without work', value: (user + system) / 1e3, unit: 'ms', bar: 10 }];
  },

  async memory({ file, threads }) {
    const before = await resident();
    const model = await AltCLIPModel.from_pretrained(file, { num_threads: threads });
    const peak = 1024 * process.resourceUsage().maxRSS;
    const loaded = await resident();
    await model.get_image_features(noise(8, 224));
    const worked = await resident();
    await model.get_text_features(manyTokens());
    const read = await resident();
    const size = statSync(file).size;
    const row = (what, bytes, bar) => ({ what, value: bytes / 1e6, unit: 'MB', bar });
    return [
      row('resident after loading, beyond the file', loaded - before - size, 120),
      row('the most while loading, beyond the file', peak - before - size, 120),
      row('the work buffer: resident after a full batch, beyond that', worked - loaded),
      row('in use (4,200 different tokens), beyond file and buffer', read - before - size - (worked - loaded), 120),
    ];
  },

  async leak() {
    const model = await tiny(1);
    const residentAfter = async (calls) => {
      for (let i = 0; i < calls; ++i) await model.get_text_features(text(4, i));
      return (await resident()) / 1e6;
    };
    const start = await residentAfter(3000);
    return [
      {
        what: 'growth of resident memory in 10,000 calls',
        value: (await residentAfter(10_000)) - start,
        unit: 'MB',
        bar: 5,
      },
    ];
  },

  async two_models({ file, threads }) {
    const options = { num_threads: threads };
    const models = [
      await AltCLIPModel.from_pretrained(file, options),
      await AltCLIPModel.from_pretrained(file, options),
    ];
    const together = [];
    const apart = [];
    for (let round = 0; round < 4; ++round) {
      apart.push(
        await time(async () => {
          for (const one of models) await one.get_text_features(batch(32, 12));
        }),
      );
      together.push(await time(() => Promise.all(models.map((one) => one.get_text_features(batch(32, 12))))));
    }
    const value = median(together.slice(1)) / median(apart.slice(1));
    return [{ what: 'two models at once, beside one after the other', value, unit: 'x', bar: 1.05 }];
  },
};

const script = fileURLToPath(import.meta.url);

/** Runs a section in a process of its own. */
function measured(name, settings) {
  // V8's young generation and glibc's thresholds held small: what grows then is what is kept
  const options = ['leak', 'memory'].includes(name) ? { execArgv: ['--expose-gc', '--max-semi-space-size=1'] } : {};
  return new Promise((resolve, reject) => {
    const child = fork(script, ['--section', name, JSON.stringify(settings)], options);
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`${name}: the measured process ended with code ${code}`)));
  });
}

async function bench() {
  const { values: options } = parseArgs({
    options: {
      dtype: { type: 'string', default: 'q8_0' },
      packed: { type: 'boolean', default: false },
      threads: { type: 'string', default: '0' },
      only: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const names = options.only?.split(',') ?? Object.keys(sections);
  const unknown = names.find((name) => !(name in sections));
  if (unknown) throw new Error(`--only ${unknown}: expected ${Object.keys(sections).join(', ')}`);
  const settings = { file: await fullSizeFile(options.dtype, options.packed), threads: Number(options.threads) };
  for await (const _ of createReadStream(settings.file)); // into the system's cache
  const report = { machine: machine(cacheFolder()), ...options, rows: [] };
  console.log(`${report.machine.cpu}, ${report.machine.addon}, load ${report.machine.load_average.join(' ')}`);
  for (const name of names) {
    for (const { what, value, unit, bar, atLeast = false } of await measured(name, settings)) {
      const verdict = bar === undefined ? '' : (atLeast ? value >= bar : value <= bar) ? 'met' : 'MISSED';
      report.rows.push({ section: name, what, value: rounded(value), unit, bar, verdict });
      const target = bar === undefined ? '' : `bar: ${atLeast ? 'at least' : 'at most'} ${bar} ${unit}, ${verdict}`;
      console.log(`${what.padEnd(66)} ${String(rounded(value)).padStart(7)} ${unit.padEnd(3)} ${target}`);
    }
  }
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
}

if (process.argv[2] === '--section') {
  process.send(await sections[process.argv[3]](JSON.parse(process.argv[4])), () => process.exit());
} else {
  await main(bench);
}
