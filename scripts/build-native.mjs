// Builds build/Release/altclip.node, and with --tests the native tests too, from CMakeLists.txt by way of cmake-js.
// `--backend vulkan` or `--backend cuda` builds the addon for such GPUs, build/BACKEND/altclip.node, with --tests the
// tests of what computes there. What more CMake is to be told stands in ALTCLIP_CMAKE:
// '-DCMAKE_CUDA_ARCHITECTURES=90 -D...'.
//
// CMake's own files lie in build/cmake, apart from those that node-gyp puts into build/ when it calls this script.
// cmake-js configures only when what it would be asked changes; after that ninja or make decides what is stale.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { provisionGgml } from './provision-ggml.mjs';
import { isMain, main, step } from './steps.mjs';
import { requireTools } from './tools.mjs';
import { vulkanTools } from './vulkan-tools.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

/** cmake-js and its headers are development dependencies: a package that was installed from npm comes without. */
function cmakeJs() {
  try {
    require.resolve('node-addon-api');
    return require.resolve('cmake-js/bin/cmake-js');
  } catch {
    throw new Error(
      'building the addon needs cmake-js and node-addon-api; install them with: ' +
        'npm install --save-dev cmake-js node-addon-api node-api-headers',
    );
  }
}

/** What CMake is told for a backend; nothing for the ordinary addon. */
export function backendDefinitions(backend) {
  if (backend === 'vulkan') return { ALTCLIP_VULKAN: 'ON', ...vulkanTools() };
  return backend === 'cuda' ? { ALTCLIP_CUDA: 'ON' } : {};
}

/** Configures the tree where its questions or the tools have changed. */
function configure(tree, target, backend) {
  const definitions = {
    ...provisionGgml(),
    ...backendDefinitions(backend),
    ALTCLIP_BUILD_TESTS: existsSync(path.join(root, 'test', 'native')) ? 'ON' : 'OFF',
    // the place that lib/native_loader.ts loads from, whatever the generator; cmake-js would derive it from --out
    CMAKE_LIBRARY_OUTPUT_DIRECTORY_RELEASE: path.join(root, 'build', backend ?? 'Release'),
  };
  const args = [cmakeJs(), 'configure', '--directory', root, '--out', tree, '--log-level', 'warn'];
  for (const [option, value] of Object.entries(target)) if (value) args.push(`--${option}`, value);
  // ggml declines Microsoft's compiler for Arm; Visual Studio brings Clang with it
  if (process.platform === 'win32' && (target.arch ?? process.arch) === 'arm64') args.push('--toolset', 'ClangCL');
  for (const [key, value] of Object.entries(definitions)) args.push(`--CD${key}=${value}`);
  for (const [, more] of (process.env.ALTCLIP_CMAKE ?? '').matchAll(/-D(\S+)/g)) args.push(`--CD${more}`);

  const stamp = path.join(tree, 'configured.json');
  const asked = JSON.stringify(args);
  const configured =
    existsSync(path.join(tree, 'CMakeCache.txt')) && existsSync(stamp) && readFileSync(stamp, 'utf8') === asked;
  if (configured) return;
  step('configuring the build', process.execPath, args, { cwd: root });
  writeFileSync(stamp, asked);
}

/**
 * @param {{ tests?: boolean, target?: { runtime?: string, 'runtime-version'?: string, arch?: string } }} [options]
 *   `target`: what node-gyp or Electron's rebuild tools ask for; Node-API makes the addon the same for all runtimes,
 *   so only the architecture matters; `backend`: 'vulkan' or 'cuda'
 */
export function buildNative({ tests = false, target = {}, backend } = {}) {
  requireTools('c++', 'cmake');
  const tree = path.join(root, 'build', backend ? `cmake-${backend}` : 'cmake');
  mkdirSync(tree, { recursive: true });
  configure(tree, target, backend);
  const jobs = ['--config', 'Release', '--parallel', String(availableParallelism())];
  const title = `building the native addon${backend ? ` for ${backend}` : ''}${tests ? ' and its tests' : ''}`;
  const targets = tests ? (backend ? ['altclip', 'device_tests'] : ['all']) : ['altclip'];
  step(title, 'cmake', ['--build', tree, ...jobs, '--target', ...targets], { cwd: root });
}

if (isMain(import.meta.url)) {
  await main(() => {
    const { tests, backend, ...target } = parseArgs({
      options: {
        tests: { type: 'boolean' },
        backend: { type: 'string' },
        runtime: { type: 'string' },
        'runtime-version': { type: 'string' },
        arch: { type: 'string' },
      },
    }).values;
    if (backend !== undefined && backend !== 'vulkan' && backend !== 'cuda') {
      throw new Error(`--backend: got '${backend}', expected vulkan or cuda`);
    }
    buildNative({ tests, target, backend });
  });
}
