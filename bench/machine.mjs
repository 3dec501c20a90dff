// What the figures were measured on.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, totalmem } from 'node:os';
import path from 'node:path';

function cpuFlags() {
  try {
    return (/^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '').split(' ');
  } catch {
    return [];
  }
}

/** Whether the CPU multiplies bfloat16: without that, PyTorch's bf16 is slower than its f32. */
export const hasBf16 = () => cpuFlags().some((flag) => ['avx512_bf16', 'amx_bf16', 'bf16'].includes(flag));

/** CPU, instruction sets, versions of ourselves and of the peers in `cache`, and how busy the machine is now. */
export function machine(cache) {
  const { native } = createRequire(import.meta.url)('../dist/native.js');
  const interesting = /^(avx.*|fma|f16c|amx.*|vnni|asimd.*|i8mm|bf16|sve.*)$/;
  const versions = [`Node.js ${process.version}`];
  try {
    const manifest = path.join(cache, 'node', 'node_modules', 'onnxruntime-node', 'package.json');
    versions.push(`onnxruntime-node ${JSON.parse(readFileSync(manifest, 'utf8')).version}`);
    const requirements = readFileSync(new URL('peers/requirements.txt', import.meta.url), 'utf8');
    versions.push(...['torch', 'transformers'].map((name) => new RegExp(`^${name}==.*`, 'm').exec(requirements)[0]));
  } catch {} // no peers there
  return {
    cpu: cpus()[0]?.model ?? process.arch,
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    isa: cpuFlags().filter((flag) => interesting.test(flag)),
    load_average: loadavg().map((value) => Number(value.toFixed(2))),
    addon: native.systemInfo(),
    versions: versions.join(', '),
  };
}
