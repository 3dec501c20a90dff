/** What every `from_pretrained` takes, and the types that weights are loaded in. */
import type { NativeDType } from './native';

/** Progress of loading, shaped as transformers.js's events; `progress` is per cent, `loaded` and `total` are bytes. */
export type ProgressInfo =
  | { status: 'initiate' | 'download' | 'done'; name: string; file: string }
  | { status: 'progress'; name: string; file: string; progress: number; loaded: number; total: number }
  | { status: 'ready'; name: string };

export type ProgressCallback = (info: ProgressInfo) => void;

/** Options of every `from_pretrained`. */
export interface PretrainedOptions {
  /** Of several .gguf files in a folder, the one with this in its name. */
  dtype?: DType;
  /**
   * Where converted models are kept; default: ALTCLIP_CACHE, else the platform's place for caches. What comes from the
   * hub lies in the cache of huggingface_hub (HF_HUB_CACHE, HF_HOME).
   */
  cache_dir?: string;
  /** Branch, tag or commit of a hub id; default 'main'. */
  revision?: string;
  /** Never use the network: a hub id is looked up in the cache of huggingface_hub alone. HF_HUB_OFFLINE does the same. */
  local_files_only?: boolean;
  progress_callback?: ProgressCallback;
  signal?: AbortSignal;
}

/** Weight types a model can be loaded in; 'auto' keeps the checkpoint's own. */
export type DType = NativeDType | 'auto';

export const dtypes: readonly DType[] = [
  'auto',
  'f32',
  'f16',
  'bf16',
  'q8_0',
  'q6_k',
  'q5_k_m',
  'q5_k',
  'q4_k_m',
  'q4_k',
  'q4_0',
];
