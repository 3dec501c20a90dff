/** One file of the hub into the cache: resumed where it was cut, verified by its hash, complete or absent. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { downloadFile } from '@huggingface/hub';
import { throwIfAborted } from '../abort';
import { AltCLIPError } from '../errors';
import { type HubFile, type HubRepository, HubUnreachable, reasonOf } from './client';
import { firstWaitMs, stallMs } from './patience';

/** Connections that bring nothing before a download is given up; each that brings something starts the count anew. */
const maxFruitless = 4;

/**
 * Downloads `file` to `blob`, going on with what an earlier try left in `blob`.incomplete.
 * @param onProgress gets bytes that are here.
 * @throws HUB where it cannot be had, or is not what the hub's listing says; IO where it cannot be written; ABORTED.
 */
export async function downloadBlob(
  repository: HubRepository,
  commit: string,
  file: HubFile,
  blob: string,
  options: { signal: AbortSignal | undefined; onProgress: (loaded: number) => void },
): Promise<void> {
  const incomplete = `${blob}.incomplete`;
  const handle = await writing(incomplete, async () => {
    await mkdir(path.dirname(blob), { recursive: true });
    return open(incomplete, 'a+').then((made) => made.close().then(() => open(incomplete, 'r+')));
  });
  let complete = false;
  try {
    // what an earlier run left may be damaged: one fresh start is worth it
    const resumed = (await handle.stat()).size > 0;
    complete = await fill(repository, commit, file, handle, incomplete, options);
    if (!complete && resumed) complete = await fill(repository, commit, file, handle, incomplete, options);
    if (complete) await writing(incomplete, () => handle.sync());
  } finally {
    await handle.close();
  }
  if (!complete) {
    await rm(incomplete, { force: true });
    throw new AltCLIPError(
      'HUB',
      `${repository.id}: ${file.name} from ${repository.endpoint} is not what the hub's listing says, expected ` +
        `${file.bytes} bytes with hash ${file.etag}`,
    );
  }
  await writing(blob, () => rename(incomplete, blob));
}

/** Brings the file to its full length; whether its hash is right. Where not, nothing of it is left. */
async function fill(
  repository: HubRepository,
  commit: string,
  file: HubFile,
  handle: FileHandle,
  name: string,
  options: { signal: AbortSignal | undefined; onProgress: (loaded: number) => void },
): Promise<boolean> {
  const hash = hashOf(file);
  let loaded = await rehash(handle, file.bytes, hash);
  let fruitless = 0;
  while (loaded < file.bytes) {
    const before = loaded;
    let failure: unknown;
    try {
      for await (const chunk of chunks(repository, commit, file, loaded)) {
        throwIfAborted(options.signal);
        if (loaded + chunk.length > file.bytes) return discard(handle);
        await writing(name, () => handle.write(chunk, 0, chunk.length, loaded));
        hash.update(chunk);
        loaded += chunk.length;
        options.onProgress(loaded);
      }
    } catch (error) {
      throwIfAborted(options.signal);
      if (error instanceof AltCLIPError) throw error;
      failure = error;
    }
    if (loaded === file.bytes) break;
    fruitless = loaded > before ? 0 : fruitless + 1;
    if (fruitless >= maxFruitless) {
      throw new HubUnreachable(
        `${repository.id}: ${file.name} stopped at ${loaded} of ${file.bytes} bytes` +
          `${failure === undefined ? '' : `: ${reasonOf(failure)}`}; what is here is kept, the next try goes on`,
        { cause: failure },
      );
    }
    await repository.pause(firstWaitMs * 2 ** fruitless);
  }
  return hash.digest('hex') === file.etag || discard(handle);
}

/** The file's bytes from `start` on. @throws AltCLIPError for a refusal; others where the connection broke. */
async function* chunks(
  repository: HubRepository,
  commit: string,
  file: HubFile,
  start: number,
): AsyncGenerator<Uint8Array> {
  let refusal: unknown;
  const blob = await downloadFile({
    repo: repository.id,
    path: file.name,
    revision: commit,
    hubUrl: repository.endpoint,
    // plain HTTP: what a connection brought before it broke can be gone on with
    xet: false,
    downloadInfo: { url: repository.url(commit, file.name), size: file.bytes, etag: file.etag },
    fetch: async (input, init) => {
      try {
        const response = await repository.fetch(input, init);
        if (start === 0 || response.status === 206) return response;
        await response.body?.cancel();
        throw new Error('the server sent the whole file where a part was asked for');
      } catch (error) {
        refusal = error; // the blob's stream keeps the message alone
        throw error;
      }
    },
  });
  const reader = (blob as Blob).slice(start, file.bytes).stream().getReader();
  try {
    for (;;) {
      const { done, value } = await unlessStalled(reader.read());
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw refusal ?? error;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function unlessStalled<T>(reading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came for ${stallMs / 1000} s`)), stallMs);
  });
  try {
    return await Promise.race([reading, stalled]);
  } finally {
    clearTimeout(timer);
  }
}

function hashOf({ hash, bytes }: HubFile): Hash {
  return hash === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
}

/** Hashes what is in the file; more than there should be is dropped. @returns bytes that count. */
async function rehash(handle: FileHandle, bytes: number, hash: Hash): Promise<number> {
  if ((await handle.stat()).size > bytes) await handle.truncate(0);
  const buffer = Buffer.alloc(1 << 20);
  let position = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return position;
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}

async function discard(handle: FileHandle): Promise<false> {
  await handle.truncate(0);
  return false;
}

async function writing<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new AltCLIPError('IO', `${file}: cannot be written: ${(cause as Error).message}`, { cause });
  }
}
