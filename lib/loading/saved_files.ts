import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { AltCLIPError } from '../errors';

/** Makes `folder` for what is saved in it. @throws IO where that cannot be done. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    if ((await stat(folder).catch(() => undefined))?.isFile()) throw new Error('is a file, expected a folder');
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new AltCLIPError('IO', `${folder}: cannot be written: ${(cause as Error).message}`, { cause });
  }
}

/**
 * `folder`/`name`, which appears when `write` has completed it under a temporary name; makes the folder.
 * @throws IO where that cannot be done; then what was there before is still there.
 */
export async function saveFile(
  folder: string,
  name: string,
  write: (temporary: string) => Promise<unknown>,
): Promise<void> {
  await makeFolder(folder);
  await replaceFile(path.join(folder, name), write);
}

/** As {@link saveFile}, in a folder that is there. */
export async function replaceFile(file: string, write: (temporary: string) => Promise<unknown>): Promise<void> {
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    await write(temporary);
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new AltCLIPError('IO', `${file}: cannot be written: ${(cause as Error).message}`, { cause });
  }
}

/** A text as `folder`/`name`. @throws as {@link saveFile}. */
export function saveText(folder: string, name: string, text: string): Promise<void> {
  return saveFile(folder, name, (temporary) => writeFile(temporary, text));
}
