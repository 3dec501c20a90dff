// What compiling ggml's Vulkan backend takes, which distributions have too old: Vulkan's headers (1.4) and glslc, the
// compiler of its shaders. With VULKAN_SDK set, LunarG's SDK is used; otherwise both come in source from crates.io, with
// cargo, and stay in the build cache; glslc compiles for some minutes, once. ALTCLIP_GLSLC names one that is there; one
// of 2023 knows too few extensions.
// libvulkan and SPIRV-Headers must be installed (Debian: libvulkan-dev, spirv-headers). Node's built-ins only.
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
    Vulkan_GLSLC_EXECUTABLE: process.env.ALTCLIP_GLSLC ?? builtGlslc(sources),
  };
}

if (isMain(import.meta.url)) await main(() => console.log(vulkanTools()));
