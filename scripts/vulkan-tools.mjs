// What compiling ggml's Vulkan backend takes, which distributions have too old: the headers of Vulkan (1.4) and SPIR-V,
// and glslc, the compiler of its shaders. With VULKAN_SDK set, LunarG's SDK is used; otherwise all come in source from
// crates.io, with cargo, and stay in the build cache; glslc compiles for some minutes, once. ALTCLIP_GLSLC names one that
// is there; one of 2023 knows too few extensions.
// libvulkan must be installed (Debian: libvulkan-dev). Node's built-ins only.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { buildCache } from './provision-ggml.mjs';
import { isMain, main, step } from './steps.mjs';
import { generator, requireTools } from './tools.mjs';

const CRATES = { 'vk-mem': '0.5.0', 'shaderc-sys': '0.10.1' };

/** @returns {string} folder with the crates' sources, checked by cargo against its registry's checksums */
function crates() {
  const folder = path.join(buildCache, `vulkan-${Object.values(CRATES).join('-')}`);
  if (existsSync(folder)) return folder;
  requireTools('cargo');
  mkdirSync(buildCache, { recursive: true });
  const work = mkdtempSync(path.join(buildCache, 'crates-'));
  try {
    const wanted = Object.entries(CRATES).map(([name, version]) => `${name} = "=${version}"\n`);
    mkdirSync(path.join(work, 'src'));
    writeFileSync(path.join(work, 'src', 'lib.rs'), '');
    writeFileSync(
      path.join(work, 'Cargo.toml'),
      `[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n${wanted.join('')}`,
    );
    step("fetching Vulkan's headers and shaderc's source (once)", 'cargo', ['vendor', 'vendor'], { cwd: work });
    renameSync(path.join(work, 'vendor'), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

/** @returns {string} folder of the CMake package SPIRV-Headers */
function spirvHeaders(sources) {
  const prefix = path.join(buildCache, `spirv-headers-${CRATES['shaderc-sys']}`);
  const found = path.join(prefix, 'share', 'cmake', 'SPIRV-Headers');
  if (existsSync(found)) return found;
  const tree = path.join(prefix, 'build');
  step('configuring SPIRV-Headers', 'cmake', [
    ...['-S', path.join(sources, 'shaderc-sys', 'build', 'spirv-headers'), '-B', tree, ...generator()],
    ...[`-DCMAKE_INSTALL_PREFIX=${prefix}`, '-DSPIRV_HEADERS_ENABLE_TESTS=OFF'],
  ]);
  step('installing SPIRV-Headers (once)', 'cmake', ['--install', tree]);
  return found;
}

/** @returns {string} path of a glslc with every extension that ggml asks for */
function builtGlslc(sources) {
  const tree = path.join(buildCache, `glslc-${CRATES['shaderc-sys']}`);
  const file = path.join(tree, 'shaderc', 'glslc', `glslc${process.platform === 'win32' ? '.exe' : ''}`);
  const off = ['SPIRV_WERROR', 'SHADERC_ENABLE_WERROR_COMPILE', 'ENABLE_GLSLANG_BINARIES'];
  const on = ['SHADERC_SKIP_TESTS', 'SHADERC_SKIP_EXAMPLES', 'SHADERC_SKIP_COPYRIGHT_CHECK', 'SPIRV_SKIP_EXECUTABLES'];
  if (!existsSync(path.join(tree, 'CMakeCache.txt'))) {
    step('configuring glslc', 'cmake', [
      ...['-S', path.join(sources, 'shaderc-sys', 'build'), '-B', tree, ...generator(), '-DCMAKE_BUILD_TYPE=Release'],
      ...off.map((name) => `-D${name}=OFF`),
      ...on.map((name) => `-D${name}=ON`),
    ]);
  }
  const parallel = String(availableParallelism());
  step('compiling glslc (minutes, once)', 'cmake', ['--build', tree, '--target', 'glslc_exe', '--parallel', parallel]);
  return file;
}

/** @returns {Record<string, string>} the CMake cache entries that point at headers and glslc */
export function vulkanTools() {
  if (process.env.VULKAN_SDK) return {};
  const sources = crates();
  return {
    Vulkan_INCLUDE_DIR: path.join(sources, 'vk-mem', 'vendor', 'Vulkan-Headers', 'include'),
    'SPIRV-Headers_DIR': spirvHeaders(sources),
    Vulkan_GLSLC_EXECUTABLE: process.env.ALTCLIP_GLSLC ?? builtGlslc(sources),
  };
}

if (isMain(import.meta.url)) await main(() => console.log(vulkanTools()));
