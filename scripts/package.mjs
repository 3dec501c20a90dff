// Fills npm/ with what is published and packs it: the facade, the demo model, the source, and the platform packages
// named: node scripts/package.mjs [--native] [PLATFORM...], this machine's where none is. Linux binaries are built with
// Zig against an old glibc; --native takes build/Release instead, as made by `npm run build`, on any system. The
// tarballs lie in npm/ too; --out DIR moves it.
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildNative } from './build-native.mjs';
import { crossBuild } from './packages/cross.mjs';
import { demoManifest, mainManifest, platformManifest, sourceManifest } from './packages/manifests.mjs';
import { PLATFORMS, thisPlatform } from './packages/platforms.mjs';
import { main, step } from './steps.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

/**
 * A package's folder and tarball.
 * @param {string} out
 * @param {Record<string, unknown>} manifest
 * @param {Record<string, string>} files what goes where: path in the package -> path here
 */
function pack(out, manifest, files) {
  const folder = path.join(out, manifest.name.replace('@altclip/', ''));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, source] of Object.entries({ LICENSE: path.join(root, 'LICENSE'), ...files })) {
    cpSync(source, path.join(folder, name), { recursive: true });
  }
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  step(`packing ${manifest.name}`, 'npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', out], {
    cwd: folder,
    shell: process.platform === 'win32',
  });
  const tarball = `${manifest.name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`;
  console.log(`${tarball}: ${(statSync(path.join(out, tarball)).size / 1000).toFixed(0)} kB`);
}

/** @returns {import('./packages/platforms.mjs').Platform} */
function platformCalled(name) {
  const found = PLATFORMS.find((platform) => platform.name === name);
  if (found) return found;
  throw new Error(`no platform '${name}', expected ${PLATFORMS.map((platform) => platform.name).join(', ')}`);
}

function binaryFor(platform, native) {
  const { name, zig, backend } = platform;
  const here = name === [thisPlatform(), backend].filter(Boolean).join('-');
  if (native && !here) throw new Error(`--native builds for ${thisPlatform()}, not ${name}`);
  if (zig && !native) return crossBuild(platform);
  if (!here) throw new Error(`${name} is built on that system, not on ${thisPlatform()}`);
  if (backend) buildNative({ backend });
  return path.join(root, 'build', backend ?? 'Release', 'altclip.node');
}

await main(() => {
  const options = { native: { type: 'boolean', default: false }, out: { type: 'string' } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const out = path.resolve(values.out ?? path.join(root, 'npm'));
  const here = (...names) => Object.fromEntries(names.map((name) => [name, path.join(root, name)]));
  const platforms = (positionals.length > 0 ? positionals : [thisPlatform()]).map(platformCalled);

  for (const platform of platforms) {
    const made = platformManifest(manifest, platform);
    const binary = binaryFor(platform, values.native);
    const licence = path.join(root, 'third_party', 'ggml', 'LICENSE');
    const readme = path.join(root, 'scripts', 'packages', platform.backend ? 'GPU.md' : 'PLATFORM.md');
    pack(out, made, { 'altclip.node': binary, 'README.md': readme, 'LICENSE-ggml': licence });
  }
  pack(out, mainManifest(manifest), here('dist', 'README.md'));
  pack(out, demoManifest(manifest), {
    'demo.gguf': path.join(root, 'models', 'demo.gguf'),
    demo: path.join(root, 'models', 'demo'),
    'README.md': path.join(root, 'models', 'demo', 'README.md'),
  });
  const scripts = ['build-native', 'provision-ggml', 'steps', 'tools', 'vulkan-tools'].map(
    (name) => `scripts/${name}.mjs`,
  );
  const source = here('native', 'third_party', 'CMakeLists.txt', 'binding.gyp', ...scripts);
  pack(out, sourceManifest(manifest), { ...source, 'README.md': path.join(root, 'scripts', 'packages', 'SOURCE.md') });
});
