// Builds build/Release/altclip.node with cmake-js; `--tests` builds and keeps the native tests too.
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { provisionGgml } from './provision-ggml.mjs';
import { requireTool } from './tools.mjs';

const root = path.resolve(path.dirname(new URL(import.meta.url).pathname), '..');

/**
 * @param {{ tests?: boolean, runtime?: string, runtimeVersion?: string, arch?: string }} [options] what node-gyp or
 *   Electron's rebuild tools ask for; Node-API makes the addon the same for all of them but for the architecture
 */
export function buildNative({ tests = false, runtime, runtimeVersion, arch } = {}) {
  for (const tool of ['c++', 'cmake']) requireTool(tool);
  const definitions = { ...provisionGgml(), ALTCLIP_BUILD_TESTS: tests ? 'ON' : 'OFF' };
  const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  const args = ['compile', '--directory', root, '--parallel', String(availableParallelism()), '--log-level', 'warn'];
  if (runtime) args.push('--runtime', runtime);
  if (runtimeVersion) args.push('--runtime-version', runtimeVersion);
  if (arch) args.push('--arch', arch);
  for (const [key, value] of Object.entries(definitions)) args.push(`--CD${key}=${value}`);
  execFileSync(process.execPath, [cmakeJs, ...args], { cwd: root, stdio: 'inherit' });
}

if (process.argv[1] && path.resolve(process.argv[1]) === path.join(root, 'scripts', 'build-native.mjs')) {
  buildNative({ tests: process.argv.includes('--tests') });
}
