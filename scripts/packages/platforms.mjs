// The binaries that are packed, and how each is built. One entry a package @altclip/NAME; the names are those that
// lib/native_loader.ts requires. Those with a backend compute on GPUs and are installed by name, beside the others.

/**
 * @typedef {object} Platform
 * @property {string} name of the package, behind @altclip/
 * @property {'linux' | 'darwin' | 'win32'} os as npm and Node.js write it
 * @property {'x64' | 'arm64'} cpu
 * @property {'glibc' | 'musl'} [libc] npm's field; Linux only
 * @property {string} [zig] target of Zig's C++ compiler: Linux binaries are cross-compiled, so that they run on a
 *   glibc as old as the name says, whatever machine built them; the others are built on the system they are for
 * @property {'vulkan' | 'cuda'} [backend] of the GPUs; CUDA's compiler has no use for Zig
 */

/** @type {Platform[]} */
export const PLATFORMS = [
  { name: 'linux-x64', os: 'linux', cpu: 'x64', libc: 'glibc', zig: 'x86_64-linux-gnu.2.28' },
  { name: 'linux-arm64', os: 'linux', cpu: 'arm64', libc: 'glibc', zig: 'aarch64-linux-gnu.2.28' },
  { name: 'linux-x64-musl', os: 'linux', cpu: 'x64', libc: 'musl', zig: 'x86_64-linux-musl' },
  { name: 'linux-arm64-musl', os: 'linux', cpu: 'arm64', libc: 'musl', zig: 'aarch64-linux-musl' },
  { name: 'darwin-x64', os: 'darwin', cpu: 'x64' },
  { name: 'darwin-arm64', os: 'darwin', cpu: 'arm64' },
  { name: 'win32-x64', os: 'win32', cpu: 'x64' },
  { name: 'win32-arm64', os: 'win32', cpu: 'arm64' },
  { name: 'linux-x64-vulkan', os: 'linux', cpu: 'x64', libc: 'glibc', zig: 'x86_64-linux-gnu.2.28', backend: 'vulkan' },
  { name: 'win32-x64-vulkan', os: 'win32', cpu: 'x64', backend: 'vulkan' },
  { name: 'linux-x64-cuda', os: 'linux', cpu: 'x64', libc: 'glibc', backend: 'cuda' },
];

/** @returns {string} package of the machine that this runs on */
export function thisPlatform() {
  const { glibcVersionRuntime } = process.report.getReport().header;
  const musl = process.platform === 'linux' && glibcVersionRuntime === undefined;
  return `${process.platform}-${process.arch}${musl ? '-musl' : ''}`;
}
