import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { throwIfAborted } from '../abort';
import { AltCLIPError, fromNative, invalid } from '../errors';
import { fileNames, isHubId } from '../hub/cache';
import { hubSnapshot } from '../hub/snapshot';
import { type NativeDType, type NativeHparams, native } from '../native';
import { dtypes, type PretrainedOptions, type ProgressInfo } from '../pretrained_options';
import { kindOf, shown } from '../tensor';
import {
  configFile,
  everyPart,
  filesOf,
  type Part,
  preprocessorFile,
  vocabularyFiles,
  weightFiles,
  weightsAmong,
} from './checkpoint_files';
import { convertedModel } from './conversion_cache';
import { demoFolder, demoId } from './demo_model';
import { withProgress } from './progress';

/** Where a model comes from: a GGUF file or a folder in Hugging Face's layout. */
export interface ModelSource {
  kind: 'gguf' | 'folder';
  path: string;
}

/**
 * What `id_or_path` names: an existing file or folder, 'demo', or a hub id, whose `parts` are downloaded where the cache
 * of huggingface_hub lacks them.
 * @throws IO where a path does not exist, HUB where an id cannot be had, INVALID_ARGUMENT for no string.
 */
export async function resolveSource(
  id_or_path: string,
  parts: readonly Part[],
  options: PretrainedOptions = {},
): Promise<ModelSource> {
  throwIfAborted(options.signal);
  if (typeof id_or_path !== 'string' || id_or_path === '') {
    invalid(`id_or_path: got ${id_or_path === '' ? "''" : kindOf(id_or_path)}, expected a file, a folder or a hub id`);
  }
  if (id_or_path === demoId) return { kind: 'gguf', path: path.join(demoFolder(), 'demo.gguf') };
  const found = await stat(id_or_path).catch(() => undefined);
  if (found?.isDirectory()) return { kind: 'folder', path: id_or_path };
  if (found) return { kind: 'gguf', path: id_or_path };
  if (isHubId(id_or_path) && !id_or_path.endsWith('.gguf')) {
    const dtype = options.dtype ?? 'auto';
    return { kind: 'folder', path: await hubSnapshot(id_or_path, parts, { ...options, dtype }) };
  }
  throw new AltCLIPError('IO', `${id_or_path}: no such file or folder`);
}

/** A GGUF file to load, and where it comes from. */
export interface ResolvedModel {
  file: string;
  source: ModelSource;
}

/**
 * The GGUF file to load for `id_or_path`: a .gguf file as it is; a folder's checkpoint is converted once into the cache.
 * @throws as {@link resolveSource}; MODEL_FORMAT for a folder without weights or a file that is no altclip GGUF;
 *   INVALID_ARGUMENT for an unknown dtype, or one that a .gguf file does not have.
 */
export async function resolveModel(id_or_path: string, options: PretrainedOptions = {}): Promise<ResolvedModel> {
  const dtype = options.dtype ?? 'auto';
  if (!dtypes.includes(dtype)) invalid(`dtype: got ${shown(dtype)}, expected ${dtypes.join(', ')}`);
  const source = await resolveSource(id_or_path, everyPart, options);
  if (source.kind === 'gguf') {
    if (dtype !== 'auto') await expectDType(source.path, dtype);
    return { file: source.path, source };
  }
  const weights = weightsAmong(await fileNames(source.path), dtype, source.path);
  if (!weights) {
    throw new AltCLIPError('MODEL_FORMAT', `${source.path}: no weights, expected ${weightFiles.join(', ')} or a .gguf`);
  }
  if (weights.endsWith('.gguf')) {
    const file = path.join(source.path, weights);
    if (dtype !== 'auto') await expectDType(file, dtype);
    return { file, source };
  }
  const progress = (info: ProgressInfo): void => options.progress_callback?.(info);
  const event = { name: id_or_path, file: weights };
  progress({ status: 'initiate', ...event });
  const file = await convertedModel(source.path, dtype, {
    cacheDir: options.cache_dir,
    signal: options.signal,
    onProgress: (loaded, total) =>
      progress({ status: 'progress', ...event, progress: total > 0 ? (100 * loaded) / total : 0, loaded, total }),
  });
  progress({ status: 'done', ...event });
  return { file, source };
}

/**
 * The file to read the tokenizer from: a folder's tokenizer.json, else its sentencepiece.bpe.model, else its .gguf; or
 * the GGUF file.
 * @throws as {@link resolveSource}; IO for a folder without any.
 */
export async function resolveTokenizerFile(id_or_path: string, options: PretrainedOptions = {}): Promise<string> {
  const { path: file } = await partOf(id_or_path, 'tokenizer', vocabularyFiles, options);
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
  const part = await partOf(id_or_path, 'preprocessor', [preprocessorFile], options);
  if (part.kind === 'folder') return readJson(part.path);
  const { preprocessor } = await fromNative(native.readModelFile(part.path));
  if (!preprocessor)
    throw new AltCLIPError('MODEL_FORMAT', `${part.path}: carries no image preprocessing (altclip.image.*)`);
  return preprocessor;
}

/**
 * config.json of a folder, or a GGUF file's hyper-parameters under the names of config.json. Where a tower was saved by
 * itself (AltCLIPTextModel.save_pretrained in Python), its configuration as that part of the whole.
 * @throws as {@link resolveSource}; IO or MODEL_FORMAT where there is none or it is no JSON object.
 */
export async function loadConfig(
  id_or_path: string,
  options: PretrainedOptions = {},
): Promise<Record<string, unknown>> {
  const part = await partOf(id_or_path, 'config', [configFile], options);
  if (part.kind === 'folder') {
    const config = await readJson(part.path);
    if (config.model_type === 'altclip_text_model') return { text_config: config };
    if (config.model_type === 'altclip_vision_model') return { vision_config: config };
    return config;
  }
  return configOf((await fromNative(native.readModelFile(part.path))).hparams);
}

/** The file that one part is read from: one of a folder's own (kind 'folder'), or a GGUF file. */
async function partOf(
  id_or_path: string,
  part: Part,
  expected: readonly string[],
  options: PretrainedOptions,
): Promise<ModelSource> {
  const source = await withProgress(options, (watched) => resolveSource(id_or_path, [part], watched));
  if (source.kind === 'gguf') return source;
  const [name] = filesOf(await fileNames(source.path), [part], options.dtype ?? 'auto', source.path);
  if (!name) {
    const [first, ...others] = [...expected, 'a .gguf'];
    throw new AltCLIPError(
      'IO',
      `${path.join(source.path, first as string)}: no such file, and no ${others.join(' or ')} in its place`,
    );
  }
  return { kind: name.endsWith('.gguf') ? 'gguf' : 'folder', path: path.join(source.path, name) };
}

function configOf(hparams: NativeHparams): Record<string, unknown> {
  const projection = hparams.projectionDim > 0 ? { projection_dim: hparams.projectionDim } : {};
  return {
    ...projection,
    logit_scale_init_value: hparams.logitScaleInitValue,
    text_config: snakeCase(hparams.text),
    vision_config: { ...snakeCase(hparams.vision), ...projection },
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
