// The native tests under AddressSanitizer and UndefinedBehaviorSanitizer, in a build tree of their own.
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { provisionGgml } from './provision-ggml.mjs';
import { main, step } from './steps.mjs';
import { generator, requireTools } from './tools.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const tree = path.join(root, 'build-sanitize');

await main(() => {
  requireTools('c++', 'cmake', 'git');
  const definitions = {
    ...provisionGgml(),
    CMAKE_BUILD_TYPE: 'RelWithDebInfo',
    ALTCLIP_SANITIZE: 'ON',
    ALTCLIP_BUILD_TESTS: 'ON',
  };
  const jobs = String(availableParallelism());
  const asked = Object.entries(definitions).map(([key, value]) => `-D${key}=${value}`);
  step('configuring the sanitizer build', 'cmake', ['-S', root, '-B', tree, ...generator(), ...asked]);
  step('building the native tests with sanitizers', 'cmake', ['--build', tree, '--parallel', jobs]);
  const { status } = spawnSync(
    'ctest',
    ['--test-dir', tree, '--output-on-failure', '--no-tests=error', '--parallel', jobs],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        ASAN_OPTIONS: 'detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1',
        UBSAN_OPTIONS: 'print_stacktrace=1',
        ...process.env,
      },
    },
  );
  process.exitCode = status === 0 ? 0 : 1;
});
