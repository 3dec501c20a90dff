// altclip beside its peers: one machine, one run, the peers taking turns at every workload.
//
//   npm run bench -- [--quick] [--only images-8,texts] [--peers altclip,onnxruntime] [--threads 2,1] [--seconds 60]
//                    [--output FOLDER]
//
// bench/peers/setup.mjs says what is prepared and where. --only and --peers take parts of names. Each peer is a process
// of its own with one tower loaded, alive through all workloads of that tower. A workload's first round warms up; then
// all peers run once a round, in an order that moves on, until --seconds have passed or 15 rounds, at least 2. Figures
// are medians with the smallest and the largest; ratios are of medians. Results: results.json, results.md and SVG
// charts in FOLDER, or in the cache folder.
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { isMain, main } from '../scripts/steps.mjs';
import { writeCharts } from './charts.mjs';
import { distance, summary } from './figures.mjs';
import { machine } from './machine.mjs';
import { prepare } from './peers/setup.mjs';
import { Peer, peers } from './peers.mjs';
import { accuracyTable, ratioTable, workloadTable } from './report.mjs';
import { withInputs, workloads } from './workloads.mjs';

const mostRounds = 15;
const leastRounds = 2;
const accurate = 'PyTorch f32'; // what 1 - cosine is against
const accuracyFrom = { vision: 'images-8', text: 'texts-64-mixed' };

/** The peers' times at one workload, interleaved. */
async function measure(running, workload, inputs, seconds) {
  const times = new Map(running.map((peer) => [peer.id, []]));
  const memory = new Map();
  const features = new Map();
  const keep = workload.id === accuracyFrom[workload.tower];
  for (const peer of running) features.set(peer.id, (await peer.run(inputs, keep)).features);
  const start = performance.now();
  for (let round = 0; round < mostRounds; ++round) {
    if (round >= leastRounds && performance.now() - start > seconds * 1e3) break;
    for (let i = 0; i < running.length; ++i) {
      const peer = running[(i + round) % running.length];
      const { ms, rss } = await peer.run(inputs);
      times.get(peer.id).push(ms);
      memory.set(peer.id, Math.max(rss, memory.get(peer.id) ?? 0));
    }
  }
  const { id, title, kind, items, curve, lengths } = workload;
  return {
    result: {
      ...{ workload: id, title, kind, items, curve, tokens: lengths && Math.max(...lengths) },
      peers: Object.fromEntries(
        running.map((peer) => [peer.id, { ms: summary(times.get(peer.id)), peak_rss: memory.get(peer.id) }]),
      ),
    },
    accuracy: keep && features.has(accurate) ? againstReference(features, items) : {},
  };
}

function againstReference(features, items) {
  const reference = features.get(accurate);
  return Object.fromEntries([...features].map(([peer, values]) => [peer, distance(values, reference, items)]));
}

async function towerResults(tower, threads, selected, chosen, setup, seconds) {
  const running = [];
  const accuracy = {};
  const results = [];
  try {
    for (const peer of selected) running.push(await Peer.start(peer, { ...setup, tower, threads }));
    for (const workload of chosen) {
      const inputs = await withInputs(workload, path.join(setup.cache, 'inputs'));
      const measured = await measure(running, workload, inputs, seconds);
      results.push({ threads, tower, ...measured.result });
      Object.assign(accuracy, measured.accuracy);
      console.log(workloadTable(results.at(-1)));
    }
  } finally {
    for (const peer of running) peer.stop();
  }
  return { results, accuracy, loaded: Object.fromEntries(running.map(({ id, loaded }) => [id, loaded])) };
}

async function bench() {
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      peers: { type: 'string' },
      threads: { type: 'string' },
      seconds: { type: 'string' },
      output: { type: 'string' },
    },
  });
  const named = (list, id) => list.split(',').some((part) => id.toLowerCase().includes(part.trim().toLowerCase()));
  const select = (all, list, what) => {
    const chosen = all.filter((one) => (list ? named(list, one.id) : !options.quick || one.quick !== false));
    if (chosen.length === 0)
      throw new Error(`--${what} ${list}: expected parts of ${all.map(({ id }) => id).join(', ')}`);
    return chosen;
  };
  const selected = select(peers, options.peers, 'peers');
  const chosen = select(workloads, options.only, 'only');
  const cores = availableParallelism();
  const counts = (options.threads ?? (options.quick || cores < 2 ? `${Math.min(2, cores)}` : '2,1'))
    .split(',')
    .map(Number);
  if (!counts.every((n) => Number.isInteger(n) && n > 0))
    throw new Error(`--threads ${options.threads}: expected counts above 0`);
  const seconds = Number(options.seconds ?? (options.quick ? 6 : 90));

  const setup = prepare(selected);
  const report = {
    machine: machine(setup.cache),
    date: new Date().toISOString(),
    results: [],
    accuracy: {},
    loaded: {},
  };
  console.log(`${report.machine.cpu}, ${report.machine.addon}, load ${report.machine.load_average.join(' ')}\n`);
  for (const threads of counts) {
    for (const tower of ['vision', 'text']) {
      // a growth curve of one thread count says it all
      const here = chosen.filter((one) => one.tower === tower && (!one.curve || threads === counts[0]));
      if (here.length === 0) continue;
      const { results, accuracy, loaded } = await towerResults(tower, threads, selected, here, setup, seconds);
      report.results.push(...results);
      report.accuracy[tower] ??= accuracy;
      report.loaded[tower] ??= loaded;
    }
  }
  const summaryText = [ratioTable(report.results), accuracyTable(report.accuracy)].filter(Boolean).join('\n');
  console.log(summaryText);
  const output = path.resolve(options.output ?? path.join(setup.cache, 'results'));
  mkdirSync(output, { recursive: true });
  writeFileSync(path.join(output, 'results.json'), `${JSON.stringify(report, null, 2)}\n`);
  const tables = report.results.filter(({ curve }) => !curve).map(workloadTable);
  const heading = `${report.machine.cpu}; ${report.machine.addon}; ${report.date}`;
  writeFileSync(path.join(output, 'results.md'), [heading, summaryText, ...tables].join('\n\n'));
  writeCharts(report, output);
  console.log(`results and charts: ${output}`);
}

if (isMain(import.meta.url)) await main(bench);
