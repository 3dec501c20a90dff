// Numbers of a measurement: medians with their spread.

/** @param {number[]} values @returns the middle one, or what lies between the two in the middle */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(values.length - 1) >> 1] + sorted[values.length >> 1]) / 2;
}

/** Three significant digits. */
export const rounded = (value) => Number(value.toPrecision(3));

/** @param {number[]} values @returns median, smallest and largest, and of how many */
export const summary = (values) => ({
  median: median(values),
  smallest: Math.min(...values),
  largest: Math.max(...values),
  n: values.length,
});

/** 1 - cosine of each row of two [n, dim] arrays: its mean and its worst. */
export function distance(a, b, n) {
  const dim = a.length / n;
  const rows = Array.from({ length: n }, (_, row) => {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = row * dim; i < (row + 1) * dim; ++i) {
      ab += a[i] * b[i];
      aa += a[i] * a[i];
      bb += b[i] * b[i];
    }
    return Math.max(0, 1 - ab / Math.sqrt(aa * bb));
  });
  return { mean: rows.reduce((sum, one) => sum + one, 0) / n, worst: Math.max(...rows) };
}
