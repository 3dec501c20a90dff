// Converts the demo checkpoint to models/demo.gguf (q8_0) with the project's own converter; needs a built addon.
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const native = createRequire(import.meta.url)(path.join(root, 'build', 'Release', 'altclip.node'));

const output = path.join(root, 'models', 'demo.gguf');
const report = await native.convertModel({
  source: path.join(root, 'test', 'fixtures', 'demo', 'checkpoint'),
  output,
  dtype: 'q8_0',
  name: 'AltCLIP emoji demo model',
});
console.log(`${path.relative(root, output)}: ${report.tensors} tensors, ${report.dtype}, ${report.bytes} bytes`);
