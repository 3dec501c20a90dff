// What npm run demo, npm test and npm run build do first: from a fresh clone to a package that runs, and nothing that
// is already done. Node's built-ins only, since npm ci may not have run yet. `--tests` builds the native tests too.
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildNative } from './build-native.mjs';
import { main, step } from './steps.mjs';
import { requireTools } from './tools.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const modified = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);

function installDependencies() {
  const installed = modified(path.join(root, 'node_modules', '.package-lock.json'));
  if (installed > 0 && installed >= modified(path.join(root, 'package-lock.json'))) return;
  step('installing npm packages', 'npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: root,
    shell: process.platform === 'win32',
  });
}

function compileTypeScript() {
  const stamp = path.join(root, 'dist', '.compiled');
  const sources = readdirSync(path.join(root, 'lib'), { recursive: true }).map((name) => path.join(root, 'lib', name));
  const newest = Math.max(...[...sources, path.join(root, 'tsconfig.json')].map(modified));
  if (modified(stamp) > newest) return;
  rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  step('compiling TypeScript', process.execPath, [
    path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    path.join(root, 'tsconfig.json'),
  ]);
  writeFileSync(stamp, '');
}

await main(() => {
  requireTools('c++', 'cmake', 'git');
  installDependencies();
  buildNative({ tests: process.argv.includes('--tests') });
  compileTypeScript();
});
