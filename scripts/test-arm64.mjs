// Builds the native tests for 64-bit Arm Linux and runs them under qemu-user, once for each CPU that has other kernels:
// NEON alone, with dotprod, with i8mm. Needs (Debian's names) g++-aarch64-linux-gnu and qemu-user.
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { main, step } from './steps.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const build = path.join(root, 'build', 'arm64');
const tests = ['test_kernels', 'test_products', 'test_products_limits', 'test_towers', 'test_tokenizer', 'test_image'];
const cpus = ['cortex-a72', 'neoverse-n1', 'max'];

await main(() => {
  const configure = ['-S', root, '-B', build, '-DCMAKE_BUILD_TYPE=Release', '-DALTCLIP_BUILD_TESTS=ON'];
  const toolchain = path.join(root, 'cmake', 'aarch64-linux.cmake');
  step('configuring for aarch64', 'cmake', [...configure, `-DCMAKE_TOOLCHAIN_FILE=${toolchain}`]);
  const jobs = String(availableParallelism());
  step('building the native tests', 'cmake', ['--build', build, '-j', jobs, '--target', ...tests]);
  for (const QEMU_CPU of cpus) {
    const args = ['--test-dir', build, '--output-on-failure', '-R', `^(${tests.join('|')})$`];
    step(`testing on ${QEMU_CPU}`, 'ctest', args, { env: { ...process.env, QEMU_CPU }, stdio: 'inherit' });
  }
});
