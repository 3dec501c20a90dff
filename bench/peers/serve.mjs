// The measured side of the line protocol: one JSON line in, one out.
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const copy = ({ buffer, byteOffset, byteLength }) => buffer.slice(byteOffset, byteOffset + byteLength);

/** @param {string} path raw float32 values */
export const floats = (path) => new Float32Array(copy(readFileSync(path)));

/** @param {string} path raw int64 values */
export const integers = (path) => new BigInt64Array(copy(readFileSync(path)));

/** The largest resident set since the last call with `reset`, in bytes; where the system does not tell, the present one. */
function peakMemory(reset) {
  try {
    if (reset) return writeFileSync('/proc/self/clear_refs', '5');
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
  } catch {
    return process.memoryUsage.rss();
  }
}

/**
 * Loads, says `{ load_ms, rss }`, then answers each workload with `{ ms, rss }`, and with its features where asked.
 * @param {(settings: object) => Promise<Record<string, (workload: object) => () => Promise<Float32Array>>>} load gives
 *   one function a kind of workload, which makes the inputs ready and returns what is timed
 */
export async function serve(load) {
  const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  const start = performance.now();
  const kinds = await load(JSON.parse(process.argv[2]));
  answer({ load_ms: performance.now() - start, rss: process.memoryUsage.rss() });
  const ready = new Map();
  for await (const line of createInterface({ input: process.stdin })) {
    const { workload, features } = JSON.parse(line);
    if (!ready.has(workload.id)) {
      ready.clear(); // one workload's inputs at a time
      ready.set(workload.id, kinds[workload.kind](workload));
    }
    peakMemory(true);
    const begin = performance.now();
    const values = await ready.get(workload.id)();
    const ms = performance.now() - begin;
    answer({ ms, rss: peakMemory(false), ...(features && { features: Array.from(values) }) });
  }
  process.exit();
}
