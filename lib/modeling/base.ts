import { mkdtemp, realpath, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { abortable, throwIfAborted } from '../abort';
import { Callable } from '../callable';
import { AltCLIPConfig, type PreTrainedConfig } from '../configuration';
import { checkDevice, type DeviceName, type Placement, placements } from '../devices';
import { AltCLIPError, fromNative, invalid } from '../errors';
import { makeCacheFolder } from '../loading/conversion_cache';
import { loadConfig, resolveModel } from '../loading/loading';
import { withProgress } from '../loading/progress';
import { type NativeAddon, type NativeDType, type NativeModel, type NativeWanted, native, type Tower } from '../native';
import { type DType, dtypes, type PretrainedOptions } from '../pretrained_options';
import { kindOf, shown } from '../tensor';
import type { ForwardOptions } from './inputs';

/** Options of a model's `from_pretrained`. */
export interface ModelOptions extends PretrainedOptions {
  /** Type of the weights; default 'auto', the checkpoint's own. A .gguf file has one type only. */
  dtype?: DType;
  /**
   * Where the model runs: 'cpu', 'cuda', 'metal', 'vulkan', or one of several as in 'cuda:1' ({@link list_devices}).
   * Default 'auto': the fastest that works, a GPU before the CPU, passing over any that does not take the model;
   * `model.device` says which. GPUs other than Apple's take an addon of their own, @altclip/linux-x64-vulkan and the
   * like, none of them published yet. A file whose weights are packed runs on the CPU alone.
   */
  device?: DeviceName;
  /** Threads a call computes with on the CPU; default: as many as there are cores. */
  num_threads?: number;
}

/** Options of `from_config`. */
export interface RandomModelOptions extends Omit<ModelOptions, 'revision' | 'local_files_only'> {
  /** The same seed gives the same weights; default 0. */
  seed?: number;
}

/** Options of a model's `save_pretrained`. */
export interface SaveOptions {
  signal?: AbortSignal;
}

/** A model that the addon has loaded, and what its inputs are made with. */
export interface LoadedModel {
  native: NativeModel;
  /** The addon that the model belongs to. */
  addon: NativeAddon;
  config: AltCLIPConfig;
  /** The GGUF file, for tokenizer and preprocessing; none for random weights. */
  file?: string;
  /** The one tower that is loaded of it; both where absent. */
  tower?: Tower | undefined;
  /** What random weights are made from again. */
  random?: { config: string; seed: number };
  /** A folder that goes with the model. */
  folder?: string;
}

/** Loads the given towers of a checkpoint. @throws as the models' from_pretrained. */
export async function loadPretrained(id: string, towers: Tower[], given: ModelOptions = {}): Promise<LoadedModel> {
  checkOptions(given);
  return withProgress(given, async (options) => {
    const { file, source } = await resolveModel(id, options);
    const config = new AltCLIPConfig(await loadConfig(source.path, { dtype: options.dtype }));
    const tower = towers.length === 1 ? towers[0] : undefined;
    const loaded = { ...(await loadFile(file, id, towers, options)), config, file, tower };
    options.progress_callback?.({ status: 'ready', name: id });
    if (options.signal?.aborted) await loaded.native.dispose();
    throwIfAborted(options.signal);
    return loaded;
  });
}

/** A model with random weights, initialised as transformers does; its file lives in the cache folder only while loading. */
export function loadRandom(config: AltCLIPConfig, options: RandomModelOptions = {}): Promise<LoadedModel> {
  return withProgress(options, (watched) => makeRandom(config, watched));
}

async function makeRandom(config: AltCLIPConfig, options: RandomModelOptions): Promise<LoadedModel> {
  checkOptions(options);
  const { seed = 0, dtype = 'f32', signal } = options;
  if (!(config instanceof AltCLIPConfig)) invalid(`config: got ${kindOf(config)}, expected an AltCLIPConfig`);
  if (!Number.isSafeInteger(seed) || seed < 0) invalid(`seed: got ${shown(seed)}, expected a non-negative integer`);
  if (!dtypes.includes(dtype)) invalid(`dtype: got ${shown(dtype)}, expected ${dtypes.join(', ')}`);
  const folder = await mkdtemp(path.join(await makeCacheFolder(options.cache_dir), 'random-'));
  try {
    const output = path.join(folder, 'model.gguf');
    const random = { config: config.to_json_string(), seed };
    await abortable(signal, (abort) => native.convertModel({ source: random, output, dtype, abort }));
    return { ...(await loadFile(output, 'random weights', ['text', 'vision'], options)), config, random, folder };
  } finally {
    // a mapped file outlives its name, except on Windows, where it goes when the model is disposed of
    await removeFolder(folder);
  }
}

async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true }).catch(() => undefined);
}

type Placed = Pick<LoadedModel, 'native' | 'addon'>;

/** Onto the first device that takes it; 'auto' passes over a GPU that lacks memory or an operator, or whose driver fails. */
async function loadFile(file: string, name: string, towers: Tower[], options: ModelOptions): Promise<Placed> {
  const places = await placements(options.device ?? 'auto');
  for (;;) {
    const place = places.shift() as Placement;
    try {
      return { native: await loadOnto(place, file, name, towers, options), addon: place.addon };
    } catch (error) {
      const unfit = error instanceof AltCLIPError && ['UNSUPPORTED', 'OUT_OF_MEMORY', 'INTERNAL'].includes(error.code);
      if (!unfit || places.length === 0) throw error;
    }
  }
}

async function loadOnto(
  { device, addon }: Placement,
  file: string,
  name: string,
  towers: Tower[],
  options: ModelOptions,
): Promise<NativeModel> {
  const { progress_callback: report, signal, num_threads: threads = 0 } = options;
  const event = { name, file: path.basename(file) };
  report?.({ status: 'initiate', ...event });
  const total = (await stat(file).catch(() => undefined))?.size ?? 0;
  const onProgress =
    report &&
    ((fraction: number): void =>
      report({ status: 'progress', ...event, progress: 100 * fraction, loaded: Math.round(fraction * total), total }));
  const model = await abortable(
    signal,
    (abort) => {
      const loading = addon.loadModel(file, { towers, device, threads, abort, onProgress });
      loading.then(
        (late) => {
          if (signal?.aborted) return late.dispose();
        },
        () => undefined,
      );
      return loading;
    },
    addon,
  );
  report?.({ status: 'done', ...event });
  return model;
}

function checkOptions({ device = 'auto', num_threads = 0 }: ModelOptions): void {
  checkDevice(device);
  if (!Number.isSafeInteger(num_threads) || num_threads < 0 || num_threads > 1024) {
    invalid(
      `num_threads: got ${shown(num_threads)}, expected an integer from 1 to 1024, or 0 for as many as there are cores`,
    );
  }
}

/** What transformers calls the model of a configuration. */
const architectureOf: Record<string, string> = {
  altclip: 'AltCLIPModel',
  altclip_text_model: 'AltCLIPTextModel',
  altclip_vision_model: 'AltCLIPVisionModel',
};

/** What the three models share. */
export abstract class AltCLIPPreTrainedModel<Inputs, Output> extends Callable<(inputs: Inputs) => Promise<Output>> {
  /** The model's own configuration: a tower's where it is one. */
  abstract readonly config: PreTrainedConfig;
  protected readonly native: NativeModel;
  protected readonly loaded: LoadedModel;

  /** Use from_pretrained or from_config. */
  constructor(loaded: LoadedModel) {
    super();
    this.native = loaded.native;
    this.loaded = loaded;
  }

  /** Where the model runs: 'cpu', or the name of a GPU as {@link list_devices} gives it. */
  get device(): string {
    return this.native.device;
  }

  /** Type of the weights: a {@link DType}, never 'auto'. */
  get dtype(): string {
    return this.native.dtype;
  }

  /** Threads a call computes with. */
  get num_threads(): number {
    return this.native.threads;
  }

  /** The same as calling the model. */
  abstract forward(inputs: Inputs): Promise<Output>;

  _call(inputs: Inputs): Promise<Output> {
    return this.forward(inputs);
  }

  /**
   * Writes `folder`/config.json and model.gguf, which from_pretrained loads as they are, and makes the folder. The file
   * holds what the loaded one does, tokenizer and preprocessing too; of AltCLIPTextModel and AltCLIPVisionModel the
   * configuration and what else belongs to their tower. Into the folder that the model was loaded from, the file stays
   * as it is. Weights in Hugging Face's layout that lie in the folder keep their place before model.gguf.
   * @throws IO where that cannot be done, or where the loaded file is gone; ABORTED, with no model.gguf then.
   */
  async save_pretrained(folder: string, { signal }: SaveOptions = {}): Promise<void> {
    if (typeof folder !== 'string' || folder === '') invalid(`folder: got ${kindOf(folder)}, expected a path`);
    throwIfAborted(signal);
    const { file, random, tower } = this.loaded;
    this.config.architectures = [architectureOf[this.config.model_type] as string];
    await this.config.save_pretrained(folder);
    const output = path.join(folder, 'model.gguf');
    await abortable(signal, async (abort) => {
      if (random) await native.convertModel({ source: random, output, dtype: this.dtype as NativeDType, abort });
      else if (!(await isSameFile(file as string, output))) {
        await native.copyModel({ source: file as string, output, tower, abort });
      }
    });
  }

  /**
   * Stops what is running and frees the memory; safe to call twice. Later calls reject with DISPOSED.
   */
  async dispose(): Promise<void> {
    await fromNative(this.native.dispose());
    if (this.loaded.folder) await removeFolder(this.loaded.folder);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

async function isSameFile(one: string, other: string): Promise<boolean> {
  const real = (file: string): Promise<string | undefined> => realpath(file).catch(() => undefined);
  return (await real(one)) === (await real(other)) && (await real(one)) !== undefined;
}

/** What a forward brings back from a tower. */
export function wantedBy(options: ForwardOptions, config: PreTrainedConfig, features: boolean): NativeWanted {
  return {
    lastHiddenState: true,
    poolerOutput: true,
    features,
    hiddenStates: options.output_hidden_states ?? config.output_hidden_states ?? false,
    attentions: options.output_attentions ?? config.output_attentions ?? false,
  };
}

/** The projected features alone. */
export const featuresOnly: NativeWanted = {
  lastHiddenState: false,
  poolerOutput: false,
  features: true,
  hiddenStates: false,
  attentions: false,
};
