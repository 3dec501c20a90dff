import { invalid } from '../errors';
import { shown } from '../tensor';

/** Pillow's filters under its numbers. */
const filters = { nearest: 0, lanczos: 1, bilinear: 2, bicubic: 3, box: 4, hamming: 5 } as const;
export type ResampleName = keyof typeof filters;

/** Pillow's number of a filter given by number or name (any case). @throws INVALID_ARGUMENT for any other. */
export function resampleNumber(resample: unknown, name = 'resample'): number {
  const number = typeof resample === 'string' ? filters[resample.toLowerCase() as ResampleName] : resample;
  if (Object.values<unknown>(filters).includes(number)) return number as number;
  const known = Object.entries(filters).map(([filter, value]) => `${value} ${filter}`);
  return invalid(`${name}: got ${shown(resample)}, expected ${known.join(', ')}`);
}
