import { readFileSync } from 'node:fs';

/** A tensor of a GGUF file; shape in Python's order, without the trailing ones GGUF drops. */
export interface GgufTensor {
  type: 'f32' | 'f16' | 'bf16' | 'q8_0';
  shape: number[];
  bytes: Buffer;
}

const tensorTypes = { 0: 'f32', 1: 'f16', 8: 'q8_0', 30: 'bf16' } as const;
const blockBytes = { f32: 4, f16: 2, bf16: 2, q8_0: 34 } as const;

/** Every tensor and key of a GGUF file (version 3), read by the format's specification and nothing of the library. */
export function readGguf(file: string): { keys: Map<string, unknown>; tensors: Map<string, GgufTensor> } {
  const buffer = readFileSync(file);
  let at = 8;
  const take = (length: number): Buffer => {
    at += length;
    return buffer.subarray(at - length, at);
  };
  const u32 = (): number => take(4).readUInt32LE();
  const u64 = (): number => Number(take(8).readBigUInt64LE());
  const string = (): string => take(u64()).toString('utf8');
  const value = (type: number): unknown => {
    if (type === 0 || type === 1 || type === 7) return take(1)[0];
    if (type === 4 || type === 5) return u32();
    if (type === 6) return take(4).readFloatLE();
    if (type === 8) return string();
    if (type === 12) return take(8).readDoubleLE();
    if (type !== 9) throw new Error(`value type ${type}`);
    const element = u32();
    return Array.from({ length: u64() }, () => value(element));
  };

  const nTensors = u64();
  const nKeys = u64();
  const keys = new Map(Array.from({ length: nKeys }, () => [string(), value(u32())] as const));
  const infos = Array.from({ length: nTensors }, () => {
    const name = string();
    const shape = Array.from({ length: u32() }, u64).reverse();
    return { name, shape, type: tensorTypes[u32() as keyof typeof tensorTypes], offset: u64() };
  });
  const begin = Math.ceil(at / 32) * 32;
  const tensors = new Map<string, GgufTensor>();
  for (const { name, shape, type, offset } of infos) {
    const elements = shape.reduce((n, dimension) => n * dimension, 1);
    const length = (type === 'q8_0' ? elements / 32 : elements) * blockBytes[type];
    tensors.set(name, { type, shape, bytes: buffer.subarray(begin + offset, begin + offset + length) });
  }
  return { keys, tensors };
}
