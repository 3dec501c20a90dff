// Builds the native tests for 64-bit Arm Linux and runs them under qemu-user, once for each CPU that has other kernels:
// NEON alone, with dotprod, with i8mm. Needs (Debian's names) g++-aarch64-linux-gnu and qemu-user.
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const build = join(root, 'build', 'arm64');
const tests = ['test_kernels', 'test_towers', 'test_tokenizer', 'test_image'];
const cpus = ['cortex-a72', 'neoverse-n1', 'max'];

function run(command, args, env = {}) {
  execFileSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
}

run('cmake', [
  ...['-S', '.', '-B', build, `-DCMAKE_TOOLCHAIN_FILE=${join(root, 'cmake', 'aarch64-linux.cmake')}`],
  ...['-DCMAKE_BUILD_TYPE=Release', '-DALTCLIP_BUILD_TESTS=ON'],
]);
run('cmake', ['--build', build, '-j', '2', '--target', ...tests]);
for (const cpu of cpus) {
  console.log(`\n${cpu}`);
  const only = ['-R', `^(${tests.join('|')})$`];
  run('ctest', ['--test-dir', build, '--output-on-failure', ...only], { QEMU_CPU: cpu });
}
