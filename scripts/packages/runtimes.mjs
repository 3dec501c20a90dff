// The packages as their users meet them: npm run test:runtimes installs the tarballs of npm/ into an empty folder with
// --ignore-scripts and no compiler on the PATH, and has the demo picture classified in every runtime and by programs of
// every make. Runtimes and bundlers come from the npm registry, into a folder of their own.
import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { main } from '../steps.mjs';
import { thisPlatform } from './platforms.mjs';
import { Trial, tarball } from './trial.mjs';

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

await main(() => {
  const trial = new Trial('runtimes');
  const app = path.join(trial.folder, 'app');
  const bin = path.join(trial.folder, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, path.join(bin, 'node'));

  // nothing but node on the PATH
  const env = { ...process.env, PATH: bin, NODE_PATH: '' };
  const run = (command, args, cwd = app) => trial.run(command, args, { cwd, env });
  const install = (title, folder, packages, ...options) =>
    trial.install(title, folder, ['--ignore-scripts', ...options, ...packages], { env });

  /** Moves what must not be needed out of the way while `body` runs. */
  function without(names, body) {
    const away = path.join(trial.folder, 'away');
    mkdirSync(away);
    for (const name of names) renameSync(path.join(app, 'node_modules', name), path.join(away, path.basename(name)));
    body();
    for (const name of names) renameSync(path.join(away, path.basename(name)), path.join(app, 'node_modules', name));
    rmSync(away, { recursive: true });
  }

  function runtimes() {
    for (const [name, [spec, file, ...args]] of Object.entries(RUNTIMES)) {
      const folder = path.join(trial.folder, name);
      // --force: the baseline build of Bun declines processors that have better
      if (!install(`installs ${spec}`, folder, [spec], '--force')) continue;
      const executable = path.join(folder, 'node_modules', file);
      for (const program of ['module.mjs', 'common.cjs', 'worker.cjs', 'child.cjs', 'cluster.cjs']) {
        trial.check(`${name}: ${program}`, run(executable, [...args, program]), 'lion');
      }
    }
  }

  function bundlers() {
    const folder = path.join(trial.folder, 'bundlers');
    if (!install('installs the bundlers', folder, BUNDLERS)) return;
    for (const name of ['esbuild', 'webpack', 'vite']) {
      const made = run(process.execPath, [path.join(app, `${name}.cjs`), path.join(folder, 'node_modules')]);
      if (!trial.check(`${name}: bundles`, made)) continue;
      const runs = () => trial.check(`${name}: runs`, run(process.execPath, [`${name}/bundle.cjs`]), 'lion');
      // Vite leaves packages outside an SSR bundle; the others carry the binary along
      if (name === 'vite') trial.check('vite: runs', run(process.execPath, ['vite/bundle.mjs']), 'lion');
      else without(['altclip', `@altclip/${system}`], runs);
    }
  }

  /** The one message, with both commands. */
  function withoutBinary() {
    const { ok, report } = run(process.execPath, ['common.cjs']);
    const told = [`npm install @altclip/${system}@`, 'npm install @altclip/source@'].every((line) =>
      report.includes(line),
    );
    trial.check('without the binary: says what mends it', { ok: !ok && told, stdout: '', report });
  }

  try {
    if (install('installs altclip', app, ['altclip', `@altclip/${system}`, '@altclip/demo'].map(tarball))) {
      runtimes();
      bundlers();
      without([`@altclip/${system}`], withoutBinary);
      const unpacked = path.join(trial.folder, 'resources', 'app.asar.unpacked');
      cpSync(app, unpacked, { recursive: true });
      trial.check('app.asar.unpacked', run(process.execPath, ['common.cjs'], unpacked), 'lion');
    }
  } finally {
    trial.end();
  }
});
