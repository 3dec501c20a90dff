// altclip beside its peers: one machine, one run, the peers taking turns at every workload.
//
//   npm run bench -- [--quick] [--only images-8,texts] [--peers altclip,onnxruntime] [--threads 2,1] [--seconds 40]
//                    [--output FOLDER] [--add]
//
// bench/peers/setup.mjs says what is prepared and where. --only and --peers take names or parts of names. Each peer is a
// process of its own with one tower loaded, alive through all workloads of that tower. A workload's first round warms
// up, unless it takes longer than --seconds, when it counts; then all peers run once a round, in an order that moves on,
// until --seconds have passed or 15 rounds, at least 2. Figures are medians with the smallest and the largest; ratios
// are of medians. Growth curves, and what takes longest, are measured with the first number of threads alone, ggml's
// operators too. Results: results.json, results.md and SVG charts in FOLDER, or in the cache folder; --add keeps what is
// there.
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { isMain, main } from '../scripts/steps.mjs';
import { distance, summary } from './figures.mjs';
import { machine } from './machine.mjs';
import { prepare } from './peers/setup.mjs';
import { Peer, peers } from './peers.mjs';
import { workloadTable } from './report.mjs';
import { Results } from './results.mjs';
import { withInputs, workloads } from './workloads.mjs';

const mostRounds = 15;
const leastRounds = 2;
const accurate = 'PyTorch f32'; // what distances are to

/** The peers' times at one workload, interleaved. */
async function measure(running, workload, inputs, seconds) {
  const figures = new Map(running.map(({ id }) => [id, { times: [], peak_rss: 0 }]));
  const record = ({ id }, { ms, rss }) => {
    const figure = figures.get(id);
    figure.times.push(ms);
    figure.peak_rss = Math.max(figure.peak_rss, rss);
  };
  let start = performance.now();
  const compared = workload.kind !== 'jpegs'; // peers read and shrink those in their own ways
  const first = [];
  for (const peer of running) first.push(await peer.run(inputs, compared));
  if (performance.now() - start > seconds * 1e3) {
    for (const [i, peer] of running.entries()) record(peer, first[i]);
  } else {
    start = performance.now();
  }
  for (let round = 0; round < mostRounds; ++round) {
    const done = figures.get(running[0].id).times.length;
    if (done >= leastRounds && performance.now() - start > seconds * 1e3) break;
    for (let i = 0; i < running.length; ++i) {
      const peer = running[(i + round) % running.length];
      record(peer, await peer.run(inputs));
    }
  }
  const reference = first[running.findIndex(({ id }) => id === accurate)]?.features;
  return Object.fromEntries(
    running.map(({ id }, i) => {
      const { times, peak_rss } = figures.get(id);
      const near = reference && distance(first[i].features, reference, workload.items);
      return [id, { ms: summary(times), peak_rss, distance: near }];
    }),
  );
}

/** Everything about one tower with one number of threads. */
async function measureTower(tower, threads, selected, chosen, { setup, seconds, results }) {
  const running = [];
  try {
    for (const peer of selected) running.push(await Peer.start(peer, { ...setup, tower, threads }));
    results.setLoaded(tower, Object.fromEntries(running.map(({ id, loaded }) => [id, loaded])));
    for (const workload of chosen) {
      const inputs = await withInputs(workload, path.join(setup.cache, 'inputs'));
      const here = running.filter(({ id }) => !workload.main || selected.find((peer) => peer.id === id).main);
      if (here.length === 0) continue;
      const { id, title, kind, items, curve, lengths } = workload;
      const result = {
        workload: id,
        title,
        kind,
        items,
        curve,
        tokens: lengths && Math.max(...lengths),
        threads,
        tower,
      };
      result.peers = await measure(here, workload, inputs, seconds);
      results.put(result);
      console.log(workloadTable(result));
    }
  } finally {
    for (const peer of running) peer.stop();
  }
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
      add: { type: 'boolean', default: false },
    },
  });
  const select = (all, list, what) => {
    const names = all.map(({ id }) => id.toLowerCase());
    const parts = list?.split(',').map((part) => part.trim().toLowerCase());
    const named = (name) => parts.some((part) => (names.includes(part) ? name === part : name.includes(part)));
    const chosen = all.filter(({ id, quick }) => (parts ? named(id.toLowerCase()) : !options.quick || quick !== false));
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
  const seconds = Number(options.seconds ?? (options.quick ? 6 : 40));

  const setup = prepare(selected);
  const where = machine(setup.cache);
  const results = new Results(path.resolve(options.output ?? path.join(setup.cache, 'results')), where, options.add);
  console.log(`${where.cpu}, ${where.addon}, load ${where.load_average.join(' ')}\n`);
  for (const threads of counts) {
    const first = threads === counts[0];
    for (const tower of ['vision', 'text']) {
      const here = chosen.filter((one) => one.tower === tower && (first || !one.main));
      const sides = selected.filter(({ id }) => first || !id.startsWith('ggml'));
      if (here.length > 0) await measureTower(tower, threads, sides, here, { setup, seconds, results });
    }
  }
  console.log(results.summary());
  console.log(`results and charts: ${results.folder}`);
}

if (isMain(import.meta.url)) await main(bench);
