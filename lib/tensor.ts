import { AltCLIPError, invalid } from './errors';

/** Element type -> its typed array: float32 Float32Array, int64 BigInt64Array, uint8 and bool Uint8Array. */
export interface TensorDataMap {
  float32: Float32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}
export type TensorType = keyof TensorDataMap;
