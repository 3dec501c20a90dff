import { readFile, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { AltCLIPError, invalid } from './errors';

const idPattern = /^[A-Za-z0-9][\w.-]*(?:\/[A-Za-z0-9][\w.-]*)?$/;
const revisionPattern = /^[\w.-]+(?:\/[\w.-]+)*$/;

/** Whether `name` can be a repository id of the Hugging Face hub: NAME or ORG/NAME. */
export function isHubId(name: string): boolean {
  return idPattern.test(name) && !name.includes('..') && !name.includes('--');
}

/**
 * The folder in which Python's huggingface_hub keeps a repository it has downloaded.
 *
 * Layout: HUB/models--ORG--NAME/refs/REVISION holds a commit, HUB/models--ORG--NAME/snapshots/COMMIT the files.
 * @param revision branch, tag or commit.
 * @throws HUB where the repository or revision is not there, with the command that gets it.
 */
export async function hubSnapshot(id: string, revision = 'main'): Promise<string> {
  if (!revisionPattern.test(revision) || revision.split('/').includes('..')) {
    invalid(`revision: got ${JSON.stringify(revision)}, expected a branch, tag or commit`);
  }
  const hub = hubFolder();
  const repository = path.join(hub, `models--${id.replace('/', '--')}`);
  const ref = await readFile(path.join(repository, 'refs', revision), 'utf8').catch(() => revision);
  const commit = ref.trim();
  const snapshot = path.join(repository, 'snapshots', commit);
  const found =
    /^[\w.-]+$/.test(commit) && commit !== '..' && (await stat(snapshot).catch(() => undefined))?.isDirectory();
  if (found) return snapshot;
  throw new AltCLIPError(
    'HUB',
    `${id}: no such file or folder, and revision ${revision} is not in the Hugging Face cache ${hub}. ` +
      `Download it with: hf download ${id} --revision ${revision}; or pass a folder or a .gguf file`,
  );
}

/** As huggingface_hub: HF_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/... */
function hubFolder(): string {
  const { HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = process.env;
  if (HF_HUB_CACHE) return HF_HUB_CACHE;
  if (HF_HOME) return path.join(HF_HOME, 'hub');
  return path.join(XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'huggingface', 'hub');
}
