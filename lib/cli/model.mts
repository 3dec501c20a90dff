/** The options that pick and load a model, the same for every command. */

import { checkDevice, type DeviceName } from '../devices.js';
import { type DType, dtypes, type ProgressInfo } from '../pretrained_options.js';
import { UsageError } from './arguments.mjs';
import { Progress, size } from './terminal.mjs';

/** The embedded model. */
export const DEFAULT_MODEL = 'demo';

export const modelOptions = {
  model: { type: 'string', short: 'm' },
  dtype: { type: 'string' },
  device: { type: 'string' },
} as const;

/** The lines of --help that explain {@link modelOptions}. */
export const modelHelp = `  -m, --model M       a .gguf file, a Hugging Face folder, or an id of its hub
                      (default: demo)
      --dtype D       weights of a converted folder: f32, f16, bf16, q8_0, q6_k,
                      q5_k, q4_k, q4_0, q5_k_m, q4_k_m; default: as they are
      --device D      cpu, cuda, metal, vulkan, cuda:1, ...; default: fastest
                      that works (altclip devices lists them)`;

/** @throws {UsageError} where `value` is no weight type */
export function dtypeOf(value = 'auto'): DType {
  const dtype = dtypes.find((known) => known === value);
  if (!dtype) throw new UsageError(`--dtype: expected one of ${dtypes.join(', ')}, got '${value}'`);
  return dtype;
}

/** @throws {UsageError} where `value` names no device anywhere */
export function deviceOf(value = 'auto'): DeviceName {
  try {
    checkDevice(value);
  } catch (error) {
    throw new UsageError(`--${(error as Error).message}`);
  }
  return value;
}

/**
 * Runs `load` with the options of from_pretrained; a folder that is converted first shows how far it is.
 * @param load gets dtype, signal and progress_callback
 */
export async function loading<T>(
  dtype: string | undefined,
  signal: AbortSignal,
  load: (options: { dtype: DType; signal: AbortSignal; progress_callback: (info: ProgressInfo) => void }) => Promise<T>,
): Promise<T> {
  let progress = new Progress('converting');
  const progress_callback = (info: ProgressInfo) => {
    if (info.status === 'initiate') progress = new Progress('converting');
    if (info.status === 'download') progress = new Progress('downloading');
    if (info.status === 'progress') progress.update(info.loaded, info.total, size(info.total));
    if (info.status === 'done') progress.end();
  };
  try {
    return await load({ dtype: dtypeOf(dtype), signal, progress_callback });
  } finally {
    progress.end();
  }
}
