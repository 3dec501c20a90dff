import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Tensor } from '../../lib/tensor';

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** A tensor as a file holds it. */
export interface StoredTensor {
  dtype: string;
  shape: number[];
  bytes: Buffer;
}

/** Every tensor of a folder's safetensors files. */
export function readCheckpoint(folder: string): Map<string, StoredTensor> {
  const all = new Map<string, StoredTensor>();
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.safetensors'))) {
    const bytes = readFileSync(path.join(folder, file));
    const begin = 8 + Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, begin)) as Record<string, Entry>;
    for (const [name, { dtype, shape, data_offsets: at }] of Object.entries(header)) {
      if (name !== '__metadata__') all.set(name, { dtype, shape, bytes: bytes.subarray(begin + at[0], begin + at[1]) });
    }
  }
  return all;
}

/** Writes `folder`/model.safetensors. */
export function writeCheckpoint(folder: string, tensors: Map<string, StoredTensor>): void {
  let at = 0;
  const header = [...tensors].map(([name, { dtype, shape, bytes }]) => {
    at += bytes.length;
    return [name, { dtype, shape, data_offsets: [at - bytes.length, at] }];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const parts = [length, json, ...[...tensors.values()].map(({ bytes }) => bytes)];
  writeFileSync(path.join(folder, 'model.safetensors'), Buffer.concat(parts));
}

/** Every tensor of a safetensors file; F32, I64 and U8, the types the goldens hold. */
export function readSafetensors(file: string): Record<string, Tensor> {
  const bytes = readFileSync(file);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<string, Entry>;
  const tensors: Record<string, Tensor> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const [start, end] = entry.data_offsets;
    const data = Uint8Array.from(bytes.subarray(8 + headerLength + start, 8 + headerLength + end));
    tensors[name] = tensorOf(entry, data);
  }
  return tensors;
}

function tensorOf({ dtype, shape }: Entry, data: Uint8Array): Tensor {
  if (dtype === 'F32') return new Tensor('float32', new Float32Array(data.buffer), shape);
  if (dtype === 'I64') return new Tensor('int64', new BigInt64Array(data.buffer), shape);
  if (dtype === 'U8') return new Tensor('uint8', data, shape);
  throw new Error(`safetensors: dtype ${dtype}`);
}
