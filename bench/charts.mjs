// Charts of a run as SVG files: bars for each workload, curves over batch size, tokens and threads.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { barChart, lineChart } from './svg.mjs';

/** Ours in blues and greens, others in the colours of warning; the darker, the more bits. */
const colours = {
  'altclip f32': '#0b3d91',
  'altclip f16': '#2a6fdb',
  'altclip bf16': '#5b97ee',
  'altclip q8_0': '#0f9d8a',
  'altclip q4_k_m': '#5cc9a7',
  'ggml f32': '#5f6b7a',
  'ggml f16': '#8c97a5',
  'ggml q8_0': '#b4bdc9',
  'onnxruntime f32': '#c2570c',
  'onnxruntime int8': '#f0a04b',
  'PyTorch f32': '#b4232f',
  'PyTorch bf16': '#e2767f',
};
const look = (id) => ({ label: id, colour: colours[id] ?? '#666', strong: id.startsWith('altclip') });
const withThreads = (n) => `${n} thread${n > 1 ? 's' : ''}`;

function bars({ title, threads, items, peers }, cpu) {
  const unit = items > 1 ? 'Milliseconds an item' : 'Milliseconds';
  const head = {
    title,
    subtitle: `${unit}, ${withThreads(threads)}: shorter is faster`,
    note: `${cpu}. Bars are medians, whiskers the fastest and the slowest of the runs.`,
  };
  const rows = Object.entries(peers).map(([id, { ms }]) => {
    const [value, low, high] = [ms.median, ms.smallest, ms.largest].map((one) => one / items);
    return { ...look(id), value, low, high };
  });
  return barChart(head, rows);
}

/** The points of a curve a peer that has all of them, from the results that `wanted` picks; none where they make no line. */
function curves(results, { wanted, x, y }) {
  const chosen = results.filter(wanted).sort((a, b) => x(a) - x(b));
  if (new Set(chosen.map(x)).size < 2) return [];
  const ids = Object.keys(chosen[0].peers).filter((id) => chosen.every(({ peers }) => peers[id]));
  return ids.map((id) => ({ ...look(id), points: chosen.map((one) => [x(one), y(one, id)]) }));
}

const perItem = ({ items, peers }, id) => peers[id].ms.median / items;

/** @param {number} most the largest number of threads measured */
const growth = (most) => ({
  'time-over-batch': {
    title: 'Milliseconds an image, over images in a call',
    xLabel: 'images in a call',
    wanted: (one) => one.threads === most && one.kind === 'images',
    x: ({ items }) => items,
    y: perItem,
  },
  'memory-over-batch': {
    title: 'Peak of resident memory in MB, over images in a call',
    xLabel: 'images in a call',
    wanted: (one) => one.threads === most && one.kind === 'images',
    x: ({ items }) => items,
    y: ({ peers }, id) => peers[id].peak_rss / 1e6,
  },
  'time-over-tokens': {
    title: 'Milliseconds a text, over its tokens',
    xLabel: 'tokens',
    wanted: (one) => one.threads === most && /^texts-1x/.test(one.workload),
    x: ({ tokens }) => tokens,
    y: perItem,
  },
  'time-over-threads': {
    title: 'Milliseconds an image of 8 in a call, over threads',
    xLabel: 'threads',
    wanted: ({ workload }) => workload === 'images-8',
    x: ({ threads }) => threads,
    y: perItem,
  },
});

/** Writes every chart that the results have the figures for into `folder`. */
export function writeCharts({ results, machine }, folder) {
  const write = (name, content) => writeFileSync(path.join(folder, `${name}.svg`), content);
  for (const one of results.filter(({ curve }) => !curve))
    write(`${one.workload}-${one.threads}-threads`, bars(one, machine.cpu));
  const most = Math.max(...results.map(({ threads }) => threads));
  for (const [name, { title, xLabel, ...chart }] of Object.entries(growth(most))) {
    const lines = curves(results, chart);
    const subtitle = `${name.endsWith('threads') ? '' : `${withThreads(most)}: `}lower is better`;
    const note = `${machine.cpu}. Medians.`;
    if (lines.length > 0) write(name, lineChart({ title, subtitle, note, x: xLabel }, lines));
  }
}
