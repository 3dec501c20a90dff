/** Finds the addon's binary: a build of one's own before the package that npm installed for this platform. */
import { existsSync } from 'node:fs';
import { AltCLIPError } from './errors';

const { version } = require('../package.json') as { version: string };

const unpublished = new Error('no binary is published for this platform');

/** Linux with musl instead of glibc: Alpine and its like. */
function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  // asking for a report takes up to seconds, so only where musl is there at all; both can be
  if (!existsSync(`/lib/ld-musl-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so.1`)) return false;
  const { header } = (process.report?.getReport() ?? {}) as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime === undefined;
}

/** `linux-x64-musl` and the like, whether or not there is a package for it. */
const platform = () => `${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`;

/**
 * One place to load from; the error where it does not. Every require has its whole name written out and stands in the
 * try block itself: so bundlers take the binary along, and let those pass that are not installed.
 */
function requireAddon(place: string): unknown {
  try {
    switch (place) {
      case 'build/Release/altclip.node':
        return require('../build/Release/altclip.node');
      case '@altclip/source':
        return require('@altclip/source/altclip.node');
      case '@altclip/linux-x64':
        return require('@altclip/linux-x64/altclip.node');
      case '@altclip/linux-x64-musl':
        return require('@altclip/linux-x64-musl/altclip.node');
      case '@altclip/linux-arm64':
        return require('@altclip/linux-arm64/altclip.node');
      case '@altclip/linux-arm64-musl':
        return require('@altclip/linux-arm64-musl/altclip.node');
      case '@altclip/darwin-x64':
        return require('@altclip/darwin-x64/altclip.node');
      case '@altclip/darwin-arm64':
        return require('@altclip/darwin-arm64/altclip.node');
      case '@altclip/win32-x64':
        return require('@altclip/win32-x64/altclip.node');
      case '@altclip/win32-arm64':
        return require('@altclip/win32-arm64/altclip.node');
      case 'build/vulkan/altclip.node':
        return require('../build/vulkan/altclip.node');
      case '@altclip/linux-x64-vulkan':
        return require('@altclip/linux-x64-vulkan/altclip.node');
      case '@altclip/win32-x64-vulkan':
        return require('@altclip/win32-x64-vulkan/altclip.node');
      case '@altclip/source (vulkan)':
        return require('@altclip/source/vulkan.node');
      case 'build/cuda/altclip.node':
        return require('../build/cuda/altclip.node');
      case '@altclip/linux-x64-cuda':
        return require('@altclip/linux-x64-cuda/altclip.node');
      case '@altclip/source (cuda)':
        return require('@altclip/source/cuda.node');
      default:
        return unpublished;
    }
  } catch (error) {
    return error as Error;
  }
}

/** Why a place gave nothing, in a line. */
function reason(place: string, error: Error): string {
  if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND')
    return (error.message.split('\n')[0] as string).trim();
  if (place === '@altclip/source') return 'not installed, or not compiled (npm rebuild @altclip/source)';
  return place.startsWith('@') ? 'not installed' : 'not built (in a clone of the repository: npm run build)';
}

/**
 * The first addon that loads.
 * @throws AltCLIPError ADDON: everything that was tried, why it failed, and the commands that mend it
 */
export function loadAddon(): unknown {
  const wanted = platform();
  const failures: string[] = [];
  const remedies = [`npm install @altclip/source@${version}  (compiles it: needs a C++17 compiler and CMake)`];
  for (const place of ['build/Release/altclip.node', '@altclip/source', `@altclip/${wanted}`]) {
    const found = requireAddon(place);
    if (!(found instanceof Error)) return found;
    failures.push(`- ${place}: ${reason(place, found)}`);
    if (place === `@altclip/${wanted}` && found !== unpublished) {
      remedies.unshift(`npm install ${place}@${version}  (the binary for this platform)`);
    }
  }
  throw new AltCLIPError(
    'ADDON',
    `no native addon of altclip ${version} loads on ${wanted} with ${runtime()}. Tried:\n${failures.join('\n')}\n` +
      `Mend it with:\n${remedies.map((command) => `  ${command}`).join('\n')}`,
  );
}

/** The addon for GPUs of `backend`, or why there is none, in a sentence. */
export function loadGpuAddon(backend: 'cuda' | 'vulkan'): unknown {
  const name = `@altclip/${platform()}-${backend}`;
  const places = [`build/${backend}/altclip.node`, `@altclip/source (${backend})`, name];
  const failures: string[] = [];
  for (const place of places) {
    const found = requireAddon(place);
    if (!(found instanceof Error)) return found;
    if (found === unpublished) failures.push(`there is no package ${place} (${fromSource(backend)})`);
    else if ((found as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') {
      if (place === name) failures.push(`${place} is not installed (npm install ${place}@${version})`);
    } else failures.push(`${place}: ${reason(place, found)}`);
  }
  return failures.join('; ');
}

/** How to come by an addon that is not published. */
function fromSource(backend: string): string {
  const script = 'node node_modules/@altclip/source/scripts/build-native.mjs';
  return `npm install @altclip/source@${version}, then ${script} --backend ${backend}, compiles it`;
}

function runtime(): string {
  const { electron, bun, deno } = process.versions;
  if (electron) return `Electron ${electron}`;
  if (bun) return `Bun ${bun}`;
  return deno ? `Deno ${deno}` : `Node.js ${process.version}`;
}
