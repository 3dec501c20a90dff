import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';

export const fixtures = path.join(__dirname, '..', 'fixtures');
export const demoImages = path.join(__dirname, '..', '..', 'models', 'demo');

/** A path inside test/fixtures. */
export function fixture(...parts: string[]): string {
  return path.join(fixtures, ...parts);
}

export function readJson<T>(...parts: string[]): T {
  return JSON.parse(readFileSync(fixture(...parts), 'utf8')) as T;
}

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** An empty folder that goes when the file's tests have run. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'altclip-test-'));
  folders.push(folder);
  return folder;
}
