// The tools a build needs, and one sentence for whoever lacks one.
import { spawnSync } from 'node:child_process';

const INSTALL = {
  git: { debian: 'git', fedora: 'git', macos: 'xcode-select --install', windows: 'winget install Git.Git' },
  cmake: { debian: 'cmake', fedora: 'cmake', macos: 'brew install cmake', windows: 'winget install Kitware.CMake' },
  'c++': {
    debian: 'g++ make',
    fedora: 'gcc-c++ make',
    macos: 'xcode-select --install',
    windows: 'winget install Microsoft.VisualStudio.2022.BuildTools, with the "Desktop development with C++" workload',
  },
};

const runs = (command) => !spawnSync(command, ['--version'], { stdio: 'ignore' }).error;

/** @param {'git' | 'cmake' | 'c++'} name */
function present(name) {
  if (name !== 'c++') return runs(name);
  if (process.platform === 'win32') return true; // cmake-js looks for Visual Studio itself and says what it misses
  return [process.env.CXX, 'c++', 'g++', 'clang++'].some((command) => command && runs(command)) && (runs('make') || runs('ninja'));
}

/**
 * Ends the process with one sentence where a tool is missing.
 * @param {'git' | 'cmake' | 'c++'} name
 */
export function requireTool(name) {
  if (present(name)) return;
  const { debian, fedora, macos, windows } = INSTALL[name];
  const what = name === 'c++' ? 'a C++17 compiler with make' : name === 'git' ? 'Git' : 'CMake 3.22 or newer';
  console.error(
    `altclip: building needs ${what}; install it with: apt install ${debian} (Debian, Ubuntu), ` +
      `dnf install ${fedora} (Fedora), ${macos} (macOS), or ${windows} (Windows).`,
  );
  process.exit(1);
}
