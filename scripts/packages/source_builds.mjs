// Every way in which the addon is compiled outside of this repository: npm run test:source installs the tarballs of
// npm/, the source among them, into an empty folder and lets npm, node-gyp, cmake-js and Electron's rebuild tool build
// it there; after each the demo picture is classified with what was built. Headers come from a thread of this process,
// made of those that Node.js has beside it, under Electron's version too: Node-API's are the same.
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { main } from '../steps.mjs';
import { thisPlatform } from './platforms.mjs';
import { Trial, tarball } from './trial.mjs';

const ELECTRON = '33.2.0';
// @electron/rebuild takes no older Node.js
const NODE = `node-${thisPlatform()}`;

/** Serves the folder with the headers of one version, as the hosts of Node.js and Electron do. */
const SERVER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { createHash } = require('node:crypto');
  const { readFileSync } = require('node:fs');
  const { basename } = require('node:path');
  const server = require('node:http').createServer(({ url }, response) => {
    const tarball = readFileSync(workerData);
    const sums = createHash('sha256').update(tarball).digest('hex') + '  ' + basename(workerData) + '\\n';
    if (url.endsWith('SHASUMS256.txt')) response.end(sums);
    else if (url.endsWith(basename(workerData))) response.end(tarball);
    else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`;

/** The headers beside this Node.js as the tarball node-vVERSION-headers.tar.gz. */
function packHeaders(trial, version) {
  const include = path.join(path.dirname(process.execPath), '..', 'include', 'node');
  if (!existsSync(include)) throw new Error(`${include}: no headers there, expected those of this Node.js`);
  const file = path.join(trial.folder, `node-v${version}-headers.tar.gz`);
  const strip = `s,^,node-v${version}/include/,`;
  const made = trial.run('tar', ['-czhf', file, '--transform', strip, '-C', path.dirname(include), 'node']);
  if (!made.ok) throw new Error(made.report);
  return file;
}

await main(async () => {
  const trial = new Trial('source');
  const app = path.join(trial.folder, 'app');
  const source = path.join(app, 'node_modules', '@altclip', 'source');
  const tools = path.join(trial.folder, 'tools');
  const npm = path.dirname(process.env.npm_execpath);
  const nodeGyp = path.join(npm, '..', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const server = new Worker(SERVER, { eval: true, workerData: packHeaders(trial, ELECTRON) });

  /** A build from nothing, and the picture. */
  function builds(title, args, node = process.execPath) {
    rmSync(path.join(source, 'build'), { recursive: true, force: true });
    // home: where Electron's tool and node-gyp keep the headers they fetch
    const env = { ...process.env, HOME: trial.folder };
    if (!trial.check(`${title}: builds`, trial.run(node, args, { cwd: source, env }))) return;
    trial.check(`${title}: runs`, trial.run(process.execPath, ['common.cjs'], { cwd: app }), 'lion');
  }

  try {
    const [port] = await once(server, 'message');
    const packages = ['altclip', '@altclip/demo', '@altclip/source'].map(tarball);
    if (!trial.install('npm install: builds', app, packages)) return;
    trial.check('npm install: runs', trial.run(process.execPath, ['common.cjs'], { cwd: app }), 'lion');
    const nodedir = path.join(path.dirname(process.execPath), '..');
    builds('node-gyp rebuild', [nodeGyp, 'rebuild', `--nodedir=${nodedir}`]);
    builds('cmake-js rebuild', [createRequire(source).resolve('cmake-js/bin/cmake-js'), 'rebuild']);

    const installed = ['--ignore-scripts', `${NODE}@22`, '@electron/rebuild@4.0.1'];
    if (!trial.install('installs @electron/rebuild', tools, installed)) return;
    const node = path.join(tools, 'node_modules', NODE, 'bin', 'node');
    const rebuild = path.join(tools, 'node_modules', '@electron', 'rebuild', 'lib', 'cli.js');
    const args = ['--version', ELECTRON, '--module-dir', app, '--dist-url', `http://127.0.0.1:${port}`, '--force'];
    builds('electron-rebuild', [rebuild, ...args], node);
  } finally {
    await server.terminate();
    trial.end();
  }
});
