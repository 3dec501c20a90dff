/** Which files of a repository or folder make a model: one rule for the hub and for folders. */
import { AltCLIPError } from '../errors';

/** What a caller needs of a checkpoint. */
export type Part = 'config' | 'preprocessor' | 'tokenizer' | 'weights';

export const everyPart: readonly Part[] = ['config', 'preprocessor', 'tokenizer', 'weights'];

export const configFile = 'config.json';
export const preprocessorFile = 'preprocessor_config.json';

/** Weights in Hugging Face's layout, what is preferred first. */
export const weightFiles = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
] as const;

/** Vocabularies, what is preferred first. */
export const vocabularyFiles = ['tokenizer.json', 'sentencepiece.bpe.model'] as const;

/** What goes with a vocabulary, where there is any. */
export const tokenizerExtras = ['tokenizer_config.json', 'special_tokens_map.json'] as const;

/**
 * The file that carries the weights: by preference of {@link weightFiles}, else the .gguf, else nothing.
 * @param dtype picks among several .gguf files, by its name in theirs.
 * @throws INVALID_ARGUMENT where several .gguf files remain.
 */
export function weightsAmong(names: Iterable<string>, dtype: string, where: string): string | undefined {
  const present = new Set(names);
  const original = weightFiles.find((name) => present.has(name));
  if (original) return original;
  const ggufs = [...present].filter((name) => isPlainName(name) && name.endsWith('.gguf')).sort();
  const named = ggufs.filter((name) => name.toLowerCase().split(/[-.]/).includes(dtype));
  const chosen = named.length > 0 ? named : ggufs;
  if (chosen.length <= 1) return chosen[0];
  throw new AltCLIPError(
    'INVALID_ARGUMENT',
    `${where}: got several models, ${chosen.join(', ')}, expected one; name the file, or set dtype to the one in its name`,
  );
}

/** The files that `parts` are read from, shards of an index left out: a .gguf stands in for what others lack. */
export function filesOf(names: Iterable<string>, parts: readonly Part[], dtype: string, where: string): string[] {
  const present = new Set(names);
  const wanted = new Set<string>();
  let lacking = parts.includes('weights');
  const take = (choices: readonly string[], extras: readonly string[] = []): void => {
    const name = choices.find((choice) => present.has(choice));
    if (!name) lacking = true;
    else for (const one of [name, ...extras]) if (present.has(one)) wanted.add(one);
  };
  if (parts.includes('config')) take([configFile]);
  if (parts.includes('preprocessor')) take([preprocessorFile]);
  if (parts.includes('tokenizer')) take(vocabularyFiles, tokenizerExtras);
  const weights = lacking ? weightsAmong(present, dtype, where) : undefined;
  if (weights && (parts.includes('weights') || weights.endsWith('.gguf'))) wanted.add(weights);
  return [...wanted];
}

/**
 * The shards that an index names.
 * @throws MODEL_FORMAT where it is no index, or names what is not a file beside it.
 */
export function shardsOf(index: string, file: string): string[] {
  let map: unknown;
  try {
    map = (JSON.parse(index) as { weight_map?: unknown } | null)?.weight_map;
  } catch (cause) {
    throw new AltCLIPError('MODEL_FORMAT', `${file}: is not valid JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new AltCLIPError('MODEL_FORMAT', `${file}: has no weight_map, expected an object of tensor and file names`);
  }
  const shards = [...new Set(Object.values(map) as unknown[])];
  const wrong = shards.findIndex((shard) => typeof shard !== 'string' || !isPlainName(shard));
  if (wrong >= 0) {
    throw new AltCLIPError(
      'MODEL_FORMAT',
      `${file}: weight_map names ${JSON.stringify(shards[wrong])}, expected a file beside it`,
    );
  }
  return shards as string[];
}

/** A name that stays in its folder. */
function isPlainName(name: string): boolean {
  return /^\w[\w.-]*$/.test(name);
}
