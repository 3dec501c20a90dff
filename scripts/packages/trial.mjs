// What the tests of the packages share: empty folders to install into, away from this repository, and a line a check.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROGRAMS } from './runtime_programs.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

/** The tarball of a package, `@altclip/NAME` or `altclip`, as scripts/package.mjs left it. */
export const tarball = (name) => path.join(root, 'npm', `${name.replace('@', '').replace('/', '-')}-${version}.tgz`);

export class Trial {
  #failures = [];

  /**
   * @param {string} name of the trial, for its folder
   * @param {string} [parent] where that folder is made
   */
  constructor(name, parent = tmpdir()) {
    if (!process.env.npm_execpath) throw new Error(`start it by npm: npm run test:${name}`);
    this.folder = mkdtempSync(path.join(parent, `altclip-${name}-`));
  }

  /**
   * Runs a program to its end.
   * @param {string} command
   * @param {string[]} args
   * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
   */
  run(command, args, options = {}) {
    const { error, status, signal, stdout, stderr } = spawnSync(command, args, {
      ...{ encoding: 'utf8', timeout: 1_800_000, maxBuffer: 1 << 28, ...options },
    });
    return { ok: status === 0, stdout, report: error?.message ?? `exit ${signal ?? status}\n${stdout}${stderr}` };
  }

  /** One line: did it end well, and print what was expected? */
  check(title, { ok, stdout, report }, expected) {
    const good = ok && (expected === undefined || stdout.trim() === expected);
    console.log(`${good ? 'ok    ' : 'FAILED'} ${title}`);
    if (!good) this.#failures.push(title);
    if (!good) console.log(report.slice(-4000));
    return good;
  }

  /** `npm install` into a folder of its own, with the programs that runtimes are tried with. */
  install(title, folder, args, { npm = [process.execPath, process.env.npm_execpath], ...options } = {}) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
    for (const [name, program] of Object.entries(PROGRAMS)) writeFileSync(path.join(folder, name), program);
    const [command, ...first] = npm;
    const asked = [...first, 'install', '--no-audit', '--no-fund', ...args];
    return this.check(title, this.run(command, asked, { cwd: folder, ...options }));
  }

  /** Takes the folder away; throws where a check has failed. */
  end() {
    rmSync(this.folder, { recursive: true, force: true });
    if (this.#failures.length > 0) throw new Error(`${this.#failures.length} failed: ${this.#failures.join(', ')}`);
  }
}
