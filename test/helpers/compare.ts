/** How far two arrays are apart. */
export interface Difference {
  maxAbs: number;
  cosine: number;
}

export function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): Difference {
  if (actual.length !== expected.length) throw new Error(`lengths ${actual.length} and ${expected.length}`);
  let maxAbs = 0;
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < actual.length; i++) {
    const a = actual[i] as number;
    const b = expected[i] as number;
    const apart = Math.abs(a - b);
    if (!(apart <= maxAbs)) maxAbs = Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart;
    dot += a * b;
    aa += a * a;
    bb += b * b;
  }
  return { maxAbs, cosine: dot / Math.sqrt(aa * bb) };
}
