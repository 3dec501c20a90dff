import { readFileSync } from 'node:fs';
import { Tensor } from '../../lib/tensor';

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
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
