// Tables in Markdown, which terminals show readably too.

function table(head, rows) {
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const line = (row) =>
    `| ${row.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2))).join('|')}|`;
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n');
}

/** One workload: milliseconds an item of every peer, and the peak of memory. */
export function workloadTable({ title, threads, items, peers }) {
  const rows = Object.entries(peers).map(([id, { ms, peak_rss }]) => [
    id,
    (ms.median / items).toFixed(2),
    `${(ms.smallest / items).toFixed(2)} to ${(ms.largest / items).toFixed(2)}`,
    ms.n,
    Math.round(peak_rss / 2 ** 20),
  ]);
  const plural = threads === 1 ? 'thread' : 'threads';
  return `${title}, ${threads} ${plural}\n\n${table(['', 'ms an item', 'range', 'n', 'peak MB'], rows)}\n`;
}

/** The comparisons that matter: ours, and the fastest of those that it is held against. */
const comparisons = [
  { ours: 'altclip f32', others: ['onnxruntime f32', 'PyTorch f32', 'ggml f32'] },
  { ours: 'altclip bf16', others: ['PyTorch bf16'] },
  { ours: 'altclip f16', others: ['altclip f32'] },
  { ours: 'altclip bf16', others: ['altclip f32'] },
  { ours: 'altclip q8_0', others: ['onnxruntime int8'] },
  { ours: 'altclip q8_0', others: ['ggml q8_0'] },
  { ours: 'altclip q8_0', others: ['altclip f16', 'altclip bf16', 'altclip f32'] },
  { ours: 'altclip q4_k_m', others: ['altclip q8_0'] },
];

/** How many times as fast as the fastest of its peers each of ours is, a workload a row. */
export function ratioTable(results) {
  const ratio = ({ peers }, { ours, others }) => {
    const times = others.flatMap((id) => (peers[id] ? [peers[id].ms.median] : []));
    return peers[ours] && times.length > 0 ? (Math.min(...times) / peers[ours].ms.median).toFixed(2) : '';
  };
  const used = comparisons.filter((one) => results.some((result) => ratio(result, one)));
  if (used.length === 0) return '';
  const head = [
    'times as fast',
    ...used.map(({ ours, others }) => `${ours} : ${others.length > 1 ? 'best of ' : ''}${others.join(', ')}`),
  ];
  return `${table(
    head,
    results.map((one) => [`${one.title}, ${one.threads} thr.`, ...used.map((pair) => ratio(one, pair))]),
  )}\n`;
}

/** @param {Record<string, Record<string, { mean: number, worst: number }>>} accuracy by tower and peer */
export function accuracyTable(accuracy) {
  const ids = [...new Set(Object.values(accuracy).flatMap((tower) => Object.keys(tower)))];
  if (ids.length === 0) return '';
  const figure = (one) => (one ? `${one.mean.toExponential(1)} (${one.worst.toExponential(1)})` : '');
  const rows = ids.map((id) => [id, figure(accuracy.vision?.[id]), figure(accuracy.text?.[id])]);
  return `${table(['1 - cosine to PyTorch f32, mean (worst)', 'images', 'texts'], rows)}\n`;
}
