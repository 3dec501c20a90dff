import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { throwIfAborted } from './abort';
import { convertedModel } from './conversion_cache';
import { AltCLIPError, fromNative, invalid } from './errors';
import { hubSnapshot, isHubId } from './hub_cache';
import { type NativeDType, type NativeHparams, native } from './native';
import { kindOf } from './tensor';

/** Progress of loading, shaped as transformers.js's events; `progress` is per cent, `loaded` and `total` are bytes. */
export type ProgressInfo =
  | { status: 'initiate' | 'done'; name: string; file: string }
  | { status: 'progress'; name: string; file: string; progress: number; loaded: number; total: number }
  | { status: 'ready'; name: string };

export type ProgressCallback = (info: ProgressInfo) => void;

/** Options of every `from_pretrained`. */
export interface PretrainedOptions {
  /** Where converted models are kept; default: ALTCLIP_CACHE, else the platform's place for caches. */
  cache_dir?: string;
  /** Branch, tag or commit of a hub id; default 'main'. */
  revision?: string;
  /** Never use the network. Nothing does yet: a hub id is looked up in the local cache of huggingface_hub. */
  local_files_only?: boolean;
  progress_callback?: ProgressCallback;
  signal?: AbortSignal;
}

/** Weight types a model can be loaded in; 'auto' keeps the checkpoint's own. */
export type DType = NativeDType | 'auto';

export const dtypes: readonly DType[] = ['auto', 'f32', 'f16', 'bf16', 'q8_0'];

/** The id of the small model that comes with the package. */
export const demoId = 'demo';
const demoFile = path.join(__dirname, '..', 'models', 'demo.gguf');

const weightFiles = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
];
const tokenizerFiles = ['tokenizer.json', 'sentencepiece.bpe.model'];

/** Where a model comes from: a GGUF file or a folder in Hugging Face's layout. */
export interface ModelSource {
  kind: 'gguf' | 'folder';
  path: string;
}

/**
 * What `id_or_path` names: an existing file or folder, 'demo', or a hub id in the local cache.
 * @throws IO where a path does not exist, HUB where an id is not in the cache, INVALID_ARGUMENT for no string.
 */
export async function resolveSource(id_or_path: string, options: PretrainedOptions = {}): Promise<ModelSource> {
  throwIfAborted(options.signal);
  if (typeof id_or_path !== 'string' || id_or_path === '') {
    invalid(`id_or_path: got ${id_or_path === '' ? "''" : kindOf(id_or_path)}, expected a file, a folder or a hub id`);
  }
  if (id_or_path === demoId) return { kind: 'gguf', path: demoFile };
  const found = await stat(id_or_path).catch(() => undefined);
  if (found?.isDirectory()) return { kind: 'folder', path: id_or_path };
  if (found) return { kind: 'gguf', path: id_or_path };
  if (isHubId(id_or_path) && !id_or_path.endsWith('.gguf')) {
    return { kind: 'folder', path: await hubSnapshot(id_or_path, options.revision) };
  }
  throw new AltCLIPError('IO', `${id_or_path}: no such file or folder`);
}

/**
 * The GGUF file to load for `id_or_path`: a .gguf file as it is; a folder's checkpoint is converted once into the cache.
 * @throws as {@link resolveSource}; MODEL_FORMAT for a folder without weights or a file that is no altclip GGUF;
 *   INVALID_ARGUMENT for an unknown dtype, or one that a .gguf file does not have.
 */
export async function resolveModel(
  id_or_path: string,
  options: PretrainedOptions & { dtype?: DType } = {},
): Promise<string> {
  const dtype = options.dtype ?? 'auto';
  if (!dtypes.includes(dtype)) invalid(`dtype: got ${JSON.stringify(dtype)}, expected ${dtypes.join(', ')}`);
  const source = await resolveSource(id_or_path, options);
  const progress = (info: ProgressInfo): void => options.progress_callback?.(info);
  if (source.kind === 'gguf') {
    if (dtype !== 'auto') await expectDType(source.path, dtype);
    return source.path;
  }
  const weights = await firstOf(source.path, weightFiles);
  if (!weights) {
    throw new AltCLIPError('MODEL_FORMAT', `${source.path}: no weights, expected ${weightFiles.join(', ')}`);
  }
  const event = { name: id_or_path, file: path.basename(weights) };
  progress({ status: 'initiate', ...event });
  const file = await convertedModel(source.path, dtype, {
    cacheDir: options.cache_dir,
    signal: options.signal,
    onProgress: (loaded, total) =>
      progress({ status: 'progress', ...event, progress: total > 0 ? (100 * loaded) / total : 0, loaded, total }),
  });
  progress({ status: 'done', ...event });
  return file;
}

/**
 * The file to read the tokenizer from: a folder's tokenizer.json, else its sentencepiece.bpe.model; or the GGUF file.
 * @throws as {@link resolveSource}; IO for a folder without either.
 */
export async function resolveTokenizerFile(id_or_path: string, options: PretrainedOptions = {}): Promise<string> {
  const source = await resolveSource(id_or_path, options);
  if (source.kind === 'gguf') return source.path;
  const file = await firstOf(source.path, tokenizerFiles);
  if (!file) throw new AltCLIPError('IO', `${source.path}: no tokenizer, expected ${tokenizerFiles.join(' or ')}`);
  return file;
}

/**
 * preprocessor_config.json of a folder, or what a GGUF file carries of it.
 * @throws as {@link resolveSource}; IO or MODEL_FORMAT where there is none or it is no JSON object.
 */
export async function loadPreprocessorConfig(
  id_or_path: string,
  options: PretrainedOptions = {},
): Promise<Record<string, unknown>> {
  const source = await resolveSource(id_or_path, options);
  if (source.kind === 'folder') return readJson(path.join(source.path, 'preprocessor_config.json'));
  const { preprocessor } = await fromNative(native.readModelFile(source.path));
  if (!preprocessor)
    throw new AltCLIPError('MODEL_FORMAT', `${source.path}: carries no image preprocessing (altclip.image.*)`);
  return preprocessor;
}

/**
 * config.json of a folder, or a GGUF file's hyper-parameters under the names of config.json.
 * @throws as {@link resolveSource}; IO or MODEL_FORMAT where there is none or it is no JSON object.
 */
export async function loadConfig(
  id_or_path: string,
  options: PretrainedOptions = {},
): Promise<Record<string, unknown>> {
  const source = await resolveSource(id_or_path, options);
  if (source.kind === 'folder') return readJson(path.join(source.path, 'config.json'));
  return configOf((await fromNative(native.readModelFile(source.path))).hparams);
}

function configOf(hparams: NativeHparams): Record<string, unknown> {
  return {
    projection_dim: hparams.projectionDim,
    logit_scale_init_value: hparams.logitScaleInitValue,
    text_config: snakeCase(hparams.text),
    vision_config: { ...snakeCase(hparams.vision), projection_dim: hparams.projectionDim },
  };
}

function snakeCase(values: object = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), value]),
  );
}

async function expectDType(file: string, dtype: NativeDType): Promise<void> {
  const found = (await fromNative(native.readModelFile(file))).dtype;
  if (found !== dtype) {
    invalid(`dtype: got ${dtype}, but ${file} holds ${found}; leave dtype out or convert the original checkpoint`);
  }
}

async function firstOf(folder: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    const file = path.join(folder, name);
    if ((await stat(file).catch(() => undefined))?.isFile()) return file;
  }
  return undefined;
}

async function readJson(file: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new AltCLIPError('IO', `${file}: cannot be read: ${(cause as Error).message}`, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new AltCLIPError('MODEL_FORMAT', `${file}: is not valid JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AltCLIPError('MODEL_FORMAT', `${file}: holds ${kindOf(value)}, expected a JSON object`);
  }
  return value as Record<string, unknown>;
}
