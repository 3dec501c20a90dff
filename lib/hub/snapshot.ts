/** From an id of the Hugging Face hub to a folder with the files that are needed. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { forEachLimited } from '../concurrency';
import { AltCLIPError } from '../errors';
import { filesOf, type Part, shardsOf } from '../loading/checkpoint_files';
import type { PretrainedOptions, ProgressCallback } from '../pretrained_options';
import { CachedRepository, checkRevision } from './cache';
import { type HubFile, HubRepository, HubUnreachable } from './client';
import { downloadBlob } from './download';
import { withLock } from './lock_file';
import { maxRetries } from './patience';
import { isOffline } from './settings';

const maxConnections = 4;
const commitPattern = /^[0-9a-f]{40}$/;

/** What is wanted of a repository. */
interface Wanted {
  parts: readonly Part[];
  /** Picks among several .gguf files. */
  dtype: string;
  report: ProgressCallback | undefined;
  signal: AbortSignal | undefined;
}

/**
 * The folder of a repository's snapshot, with the files that `parts` need: downloaded where they are not in the cache
 * that Python's huggingface_hub shares.
 *
 * Where the hub cannot be reached, what the cache has of the revision serves, as in huggingface_hub.
 * @throws HUB where neither has it; IO where the cache cannot be written; INVALID_ARGUMENT for a revision that is none;
 *   ABORTED.
 */
export async function hubSnapshot(
  id: string,
  parts: readonly Part[],
  {
    revision = 'main',
    local_files_only = false,
    progress_callback,
    signal,
    dtype,
  }: PretrainedOptions & { dtype: string },
): Promise<string> {
  checkRevision(revision);
  const cached = new CachedRepository(id);
  const wanted: Wanted = { parts, dtype, report: progress_callback, signal };
  const found = await cached.find(revision);
  if (local_files_only || isOffline()) {
    if (found) return found;
    throw new AltCLIPError(
      'HUB',
      `${id}: revision ${revision} is not in the cache ${cached.folder}, and the network is forbidden ` +
        `(${local_files_only ? 'local_files_only' : 'HF_HUB_OFFLINE'})`,
    );
  }
  // a commit never changes: what is whole here is asked of nobody
  if (found && commitPattern.test(revision) && (await lacking(cached, revision, undefined, wanted)).length === 0) {
    return found;
  }
  const repository = await HubRepository.open(id, signal);
  if (found) repository.retries = 0;
  try {
    const { commit, names } = await repository.revision(revision);
    repository.retries = maxRetries;
    if ((await lacking(cached, commit, names, wanted)).length > 0) {
      await withLock(cached.lockFile, signal, () => download(repository, cached, commit, names, wanted));
    }
    await cached.setRef(revision, commit);
    return cached.snapshot(commit);
  } catch (error) {
    if (!(error instanceof HubUnreachable) || !found) throw error;
    if ((await lacking(cached, path.basename(found), undefined, wanted)).length > 0) throw error;
    return found;
  }
}

async function download(
  repository: HubRepository,
  cached: CachedRepository,
  commit: string,
  names: Set<string>,
  wanted: Wanted,
): Promise<void> {
  const listing = await repository.list(commit);
  // an index names its shards: once it is here, they are lacking
  for (;;) {
    const missing = await lacking(cached, commit, names, wanted);
    if (missing.length === 0) return;
    const begun: Promise<void>[] = [];
    try {
      await forEachLimited(missing, maxConnections, wanted.signal, (name, _, stop) => {
        const file = listing.get(name);
        if (!file) throw new AltCLIPError('HUB', `${repository.id}: has no file ${name} at ${commit}, but names it`);
        const downloaded = downloadFileInto(repository.until(stop), cached, commit, file, { ...wanted, signal: stop });
        begun.push(downloaded);
        return downloaded;
      });
    } finally {
      // the caller's lock has to last until nobody writes any more
      await Promise.allSettled(begun);
    }
  }
}

async function downloadFileInto(
  repository: HubRepository,
  cached: CachedRepository,
  commit: string,
  file: HubFile,
  { report, signal }: Wanted,
): Promise<void> {
  const event = { name: repository.id, file: file.name };
  report?.({ status: 'initiate', ...event });
  if (!(await cached.hasBlob(file.etag))) {
    report?.({ status: 'download', ...event });
    const total = file.bytes;
    await downloadBlob(repository, commit, file, cached.blob(file.etag), {
      signal,
      onProgress: (loaded) =>
        report?.({ status: 'progress', ...event, progress: (100 * loaded) / total, loaded, total }),
    });
  }
  await cached.link(file.etag, commit, file.name);
  report?.({ status: 'done', ...event });
}

/**
 * Names of the files that are needed and not in the snapshot.
 * @param names all files of the commit; undefined: what the snapshot has is all that is known, and a part that cannot
 *   be read from it is named as lacking.
 */
async function lacking(
  cached: CachedRepository,
  commit: string,
  names: Set<string> | undefined,
  { parts, dtype }: Wanted,
): Promise<string[]> {
  const present = await cached.files(commit);
  const folder = cached.snapshot(commit);
  const needed = filesOf(names ?? present, parts, dtype, folder);
  if (!names) {
    const readable = parts.every((part) => filesOf(present, [part], dtype, folder).length > 0);
    if (!readable) return [...parts];
  }
  for (const index of needed.filter((name) => name.endsWith('.index.json') && present.has(name))) {
    const file = path.join(folder, index);
    needed.push(...shardsOf(await readFile(file, 'utf8'), file));
  }
  return needed.filter((name) => !present.has(name));
}
