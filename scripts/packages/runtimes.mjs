// The packages as their users meet them: npm run test:runtimes installs the tarballs of npm/ into an empty folder with
// --ignore-scripts and no compiler on the PATH, and has the demo picture classified in every runtime and by programs of
// every make. Runtimes and bundlers come from the npm registry, into a folder of their own.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from '../steps.mjs';
import { thisPlatform } from './platforms.mjs';
import { PROGRAMS } from './runtime_programs.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const system = thisPlatform();

// the build for processors without AVX2 runs on all
const bun = `@oven/bun-${system.replace('arm64', 'aarch64')}${system.endsWith('x64') ? '-baseline' : ''}`;
const deno = `@deno/${system}${process.platform === 'linux' ? '-glibc' : ''}`;

const RUNTIMES = {
  'node-20': [`node-${system}@20`, `node-${system}/bin/node`],
  'node-22': [`node-${system}@22`, `node-${system}/bin/node`],
  'node-24': [`node-${system}@24`, `node-${system}/bin/node`],
  bun: [`${bun}@1.4.5`, `${bun}/bin/bun`],
  deno: [`${deno}@2.9.6`, `${deno}/deno`, 'run', '--allow-all', '--node-modules-dir=manual'],
};
const BUNDLERS = ['esbuild@0.28.2', 'vite@8.3.8', 'webpack@5.112.2', 'node-loader@2.1.0'];

const work = mkdtempSync(path.join(tmpdir(), 'altclip-runtimes-'));
const app = path.join(work, 'app');
const bin = path.join(work, 'bin');
const failures = [];

/** Runs a program with nothing but node on the PATH. */
function run(command, args, cwd) {
  const env = { ...process.env, PATH: bin, NODE_PATH: '' };
  const { error, status, signal, stdout, stderr } = spawnSync(command, args, {
    ...{ cwd, env, encoding: 'utf8', timeout: 300_000 },
  });
  return { ok: status === 0, stdout, report: error?.message ?? `exit ${signal ?? status}\n${stdout}${stderr}` };
}

function check(title, { ok, stdout, report }, expected) {
  const good = ok && (expected === undefined || stdout.trim() === expected);
  console.log(`${good ? 'ok    ' : 'FAILED'} ${title}`);
  if (!good) failures.push(title);
  if (!good) console.log(report.slice(0, 4000));
  return good;
}

/** `npm install --ignore-scripts` of packages, into a folder of their own. */
function install(title, folder, packages, ...options) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...options, ...packages];
  return check(title, run(process.execPath, [process.env.npm_execpath, ...args], folder));
}

/** Moves what a bundle must not need out of the way while it runs. */
function without(names, body) {
  const away = path.join(work, 'away');
  mkdirSync(away);
  for (const name of names) renameSync(path.join(app, 'node_modules', name), path.join(away, path.basename(name)));
  body();
  for (const name of names) renameSync(path.join(away, path.basename(name)), path.join(app, 'node_modules', name));
  rmSync(away, { recursive: true });
}

function runtimes() {
  for (const [name, [spec, file, ...args]] of Object.entries(RUNTIMES)) {
    const folder = path.join(work, name);
    // --force: the baseline build of Bun declines processors that have better
    if (!install(`installs ${spec}`, folder, [spec], '--force')) continue;
    const executable = path.join(folder, 'node_modules', file);
    for (const program of ['module.mjs', 'common.cjs', 'worker.cjs', 'child.cjs', 'cluster.cjs']) {
      check(`${name}: ${program}`, run(executable, [...args, program], app), 'lion');
    }
  }
}

function bundlers() {
  const folder = path.join(work, 'bundlers');
  if (!install('installs the bundlers', folder, BUNDLERS)) return;
  for (const name of ['esbuild', 'webpack', 'vite']) {
    const made = run(process.execPath, [path.join(app, `${name}.cjs`), path.join(folder, 'node_modules')], app);
    if (!check(`${name}: bundles`, made)) continue;
    const runs = () => check(`${name}: runs`, run(process.execPath, [`${name}/bundle.cjs`], app), 'lion');
    // Vite leaves packages outside an SSR bundle; the others carry the binary along
    if (name === 'vite') check('vite: runs', run(process.execPath, ['vite/bundle.mjs'], app), 'lion');
    else without(['altclip', `@altclip/${system}`], runs);
  }
}

await main(() => {
  if (!process.env.npm_execpath) throw new Error('start it with: npm run test:runtimes');
  mkdirSync(bin);
  symlinkSync(process.execPath, path.join(bin, 'node'));
  const tarball = (name) => path.join(root, 'npm', `${name}-${version}.tgz`);
  const packages = ['altclip', `altclip-${system}`, 'altclip-demo'].map(tarball);
  try {
    if (install('installs altclip', app, packages)) {
      for (const [name, program] of Object.entries(PROGRAMS)) writeFileSync(path.join(app, name), program);
      runtimes();
      bundlers();
      const unpacked = path.join(work, 'resources', 'app.asar.unpacked');
      cpSync(app, unpacked, { recursive: true });
      check('app.asar.unpacked', run(process.execPath, ['common.cjs'], unpacked), 'lion');
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  if (failures.length > 0) throw new Error(`${failures.length} failed: ${failures.join(', ')}`);
});
