// Two kinds of charts as SVG text: horizontal bars and curves. They stand on a card of their own, light in both of a
// page's colour schemes.

const ink = '#1f2933';
const faint = '#697586';
const rule = '#e6eaf0';
const width = 760;
const escaped = (text) => String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;');
const px = (value) => value.toFixed(1);

const text = (x, y, content, { size = 13, fill = ink, anchor = 'start', weight = 400 } = {}) =>
  `<text x="${px(x)}" y="${px(y)}" font-size="${size}" fill="${fill}" text-anchor="${anchor}" font-weight="${weight}">${escaped(content)}</text>`;

function card(height, { title, subtitle, note }, body) {
  const size = `width="${width}" height="${px(height)}" viewBox="0 0 ${width} ${px(height)}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" font-family="Inter, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif">`,
    `<title>${escaped(title)}</title>`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${px(height - 1)}" rx="10" fill="#fff" stroke="${rule}"/>`,
    text(24, 36, title, { size: 17, weight: 600 }),
    text(24, 56, subtitle, { fill: faint }),
    ...body,
    text(24, height - 14, note, { size: 11, fill: faint }),
    '</svg>\n',
  ].join('\n');
}

/** Some five round numbers from 0 to at least `most`. */
function ticks(most) {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

const figure = (value) => (value >= 1000 ? Math.round(value).toLocaleString('en') : Number(value.toPrecision(3)));

/**
 * A bar a row, with a whisker over its range.
 * @param {{ title: string, subtitle: string, note: string }} head
 * @param {{ label: string, colour: string, strong: boolean, value: number, low: number, high: number }[]} rows
 */
export function barChart(head, rows) {
  const [left, right, top, pitch, thickness] = [160, 80, 78, 28, 18];
  const scale = ticks(Math.max(...rows.map(({ high }) => high)));
  const x = (value) => left + ((width - left - right) * value) / scale.at(-1);
  const bottom = top + rows.length * pitch;
  const body = scale.flatMap((value) => [
    `<path d="M${px(x(value))} ${top - 6}V${bottom}" stroke="${rule}"/>`,
    text(x(value), bottom + 16, figure(value), { size: 11, fill: faint, anchor: 'middle' }),
  ]);
  rows.forEach(({ label, colour, strong, value, low, high }, i) => {
    const y = top + i * pitch;
    const middle = y + thickness / 2;
    body.push(
      text(left - 12, middle + 4.5, label, { anchor: 'end', weight: strong ? 600 : 400 }),
      `<rect x="${left}" y="${y}" width="${px(Math.max(1, x(value) - left))}" height="${thickness}" rx="3" fill="${colour}"/>`,
      `<path d="M${px(x(low))} ${middle}H${px(x(high))}M${px(x(low))} ${middle - 3}v6M${px(x(high))} ${middle - 3}v6" stroke="${ink}" stroke-opacity="0.45"/>`,
      text(x(high) + 8, middle + 4.5, figure(value), { weight: strong ? 600 : 400 }),
    );
  });
  return card(bottom + 48, head, body);
}

/** Moves labels apart, so that each has `gap` of its own. @param {{ y: number }[]} labels in the order of y */
function spread(labels, gap, lowest) {
  for (let i = 1; i < labels.length; ++i) labels[i].y = Math.max(labels[i].y, labels[i - 1].y + gap);
  for (let i = labels.length - 1, limit = lowest; i >= 0; --i, limit -= gap) labels[i].y = Math.min(labels[i].y, limit);
}

/**
 * Curves over a logarithmic x axis from a zero line, each named at its end.
 * @param {{ title: string, subtitle: string, note: string, x: string }} head
 * @param {{ label: string, colour: string, strong: boolean, points: [number, number][] }[]} curves
 */
export function lineChart(head, curves) {
  const [height, left, right, top, bottom] = [430, 64, 150, 84, 70];
  const xs = [...new Set(curves.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const scale = ticks(Math.max(...curves.flatMap(({ points }) => points.map(([, y]) => y))));
  const [first, last] = [Math.log(xs[0]), Math.log(xs.at(-1))];
  const x = (value) => left + ((width - left - right) * (Math.log(value) - first)) / (last - first);
  const y = (value) => height - bottom - ((height - top - bottom) * value) / scale.at(-1);
  const body = scale.flatMap((value) => [
    `<path d="M${left} ${px(y(value))}H${width - right}" stroke="${rule}"/>`,
    text(left - 10, y(value) + 4, figure(value), { size: 11, fill: faint, anchor: 'end' }),
  ]);
  for (const value of xs)
    body.push(text(x(value), height - bottom + 18, value, { size: 11, fill: faint, anchor: 'middle' }));
  body.push(
    text((left + width - right) / 2, height - bottom + 38, head.x, { size: 12, fill: faint, anchor: 'middle' }),
  );
  const labels = [];
  for (const { label, colour, strong, points } of curves) {
    const at = points.map(([a, b]) => [px(x(a)), px(y(b))]);
    const stroke = `stroke="${colour}" stroke-width="${strong ? 2.5 : 1.75}" stroke-linejoin="round"`;
    body.push(`<polyline points="${at.map((pair) => pair.join()).join(' ')}" fill="none" ${stroke}/>`);
    for (const [a, b] of at) body.push(`<circle cx="${a}" cy="${b}" r="${strong ? 3.5 : 3}" fill="${colour}"/>`);
    labels.push({ label, colour, strong, from: y(points.at(-1)[1]), y: y(points.at(-1)[1]) });
  }
  labels.sort((a, b) => a.y - b.y);
  spread(labels, 17, height - bottom);
  for (const { label, colour, strong, from, y: to } of labels) {
    const end = width - right;
    body.push(`<path d="M${end + 5} ${px(from)}L${end + 16} ${px(to)}" stroke="${colour}" stroke-opacity="0.5"/>`);
    body.push(text(end + 20, to + 4.5, label, { fill: colour, weight: strong ? 600 : 400 }));
  }
  return card(height, head, body);
}
