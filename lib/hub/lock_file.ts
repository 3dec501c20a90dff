/** A lock between processes: a file that exists while it is held, and is touched so that others see its holder live. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { throwIfAborted } from '../abort';
import { AltCLIPError } from '../errors';

const heartbeatMs = 2_000;
/** A holder that has not touched its file for so long is taken for dead, wherever it ran. */
const staleMs = 20_000;
const pollMs = 100;

/**
 * Runs `work` while holding the lock `file`; waits until whoever holds it is done or dead.
 *
 * It saves doing work twice; nobody's files may depend on it, since a machine that sleeps can lose it.
 * @throws IO where the lock cannot be made; ABORTED while waiting; what `work` throws.
 */
export async function withLock<T>(file: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const owner = JSON.stringify({ pid: process.pid, host: os.hostname(), token: randomUUID() });
  await acquire(file, owner, signal);
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined); // taken over: the work goes on, see above
  }, heartbeatMs);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    if ((await readFile(file, 'utf8').catch(() => '')) === owner) await rm(file, { force: true });
  }
}

async function acquire(file: string, owner: string, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    throwIfAborted(signal);
    if (await create(file, owner)) return;
    const seen = await readFile(file, 'utf8').catch(() => undefined);
    if (seen !== undefined && (await isStale(file, seen))) await remove(file, seen);
    else await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

async function create(file: string, owner: string): Promise<boolean> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    // one system call makes it and one fills it: a reader in between sees an empty lock, which is nobody's and young
    await writeFile(file, owner, { flag: 'wx' });
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new AltCLIPError('IO', `${file}: the lock cannot be made: ${(cause as Error).message}`, { cause });
  }
}

async function isStale(file: string, seen: string): Promise<boolean> {
  const info = await stat(file).catch(() => undefined);
  if (!info) return false;
  if (Date.now() - info.mtimeMs > staleMs) return true;
  const { pid, host } = parsed(seen);
  return host === os.hostname() && pid !== undefined && !isAlive(pid);
}

/** Takes a stale lock away, unless somebody else has done so and made a new one. */
async function remove(file: string, seen: string): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch {
    return; // somebody else was faster
  }
  const taken = await readFile(aside, 'utf8').catch(() => seen);
  if (taken === seen) await rm(aside, { force: true });
  else await rename(aside, file).catch(() => undefined);
}

/** The owner a lock names; nothing of it while it is being written. */
function parsed(owner: string): { pid?: number; host?: string } {
  try {
    return JSON.parse(owner) as { pid?: number; host?: string };
  } catch {
    return {};
  }
}

/** Whether a process of this machine runs. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
