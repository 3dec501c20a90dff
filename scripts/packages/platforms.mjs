// The platforms that get a binary of their own, and how each is built. One entry a package @altclip/NAME; the names are
// those that lib/native_loader.ts requires.

/**
 * @typedef {object} Platform
 * @property {string} name of the package, behind @altclip/
 * @property {'linux' | 'darwin' | 'win32'} os as npm and Node.js write it
 * @property {'x64' | 'arm64'} cpu
 * @property {'glibc' | 'musl'} [libc] npm's field; Linux only
 * @property {string} [zig] target of Zig's C++ compiler: Linux binaries are cross-compiled, so that they run on a
 *   glibc as old as the name says, whatever machine built them; the others are built on the system they are for
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
];

/** @returns {string} package of the machine that this runs on */
export function thisPlatform() {
  const { glibcVersionRuntime } = process.report.getReport().header;
  const musl = process.platform === 'linux' && glibcVersionRuntime === undefined;
  return `${process.platform}-${process.arch}${musl ? '-musl' : ''}`;
}
