// The scripts' manner of running things: one line a step, and the whole log of the step that failed.
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Runs a command to its end, its output kept back.
 * @param {string} title what the step does, for the line it gets
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, shell?: boolean }} [options]
 * @throws {Error} where the command fails, after printing its log
 */
export function step(title, command, args, options = {}) {
  process.stderr.write(`${title} ... `);
  const start = Date.now();
  const result = spawnSync(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    ...options,
  });
  if (!result.error && result.status === 0) {
    process.stderr.write(`${((Date.now() - start) / 1000).toFixed(1)} s\n`);
    return;
  }
  const reason = result.error?.message ?? (result.signal ? `ended by ${result.signal}` : `exit code ${result.status}`);
  process.stderr.write(`failed\n${result.stdout ?? ''}${result.stderr ?? ''}`);
  throw new Error(`${title}: ${reason} of: ${command} ${args.join(' ')}`);
}

/** @param {string} url import.meta.url of a module: is it what node was started with? */
export const isMain = (url) => Boolean(process.argv[1]) && realpathSync(process.argv[1]) === fileURLToPath(url);

/**
 * The main program of a script: a failure is one line and exit code 1.
 * @param {() => void | Promise<void>} body
 */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    console.error(`altclip: ${error.message}`);
    process.exitCode = 1;
  }
}
