// The package.json of every package that is published. The repository's own has development tools and is private; it
// names none of the platform packages, so that `npm ci` works here before they exist at all.
import { PLATFORMS } from './platforms.mjs';

/** What all of them share. */
function common({ version, license, engines }, name, description) {
  const repository = process.env.GITHUB_REPOSITORY;
  return {
    name,
    version,
    description,
    license,
    type: 'commonjs',
    // provenance needs to hear where the package was built
    ...(repository ? { repository: { type: 'git', url: `git+https://github.com/${repository}.git` } } : {}),
    engines,
    publishConfig: { access: 'public', provenance: true },
  };
}

/** The facade; the platform's binary for the CPU and the demo model come along, each as a package of its own. */
export function mainManifest(root) {
  const { keywords, main, types, exports, bin, dependencies, version } = root;
  const binaries = PLATFORMS.filter(({ backend }) => !backend).map(({ name }) => name);
  const optional = ['demo', ...binaries].map((name) => [`@altclip/${name}`, version]);
  return {
    ...common(root, root.name, root.description),
    ...{ keywords, main, types, exports, bin, files: ['dist'], dependencies },
    optionalDependencies: Object.fromEntries(optional),
  };
}

/** @param {import('./platforms.mjs').Platform} platform */
export function platformManifest(root, { name, os, cpu, libc, backend }) {
  const gpus = backend ? `GPUs with ${backend === 'cuda' ? 'CUDA' : 'Vulkan'} on ` : '';
  return {
    ...common(root, `@altclip/${name}`, `altclip's native addon for ${gpus}${os} ${cpu}${libc ? ` (${libc})` : ''}`),
    os: [os],
    cpu: [cpu],
    ...(libc ? { libc: [libc] } : {}),
    preferUnplugged: true,
    exports: { './altclip.node': './altclip.node', './package.json': './package.json' },
    files: ['altclip.node', 'LICENSE-ggml'],
  };
}

/** The demo model and its pictures. */
export function demoManifest(root) {
  return {
    ...common(root, '@altclip/demo', "altclip's small demo model and its pictures"),
    files: ['demo.gguf', 'demo'],
  };
}

/** The addon's source with ggml's, for platforms without a binary; whoever installs it wants it compiled. */
export function sourceManifest(root) {
  const tools = ['cmake-js', 'node-addon-api', 'node-api-headers'];
  return {
    ...common(root, '@altclip/source', "altclip's native addon, compiled where it is installed"),
    binary: root.binary,
    gypfile: true,
    scripts: { install: 'node scripts/build-native.mjs' },
    exports: {
      './altclip.node': './build/Release/altclip.node',
      './vulkan.node': './build/vulkan/altclip.node',
      './cuda.node': './build/cuda/altclip.node',
      './package.json': './package.json',
    },
    files: ['native', 'scripts', 'third_party', 'CMakeLists.txt', 'binding.gyp'],
    dependencies: Object.fromEntries(tools.map((name) => [name, root.devDependencies[name]])),
  };
}
