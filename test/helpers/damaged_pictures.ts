import { readdirSync, readFileSync } from 'node:fs';
import { fixture, readJson } from './fixtures';

/** A picture file and what was done to it; undamaged where `source` is set: the number of its file. */
export interface Damaged {
  bytes: Uint8Array;
  source: number | undefined;
}

/** Small picture files of every format. */
export function smallPictures(): Uint8Array[] {
  const folder = fixture('images', 'files');
  const files = readdirSync(folder).map((name) => readFileSync(`${folder}/${name}`));
  const cases = readJson<{ file: string }[]>('images', 'decode_cases.json');
  return [...files, ...cases.map(({ file }) => Buffer.from(file, 'base64'))].filter(({ length }) => length < 60_000);
}

/** `count` pictures: every fifth whole, the others cut, flipped, with numbers at limits, spliced, with parts repeated. */
export function* damagedPictures(pictures: Uint8Array[], count: number, seed: number): Generator<Damaged> {
  let state = seed;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const limits = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 60000, 0x7fffffff, 0x80000000, 0xffffffff];
  const damages: ((bytes: Buffer) => Buffer)[] = [
    (bytes) => bytes.subarray(0, below(bytes.length)),
    (bytes) => {
      for (let i = below(12) + 1; i > 0; i--) bytes[below(bytes.length)] = below(256);
      return bytes;
    },
    (bytes) => {
      for (let i = below(3) + 1; i > 0; i--) {
        const value = limits[below(limits.length)] as number;
        const at = below(Math.min(bytes.length, 200) - 4);
        if (below(2)) bytes.writeUInt32BE(value, at);
        else bytes.writeUInt16LE(value & 0xffff, at);
      }
      return bytes;
    },
    (bytes) => {
      const other = pictures[below(pictures.length)] as Uint8Array;
      return Buffer.concat([bytes.subarray(0, below(bytes.length)), other.subarray(below(other.length))]);
    },
    (bytes) => {
      const [a, b] = [below(bytes.length), below(bytes.length)];
      return Buffer.concat([bytes.subarray(0, Math.max(a, b)), bytes.subarray(Math.min(a, b))]);
    },
  ];
  for (let i = 0; i < count; i++) {
    const source = below(pictures.length);
    const bytes = Buffer.from(pictures[source] as Uint8Array);
    const damage = damages[below(damages.length)] as (bytes: Buffer) => Buffer;
    yield i % 5 === 0 ? { bytes, source } : { bytes: damage(bytes), source: undefined };
  }
}
