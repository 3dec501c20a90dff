/**
 * The cache that Python's huggingface_hub shares: HUB/models--ORG--NAME/refs/REVISION holds a commit,
 * snapshots/COMMIT the files as links to blobs/ETAG.
 */
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { invalid } from '../errors';
import { shown } from '../tensor';
import { hubFolder } from './settings';

const idPattern = /^[A-Za-z0-9][\w.-]*(?:\/[A-Za-z0-9][\w.-]*)?$/;
const revisionPattern = /^[\w.-]+(?:\/[\w.-]+)*$/;

/** Whether `name` can be a repository id of the Hugging Face hub: NAME or ORG/NAME. */
export function isHubId(name: string): boolean {
  return idPattern.test(name) && !name.includes('..') && !name.includes('--');
}

/** @throws INVALID_ARGUMENT for anything but a branch, tag or commit. */
export function checkRevision(revision: unknown): void {
  const valid =
    typeof revision === 'string' && revisionPattern.test(revision) && !/(?:^|\/)\.\.?(?:\/|$)/.test(revision);
  if (!valid) invalid(`revision: got ${shown(revision)}, expected a branch, tag or commit`);
}

/** One repository's place in the cache. */
export class CachedRepository {
  readonly folder: string;
  /** Held by whoever downloads into it; where huggingface_hub keeps its own locks. */
  readonly lockFile: string;

  constructor(id: string) {
    const name = `models--${id.replace('/', '--')}`;
    this.folder = path.join(hubFolder(), name);
    this.lockFile = path.join(hubFolder(), '.locks', name, 'altclip.lock');
  }

  blob(etag: string): string {
    return path.join(this.folder, 'blobs', etag);
  }

  snapshot(commit: string): string {
    return path.join(this.folder, 'snapshots', commit);
  }

  async hasBlob(etag: string): Promise<boolean> {
    return (await stat(this.blob(etag)).catch(() => undefined))?.isFile() ?? false;
  }

  /** The snapshot that is here for a branch, tag or commit; nothing where there is none. */
  async find(revision: string): Promise<string | undefined> {
    const commit = (await readFile(this.ref(revision), 'utf8').catch(() => revision)).trim();
    if (!/^[\w.-]+$/.test(commit) || /^\.+$/.test(commit)) return undefined;
    const folder = this.snapshot(commit);
    return (await stat(folder).catch(() => undefined))?.isDirectory() ? folder : undefined;
  }

  /** Names of the files in a commit's snapshot that can be read, dangling links left out. */
  async files(commit: string): Promise<Set<string>> {
    return fileNames(this.snapshot(commit));
  }

  /** Remembers which commit a branch or tag is. */
  async setRef(revision: string, commit: string): Promise<void> {
    const file = this.ref(revision);
    if (revision === commit || (await readFile(file, 'utf8').catch(() => '')) === commit) return;
    await mkdir(path.dirname(file), { recursive: true });
    const temporary = `${file}.${process.pid}.tmp`;
    await writeFile(temporary, commit);
    await rename(temporary, file);
  }

  /** Gives the blob its name in the snapshot: a link, or where the system allows none (Windows) the file itself. */
  async link(etag: string, commit: string, name: string): Promise<void> {
    const file = path.join(this.snapshot(commit), name);
    await mkdir(path.dirname(file), { recursive: true });
    await rm(file, { force: true });
    try {
      await symlink(path.join('..', '..', 'blobs', etag), file);
    } catch {
      const temporary = `${file}.${process.pid}.tmp`;
      await copyFile(this.blob(etag), temporary);
      await rename(temporary, file);
      await rm(this.blob(etag));
    }
  }

  private ref(revision: string): string {
    return path.join(this.folder, 'refs', revision);
  }
}

/** Names of a folder's files; none where there is no such folder. */
export async function fileNames(folder: string): Promise<Set<string>> {
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => (await stat(path.join(folder, name)).catch(() => undefined))?.isFile() ?? false),
  );
  return new Set(names.filter((_, i) => found[i]));
}
