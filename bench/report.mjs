// Tables in Markdown, which terminals show readably too.

function table(head, rows) {
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const line = (row) =>
    `| ${row.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2))).join('|')}|`;
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n');
}

const withThreads = (n) => `${n} thread${n > 1 ? 's' : ''}`;
const megabytes = (bytes) => Math.round(bytes / 1e6);

/** One workload: milliseconds an item of every peer, and the peak of memory. */
export function workloadTable({ title, threads, items, peers }) {
  const rows = Object.entries(peers).map(([id, { ms, peak_rss }]) => [
    id,
    (ms.median / items).toFixed(1),
    `${(ms.smallest / items).toFixed(1)} to ${(ms.largest / items).toFixed(1)}`,
    ms.n,
    megabytes(peak_rss),
  ]);
  return `${title}, ${withThreads(threads)}\n\n${table(['', 'ms an item', 'range', 'n', 'peak MB'], rows)}\n`;
}

/** Ours, the fastest of those that it is held against, and how many times as fast it is to be. */
const comparisons = [
  { ours: 'altclip f32', others: ['onnxruntime f32', 'PyTorch f32', 'ggml f32'], bar: () => 1.2 },
  { ours: 'altclip bf16', others: ['PyTorch bf16'], bar: () => 1.15 },
  {
    ours: 'altclip q8_0',
    others: ['onnxruntime int8'],
    bar: ({ workload, kind }) => (workload.endsWith('mixed') ? 1.5 : kind === 'texts' ? undefined : 1.15),
  },
  { ours: 'altclip q8_0', others: ['ggml q8_0'] },
  { ours: 'altclip f16', others: ['altclip f32'], bar: () => 1 },
  { ours: 'altclip bf16', others: ['altclip f32'], bar: () => 1 },
  { ours: 'altclip q8_0', others: ['altclip f16', 'altclip bf16', 'altclip f32'], bar: () => 1 },
  { ours: 'altclip q4_k_m', others: ['altclip q8_0'], bar: () => 1 / 1.1 },
];

/** How many times as fast as the fastest of its peers each of ours is, a workload a row; (in brackets): below its bar. */
export function ratioTable(results) {
  const ratio = (result, { ours, others, bar }) => {
    const times = others.flatMap((id) => (result.peers[id] ? [result.peers[id].ms.median] : []));
    if (!result.peers[ours] || times.length === 0) return '';
    const value = Math.min(...times) / result.peers[ours].ms.median;
    return value < (bar?.(result) ?? 0) ? `(${value.toFixed(2)})` : value.toFixed(2);
  };
  const whole = results.filter(({ curve }) => !curve);
  const used = comparisons.filter((one) => whole.some((result) => ratio(result, one)));
  if (used.length === 0) return '';
  const short = (id, ours) =>
    id.startsWith('altclip') ? id.replace('altclip ', '') : id.replace(` ${ours.split(' ')[1]}`, '');
  const head = [
    'times as fast',
    ...used.map(
      ({ ours, others }) => `${ours.replace('altclip ', '')} : ${others.map((id) => short(id, ours)).join(', ')}`,
    ),
  ];
  const rows = whole.map((one) => [
    `${one.title}, ${withThreads(one.threads)}`,
    ...used.map((pair) => ratio(one, pair)),
  ]);
  return `${table(head, rows)}\n`;
}

/** Each peer's distance to PyTorch f32, from the workload of most items that has it. */
export function accuracyTable(results) {
  const best = {};
  for (const { tower, items, peers } of results) {
    for (const [id, { distance }] of Object.entries(peers)) {
      best[id] ??= {};
      if (distance && items >= (best[id][tower]?.items ?? 0)) best[id][tower] = { ...distance, items };
    }
  }
  const known = Object.entries(best).filter(([, towers]) => Object.keys(towers).length > 0);
  if (known.length === 0) return '';
  const figure = (one) => (one ? `${one.mean.toExponential(1)} (${one.worst.toExponential(1)})` : '');
  const rows = known.map(([id, { vision, text }]) => [id, figure(vision), figure(text)]);
  return `${table(['1 - cosine to PyTorch f32, mean (worst)', 'images', 'texts'], rows)}\n`;
}

/** @param {Record<string, Record<string, { load_ms: number, rss: number }>>} loaded by tower and peer */
export function loadTable(loaded) {
  const ids = [...new Set(Object.values(loaded).flatMap((tower) => Object.keys(tower)))];
  if (ids.length === 0) return '';
  const cells = (one) => (one ? [Math.round(one.load_ms), megabytes(one.rss)] : ['', '']);
  const rows = ids.map((id) => [id, ...cells(loaded.vision?.[id]), ...cells(loaded.text?.[id])]);
  return `${table(['loading one tower', 'image, ms', 'resident MB', 'text, ms', 'resident MB'], rows)}\n`;
}

/** Growth curves as tables: a peer a row. */
export function curveTables(results) {
  const most = Math.max(...results.map(({ threads }) => threads));
  const curve = (title, wanted, x, y) => {
    const chosen = results.filter((one) => one.threads === most && wanted(one)).sort((a, b) => x(a) - x(b));
    if (chosen.length < 2) return '';
    const ids = Object.keys(chosen[0].peers).filter((id) => chosen.every(({ peers }) => peers[id]));
    return `${table(
      [title, ...chosen.map(x)],
      ids.map((id) => [id, ...chosen.map((one) => y(one, id))]),
    )}\n`;
  };
  const images = ({ kind }) => kind === 'images';
  const items = (one) => one.items;
  const perItem = (one, id) => (one.peers[id].ms.median / one.items).toFixed(0);
  return [
    curve('ms an image, over images in a call', images, items, perItem),
    curve('peak MB, over images in a call', images, items, (one, id) => megabytes(one.peers[id].peak_rss)),
    curve(
      'ms a text, over tokens',
      ({ workload }) => /^texts-1x/.test(workload),
      (one) => one.tokens,
      perItem,
    ),
  ];
}
