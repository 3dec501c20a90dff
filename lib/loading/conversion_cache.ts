import { createHash } from 'node:crypto';
import { mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { abortable, throwIfAborted } from '../abort';
import { AltCLIPError } from '../errors';
import { fileNames } from '../hub/cache';
import { withLock } from '../hub/lock_file';
import { type NativeDType, native } from '../native';

/** Part of every cached file's name: raised when the converter writes something else for the same input. */
const formatVersion = 4;

/** What a conversion reads: changing one of these makes a new file. */
const sourceFile = /\.(?:safetensors|bin|json|model)$/;

type Listener = (doneBytes: number, totalBytes: number) => void;

interface Conversion {
  result: Promise<string>;
  listeners: Set<Listener>;
  /** Stops it and forgets it, so that the next caller starts a new one. */
  cancel: (reason: unknown) => void;
}

/** Running conversions by output file, so that callers who want the same one wait for one job. */
const running = new Map<string, Conversion>();

/** Where converted models are kept: `cacheDir`, else ALTCLIP_CACHE, else the platform's place for caches. */
export function cacheFolder(cacheDir?: string): string {
  const { ALTCLIP_CACHE, XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (cacheDir || ALTCLIP_CACHE) return path.resolve(cacheDir || (ALTCLIP_CACHE as string));
  if (XDG_CACHE_HOME) return path.join(XDG_CACHE_HOME, 'altclip');
  if (process.platform === 'darwin') return path.join(os.homedir(), 'Library', 'Caches', 'altclip');
  if (process.platform === 'win32' && LOCALAPPDATA) return path.join(LOCALAPPDATA, 'altclip', 'Cache');
  return path.join(os.homedir(), '.cache', 'altclip');
}

/** Makes the cache folder. @throws IO where that cannot be done. */
export async function makeCacheFolder(cacheDir?: string): Promise<string> {
  const folder = cacheFolder(cacheDir);
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new AltCLIPError(
      'IO',
      `${folder}: the cache folder cannot be made: ${(cause as Error).message}; set cache_dir or ALTCLIP_CACHE`,
      { cause },
    );
  }
  return folder;
}

/**
 * The GGUF file made from `folder`'s checkpoint in `dtype`; converted on the first call, found in the cache later.
 *
 * The file's name holds a hash of the folder's path and its files' sizes and times. A caller whose signal aborts stops
 * waiting; the conversion itself stops when nobody waits any more.
 */
export async function convertedModel(
  folder: string,
  dtype: NativeDType | 'auto',
  options: { cacheDir?: string | undefined; signal?: AbortSignal | undefined; onProgress: Listener },
): Promise<string> {
  throwIfAborted(options.signal);
  const cache = await makeCacheFolder(options.cacheDir);
  const output = path.join(cache, `${safeName(folder)}-${dtype}-${await fingerprint(folder, dtype)}.gguf`);
  if (!running.has(output) && (await isFile(output))) return output;

  const conversion = running.get(output) ?? start(folder, output, dtype);
  return wait(conversion, options.signal, options.onProgress);
}

function start(source: string, output: string, dtype: NativeDType | 'auto'): Conversion {
  const controller = new AbortController();
  const listeners = new Set<Listener>();
  const forget = (): void => {
    if (running.get(output) === conversion) running.delete(output);
  };
  const onProgress = (done: number, total: number): void => {
    for (const listener of listeners) listener(done, total);
  };
  const result = withLock(`${output}.lock`, controller.signal, async () => {
    if (await isFile(output)) return output; // another process was faster
    await removeLeftovers(output);
    await abortable(controller.signal, (abort) => native.convertModel({ source, output, dtype, abort, onProgress }));
    return output;
  }).finally(forget);
  const conversion = {
    result,
    listeners,
    cancel: (reason: unknown) => {
      forget();
      controller.abort(reason);
    },
  };
  running.set(output, conversion);
  result.catch(() => undefined); // when everybody has stopped waiting, nobody asks
  return conversion;
}

async function isFile(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isFile() ?? false;
}

/** Removes what conversions that were killed have left of `output`; whoever holds its lock is the only one to write it. */
async function removeLeftovers(output: string): Promise<void> {
  const folder = path.dirname(output);
  const isLeftover = (name: string): boolean => name.startsWith(`${path.basename(output)}.`) && name.endsWith('.tmp');
  for (const name of (await readdir(folder)).filter(isLeftover)) {
    // not ours to fail on: the conversion writes under a name of its own
    await rm(path.join(folder, name), { force: true }).catch(() => undefined);
  }
}

async function wait(conversion: Conversion, signal: AbortSignal | undefined, onProgress: Listener): Promise<string> {
  // one of its own for each waiter, even where two pass the same function
  const listener: Listener = (done, total) => onProgress(done, total);
  conversion.listeners.add(listener);
  try {
    return await abortable(signal, () => conversion.result);
  } finally {
    conversion.listeners.delete(listener);
    if (signal?.aborted && conversion.listeners.size === 0) conversion.cancel(signal.reason);
  }
}

async function fingerprint(folder: string, dtype: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    hash.update(JSON.stringify([formatVersion, dtype, await realpath(folder)]));
    for (const name of [...(await fileNames(folder))].sort()) {
      if (!sourceFile.test(name)) continue;
      const { size, mtimeMs } = await stat(path.join(folder, name));
      hash.update(JSON.stringify([name, size, mtimeMs]));
    }
  } catch (cause) {
    throw new AltCLIPError('IO', `${folder}: cannot be read: ${(cause as Error).message}`, { cause });
  }
  return hash.digest('hex').slice(0, 16);
}

/** ORG--NAME for a snapshot of the hub's cache, else the folder's name. */
function safeName(folder: string): string {
  const parts = path.resolve(folder).split(path.sep);
  const repository = parts.at(-2) === 'snapshots' ? parts.at(-3)?.replace(/^models--/, '') : undefined;
  return (repository ?? parts.at(-1) ?? '').replace(/[^\w.-]/g, '_') || 'model';
}
