// Holds the packed main package against publint and @arethetypeswrong/cli: npm run package:check. Both come from the
// registry when asked for; nobody else needs them.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { main, step } from '../steps.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const tarball = path.join(root, 'npm', `altclip-${version}.tgz`);

await main(() => {
  for (const [name, ...args] of [
    ['publint@0.3.25', 'run', tarball, '--strict'],
    ['@arethetypeswrong/cli@0.18.5', tarball],
  ]) {
    step(`checking with ${name}`, 'npx', ['--yes', name, ...args], { cwd: root, shell: process.platform === 'win32' });
  }
});
