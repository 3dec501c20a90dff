// The tools a build needs, and one sentence for whoever lacks one. Node's built-ins only: this runs before npm ci.
import { spawnSync } from 'node:child_process';

const CMAKE_MINIMUM = [3, 22];

const TOOLS = {
  git: {
    what: 'Git',
    debian: 'git',
    fedora: 'git',
    macos: 'xcode-select --install',
    windows: 'winget install Git.Git',
    present: () => version('git') !== undefined,
  },
  cmake: {
    what: `CMake ${CMAKE_MINIMUM.join('.')} or newer`,
    debian: 'cmake',
    fedora: 'cmake',
    macos: 'brew install cmake',
    windows: 'winget install Kitware.CMake',
    present: () => {
      const [major, minor] = /(\d+)\.(\d+)/
        .exec(version('cmake') ?? '')
        ?.slice(1)
        .map(Number) ?? [0, 0];
      return major > CMAKE_MINIMUM[0] || (major === CMAKE_MINIMUM[0] && minor >= CMAKE_MINIMUM[1]);
    },
  },
  cargo: {
    what: "Rust's cargo",
    debian: 'cargo',
    fedora: 'cargo',
    macos: 'brew install rust',
    windows: 'winget install Rustlang.Rustup',
    present: () => version('cargo') !== undefined,
  },
  'c++': {
    what: 'a C++17 compiler and make or ninja',
    debian: 'g++ make',
    fedora: 'gcc-c++ make',
    macos: 'xcode-select --install',
    windows: 'winget install Microsoft.VisualStudio.2022.BuildTools, with the "Desktop development with C++" workload',
    present: () =>
      process.platform === 'win32' || // cmake-js looks for Visual Studio itself and says what it misses
      ([process.env.CXX, 'c++', 'g++', 'clang++'].some((name) => name && version(name) !== undefined) &&
        ['ninja', 'make'].some((name) => version(name) !== undefined)),
  },
};

/** @returns {string | undefined} what `command --version` prints; undefined where there is no such command */
function version(command) {
  // no shell: CXX may hold flags after the name
  const { error, status, stdout } = spawnSync(command.split(' ')[0], ['--version'], { encoding: 'utf8' });
  return error || status !== 0 ? undefined : stdout;
}

/** What cmake needs to hear to use ninja where there is one; cmake-js finds it by itself. */
export const generator = () => (version('ninja') === undefined ? [] : ['-G', 'Ninja']);

/**
 * Ends the process with one sentence where a tool is missing.
 * @param {...('git' | 'cmake' | 'cargo' | 'c++')} names
 */
export function requireTools(...names) {
  const missing = names.map((name) => TOOLS[name]).filter((tool) => !tool.present());
  if (missing.length === 0) return;
  const all = (system, join) => missing.map((tool) => tool[system]).join(join);
  console.error(
    `altclip: building needs ${all('what', ', and ')}; install with: apt install ${all('debian', ' ')} (Debian, ` +
      `Ubuntu), dnf install ${all('fedora', ' ')} (Fedora), ${[...new Set(missing.map((tool) => tool.macos))].join(' and ')} ` +
      `(macOS), or ${all('windows', ' and ')} (Windows).`,
  );
  process.exit(1);
}
