// Builds the addon for Vulkan and runs the goldens and test/gpu*.test.ts on a GPU: npm run test:vulkan. Without
// ALTCLIP_TEST_DEVICE that is the first device that Vulkan's loader finds, on a machine without a GPU Mesa's lavapipe.
// What the build needs beside the ordinary one: scripts/vulkan-tools.mjs; for lavapipe, mesa-vulkan-drivers (Debian).
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildNative } from './build-native.mjs';
import { main, step } from './steps.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

await main(() => {
  buildNative({ tests: true, backend: 'vulkan' });
  const env = {
    ...process.env,
    ALTCLIP_TEST_DEVICE: process.env.ALTCLIP_TEST_DEVICE ?? 'vulkan:0',
    // without it ggml passes over devices that are CPUs
    GGML_VK_VISIBLE_DEVICES: process.env.GGML_VK_VISIBLE_DEVICES ?? '0',
  };
  const here = `on ${env.ALTCLIP_TEST_DEVICE}`;
  const tests = [
    '--test-dir',
    path.join(root, 'build', 'cmake-vulkan'),
    '--build-config',
    'Release',
    '-R',
    'test_(towers|vulkan_memory)$',
  ];
  step(`native tests ${here}`, 'ctest', [...tests, '--output-on-failure'], { env });
  const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');
  // lavapipe is slow, the more so beside other work
  const typescript = [vitest, 'run', 'test/gpu', '--testTimeout', '300000'];
  step(`TypeScript tests ${here}`, process.execPath, typescript, { cwd: root, env, stdio: 'inherit' });
});
