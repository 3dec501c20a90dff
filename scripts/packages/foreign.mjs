// Another platform's packages on this machine: npm run test:foreign -- PLATFORM ROOT [EMULATOR]. ROOT is a file system
// of that platform with its Node.js, as `docker export` makes of a container of node:22-alpine. In there, and seeing
// nothing else, npm installs the tarballs of npm/ and the demo picture is classified. A processor that this one is not
// takes an emulator that is linked statically and lies in ROOT: /usr/bin/qemu-aarch64-static.
import { copyFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { main } from '../steps.mjs';
import { PLATFORMS } from './platforms.mjs';
import { Trial, tarball } from './trial.mjs';

await main(() => {
  const [name, root, ...emulator] = process.argv.slice(2);
  if (!PLATFORMS.some((platform) => platform.name === name) || !root) {
    throw new Error('expected a platform, a file system of it, and an emulator if it takes one');
  }
  const trial = new Trial('foreign', path.join(root, 'tmp'));
  const within = `/${path.relative(root, trial.folder)}`;
  const node = ['unshare', '--map-root-user', `--root=${root}`, `--wd=${within}`, ...emulator, '/usr/local/bin/node'];
  const npm = [...node, '/usr/local/lib/node_modules/npm/bin/npm-cli.js'];
  const packages = ['altclip', '@altclip/demo', `@altclip/${name}`].map(tarball);
  // processes that Node.js starts itself would lack the emulator
  const processes = emulator.length > 0 ? [] : ['child.cjs', 'cluster.cjs'];
  try {
    mkdirSync(path.join(root, 'etc'), { recursive: true });
    copyFileSync('/etc/resolv.conf', path.join(root, 'etc', 'resolv.conf'));
    for (const file of packages) copyFileSync(file, path.join(trial.folder, path.basename(file)));
    const names = packages.map((file) => `./${path.basename(file)}`);
    if (!trial.install(`installs as on ${name}`, trial.folder, ['--ignore-scripts', ...names], { npm })) return;
    for (const program of ['module.mjs', 'common.cjs', 'worker.cjs', ...processes]) {
      const [command, ...args] = [...node, program];
      trial.check(`${name}: ${program}`, trial.run(command, args), 'lion');
    }
  } finally {
    trial.end();
  }
});
