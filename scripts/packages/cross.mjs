// Builds the addon for a Linux platform with Zig's C++ compiler, which carries every libc it targets: one machine makes
// all four, and what it makes runs on glibc 2.28 (Debian 10, RHEL 8, Ubuntu 18.10) and newer. Zig comes from PyPI
// (`pip install ziglang`) or from ziglang.org; ALTCLIP_ZIG names its executable where `zig` is not on the PATH.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { backendDefinitions } from '../build-native.mjs';
import { provisionGgml } from '../provision-ggml.mjs';
import { step } from '../steps.mjs';
import { generator } from '../tools.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(import.meta.url);

/** CMake wants a program for each tool: one line of shell turns one zig into all of them. */
function writeTools(folder, target) {
  mkdirSync(folder, { recursive: true });
  const zig = process.env.ALTCLIP_ZIG ?? 'zig';
  const tool = (name, command) => {
    const file = path.join(folder, name);
    writeFileSync(file, `#!/bin/sh\nexec "${zig}" ${command} "$@"\n`);
    chmodSync(file, 0o755);
    return file;
  };
  return {
    CMAKE_C_COMPILER: tool('cc', `cc -target ${target}`),
    CMAKE_CXX_COMPILER: tool('c++', `c++ -target ${target}`),
    CMAKE_AR: tool('ar', 'ar'),
    CMAKE_RANLIB: tool('ranlib', 'ranlib'),
  };
}

/** ggml takes the instruction sets of an ordinary build only where it is not cross-compiled. */
const X64 = Object.fromEntries(['SSE42', 'AVX', 'AVX2', 'BMI2', 'FMA', 'F16C'].map((name) => [`GGML_${name}`, 'ON']));

/**
 * @param {import('./platforms.mjs').Platform} platform one with a Zig target
 * @returns {string} path of the addon
 */
export function crossBuild(platform) {
  const tree = path.join(root, 'build-packages', platform.name);
  const definitions = {
    ...provisionGgml(),
    ...backendDefinitions(platform.backend),
    ...writeTools(path.join(tree, 'tools'), platform.zig),
    ...(platform.cpu === 'x64' ? X64 : {}),
    CMAKE_BUILD_TYPE: 'Release',
    CMAKE_SYSTEM_NAME: 'Linux',
    CMAKE_SYSTEM_PROCESSOR: platform.cpu === 'x64' ? 'x86_64' : 'aarch64',
    // where Debian keeps libvulkan, which CMake does not look into for a foreign compiler
    ...(platform.backend ? { CMAKE_LIBRARY_ARCHITECTURE: 'x86_64-linux-gnu' } : {}),
    // what cmake-js would pass; Node-API's headers are the same for every platform
    CMAKE_JS_INC: [require('node-api-headers').include_dir, path.dirname(require.resolve('node-addon-api'))].join(';'),
  };
  const asked = Object.entries(definitions).map(([key, value]) => `-D${key}=${value}`);
  step(`configuring ${platform.name}`, 'cmake', ['-S', root, '-B', tree, ...generator(), ...asked]);
  step(`building ${platform.name}`, 'cmake', [
    ...['--build', tree, '--target', 'altclip', '--parallel', String(availableParallelism())],
  ]);
  return path.join(tree, 'altclip.node');
}
