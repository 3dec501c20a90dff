// Time of both towers, our kernels beside ggml's own operators: the same file, the same machine, the same run.
//
//   node bench/towers.mjs [--dtype q8_0] [--model FILE.gguf] [--threads N] [--repeat 5] [--json FILE]
//
// Without --model: ViT-L/14 and XLM-R-large with random weights, made once into the system's temporary folder (0.9 GB as
// q8_0, 3.5 GB as f32). Each side is a process of its own; they take turns at every workload, so that whatever else the
// machine does hits both. Figures are medians with the smallest and largest, ratios are of medians.
import { fork } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const script = fileURLToPath(import.meta.url);

/** Items a workload encodes: images, or texts of so many tokens each. */
const workloads = [
  { name: '1 image', kind: 'image', items: 1 },
  { name: '8 images', kind: 'image', items: 8 },
  { name: '1 text of 12 tokens', kind: 'text', items: 1, tokens: () => 12 },
  { name: '32 texts of 12 tokens', kind: 'text', items: 32, tokens: () => 12 },
  { name: '64 texts of 4 to 77 tokens', kind: 'text', items: 64, tokens: (i) => 4 + ((i * 37) % 74) },
];
const sides = { altclip: {}, ggml: { ALTCLIP_KERNELS: 'ggml' } };

async function serve() {
  const { AltCLIPModel, Tensor } = require('../dist/index.js');
  const [file, threads] = process.argv.slice(3);
  const model = await AltCLIPModel.from_pretrained(file, { num_threads: Number(threads) });
  const { image_size: side, num_channels: channels } = model.config.vision_config;
  const vocabulary = model.config.text_config.vocab_size;
  const noise = (i) => Math.sin(i * 12.9898) * 2;
  const run = {
    image({ items }) {
      const pixels = Float32Array.from({ length: items * channels * side * side }, (_, i) => noise(i));
      const pixel_values = new Tensor('float32', pixels, [items, channels, side, side]);
      return () => model.get_image_features({ pixel_values });
    },
    text({ items, tokens }) {
      const lengths = Array.from({ length: items }, (_, i) => tokens(i));
      const columns = Math.max(...lengths);
      const rows = (value) => lengths.map((n, i) => Array.from({ length: columns }, (_, j) => value(i, j, j < n)));
      const input_ids = rows((i, j, real) => (real ? 4 + ((i * 7919 + j * 104729) % (vocabulary - 5)) : 1));
      const attention_mask = rows((_, __, real) => Number(real));
      return () => model.get_text_features({ input_ids, attention_mask });
    },
  };
  const prepared = workloads.map((one) => run[one.kind](one));
  process.on('message', async (index) => {
    const start = process.hrtime.bigint();
    await prepared[index]();
    process.send(Number(process.hrtime.bigint() - start) / 1e6);
  });
  process.send('ready');
}

/** A child and a function that has it run a workload once: milliseconds. */
async function start(file, threads, env) {
  const child = fork(script, ['--serve', file, String(threads)], { env: { ...process.env, ...env } });
  const answer = () =>
    new Promise((resolve, reject) => {
      child.once('message', resolve);
      child.once('exit', (code) => reject(new Error(`the measured process ended with code ${code}`)));
    });
  await answer();
  return {
    stop: () => child.kill(),
    measure(index) {
      child.removeAllListeners('exit');
      child.send(index);
      return answer();
    },
  };
}

async function randomModel(dtype) {
  const { AltCLIPConfig, AltCLIPTextConfig, AltCLIPVisionConfig } = require('../dist/index.js');
  const { native } = require('../dist/native.js');
  const output = path.join(tmpdir(), `altclip-bench-${dtype}.gguf`);
  if (existsSync(output)) return output;
  console.error(`making a random model: ${output}`);
  const text = new AltCLIPTextConfig();
  const vision = new AltCLIPVisionConfig({
    hidden_size: 1024,
    intermediate_size: 4096,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    patch_size: 14,
  });
  const config = AltCLIPConfig.from_text_vision_configs(text, vision).to_json_string();
  await native.convertModel({ source: { config, seed: 7 }, output, dtype, name: 'random' });
  return output;
}

const sorted = (values) => [...values].sort((a, b) => a - b);
const median = (values) => sorted(values)[values.length >> 1];

async function main() {
  const { values } = parseArgs({
    options: {
      dtype: { type: 'string', default: 'q8_0' },
      model: { type: 'string' },
      threads: { type: 'string', default: '2' },
      repeat: { type: 'string', default: '5' },
      json: { type: 'string' },
    },
  });
  const { native } = require('../dist/native.js');
  const file = values.model ?? (await randomModel(values.dtype));
  const machine = {
    cpu: cpus()[0].model,
    cores: cpus().length,
    threads: Number(values.threads),
    addon: native.systemInfo(),
  };
  console.log(`${path.basename(file)}, ${machine.threads} threads, ${machine.cpu}, ${machine.addon}`);
  const running = {};
  for (const [side, env] of Object.entries(sides)) running[side] = await start(file, machine.threads, env);

  const results = [];
  for (const [index, { name, items }] of workloads.entries()) {
    const times = Object.fromEntries(Object.keys(sides).map((side) => [side, []]));
    for (let round = 0; round <= Number(values.repeat); round++) {
      for (const side of Object.keys(sides)) {
        const time = await running[side].measure(index);
        if (round > 0) times[side].push(time); // the first is for warming up
      }
    }
    const perItem = (side) => {
      const all = sorted(times[side]).map((time) => time / items);
      return { median: median(all), smallest: all[0], largest: all.at(-1) };
    };
    const result = { workload: name, altclip: perItem('altclip'), ggml: perItem('ggml') };
    results.push({ ...result, ratio: result.ggml.median / result.altclip.median });
    const figures = (one) =>
      `${one.median.toFixed(1).padStart(8)} (${one.smallest.toFixed(1)} to ${one.largest.toFixed(1)})`;
    console.log(
      `${name.padEnd(28)} altclip ${figures(result.altclip).padEnd(28)} ggml ${figures(result.ggml).padEnd(28)} ms an item, ` +
        `${results.at(-1).ratio.toFixed(2)}x`,
    );
  }
  for (const one of Object.values(running)) one.stop();
  if (values.json)
    writeFileSync(values.json, `${JSON.stringify({ file: path.basename(file), machine, results }, null, 2)}\n`);
}

await (process.argv[2] === '--serve' ? serve() : main());
