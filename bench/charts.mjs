// Charts of a run as SVG files: bars over the workloads, curves over batch size, tokens and threads.
import { writeFileSync } from 'node:fs';
import path from 'node:path';

const colours = {
  altclip: ['#0b5fa5', '#3b8fd4', '#7db8e8', '#12406b', '#4ac0c0'],
  ggml: ['#8a8a8a', '#b0b0b0', '#5f5f5f'],
  onnxruntime: ['#c46a12', '#eaa45c'],
  PyTorch: ['#b2332b', '#e08079'],
};

/** Peers of one make share a hue. */
function colourOf(id, ids) {
  const make = id.split(' ')[0];
  return colours[make][ids.filter((one) => one.startsWith(make)).indexOf(id) % colours[make].length];
}

const text = (x, y, content, rest = '') => `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${rest}>${content}</text>`;

function svg(width, height, title, body) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#222">`,
    `<title>${title}</title><rect width="100%" height="100%" fill="#fff"/>`,
    text(16, 24, title, 'font-size="15" font-weight="bold"'),
    ...body,
    '</svg>\n',
  ].join('\n');
}

/** A horizontal bar a peer: milliseconds an item, a whisker from the smallest to the largest. */
function barChart({ title, threads, items, peers }) {
  const ids = Object.keys(peers);
  const [left, right, row] = [130, 90, 22];
  const width = 720;
  const most = Math.max(...ids.map((id) => peers[id].ms.largest / items));
  const at = (value) => left + ((width - left - right) * value) / most;
  const body = ids.flatMap((id, i) => {
    const [middle, low, high] = ['median', 'smallest', 'largest'].map((key) => peers[id].ms[key] / items);
    const y = 44 + i * row;
    return [
      text(left - 8, y + 12, id, 'text-anchor="end"'),
      `<rect x="${left}" y="${y}" width="${(at(middle) - left).toFixed(1)}" height="15" fill="${colourOf(id, ids)}"/>`,
      `<path d="M${at(low).toFixed(1)} ${y + 7.5}H${at(high).toFixed(1)}" stroke="#222"/>`,
      text(at(high) + 6, y + 12, middle.toPrecision(3)),
    ];
  });
  return svg(width, 56 + ids.length * row, `${title}: ms an item, ${threads} thread${threads > 1 ? 's' : ''}`, body);
}

/** Curves over a logarithmic x axis; `points`: [x, y] by peer. */
function lineChart(title, xLabel, points) {
  const [width, height, left, right, top, bottom] = [720, 400, 60, 150, 44, 46];
  const ids = Object.keys(points);
  const xs = [...new Set(ids.flatMap((id) => points[id].map(([x]) => x)))].sort((a, b) => a - b);
  const most = Math.max(...ids.flatMap((id) => points[id].map(([, y]) => y)));
  const [first, last] = [Math.log(xs[0]), Math.log(xs.at(-1))];
  const x = (value) => left + ((width - left - right) * (Math.log(value) - first)) / (last - first);
  const y = (value) => height - bottom - ((height - top - bottom) * value) / most;
  const body = [0, 0.25, 0.5, 0.75, 1].flatMap((part) => [
    `<path d="M${left} ${y(part * most).toFixed(1)}H${width - right}" stroke="#ddd"/>`,
    text(left - 8, y(part * most) + 4, (part * most).toPrecision(3), 'text-anchor="end"'),
  ]);
  for (const value of xs) body.push(text(x(value), height - bottom + 18, value, 'text-anchor="middle"'));
  body.push(text((left + width - right) / 2, height - 8, xLabel, 'text-anchor="middle"'));
  ids.forEach((id, i) => {
    const colour = colourOf(id, ids);
    const line = points[id].map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(' ');
    body.push(`<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const [a, b] of points[id])
      body.push(`<circle cx="${x(a).toFixed(1)}" cy="${y(b).toFixed(1)}" r="3" fill="${colour}"/>`);
    body.push(text(width - right + 14, top + 12 + i * 18, id, `fill="${colour}"`));
  });
  return svg(width, height, title, body);
}

/** The points of a curve from the results that `wanted` picks; undefined where they make no line. */
function curve(results, wanted, x, y) {
  const chosen = results.filter(wanted).sort((a, b) => x(a) - x(b));
  if (new Set(chosen.map(x)).size < 2) return undefined;
  const ids = Object.keys(chosen[0].peers).filter((id) => chosen.every(({ peers }) => peers[id]));
  return Object.fromEntries(ids.map((id) => [id, chosen.map((one) => [x(one), y(one, id)])]));
}

/** Writes every chart that the results have the figures for into `folder`. */
export function writeCharts({ results }, folder) {
  const write = (name, content) => writeFileSync(path.join(folder, `${name}.svg`), content);
  for (const one of results.filter(({ curve: point }) => !point))
    write(`${one.workload}-${one.threads}-threads`, barChart(one));
  const most = Math.max(...results.map(({ threads }) => threads));
  const perItem = ({ items, peers }, id) => peers[id].ms.median / items;
  const batch = (one) => one.threads === most && one.kind === 'images';
  const lines = {
    'time-over-batch': ['ms an image', 'images in a call', curve(results, batch, ({ items }) => items, perItem)],
    'memory-over-batch': [
      'peak memory, MB',
      'images in a call',
      curve(
        results,
        batch,
        ({ items }) => items,
        ({ peers }, id) => peers[id].peak_rss / 2 ** 20,
      ),
    ],
    'time-over-tokens': [
      'ms a text',
      'tokens',
      curve(
        results,
        (one) => one.threads === most && /^texts-1x/.test(one.workload),
        ({ tokens }) => tokens,
        perItem,
      ),
    ],
    'time-over-threads': [
      'ms an image, 8 in a call',
      'threads',
      curve(
        results,
        ({ workload }) => workload === 'images-8',
        ({ threads }) => threads,
        perItem,
      ),
    ],
  };
  for (const [name, [title, label, points]] of Object.entries(lines))
    if (points) write(name, lineChart(title, label, points));
}
