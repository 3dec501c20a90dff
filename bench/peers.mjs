// The sides of a comparison, each a process of its own that stays alive between calls.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { hasBf16 } from './machine.mjs';

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), 'peers');

const altclip = (dtype) => ({ id: `altclip ${dtype}`, dtype, script: 'altclip.mjs', file: () => `gguf/${dtype}.gguf` });
const ggml = (dtype) => ({ ...altclip(dtype), id: `ggml ${dtype}`, env: { ALTCLIP_KERNELS: 'ggml' } });
const onnxruntime = (dtype, suffix) => ({
  id: `onnxruntime ${dtype}`,
  dtype,
  script: 'onnxruntime.mjs',
  file: (tower) => `onnx/${tower}${suffix}.onnx`,
});
const pytorch = (dtype) => ({ id: `PyTorch ${dtype}`, dtype, script: 'pytorch.py', file: () => 'checkpoint' });

/** In the order of tables and charts; `main`: they run every workload; `quick` false: not in --quick. */
export const peers = [
  { ...altclip('f32'), main: true },
  { ...altclip('f16'), quick: false },
  { ...altclip('bf16'), quick: false },
  { ...altclip('q8_0'), main: true },
  altclip('q4_k_m'),
  ggml('f32'),
  { ...ggml('f16'), quick: false },
  ggml('q8_0'),
  { ...onnxruntime('f32', ''), main: true },
  { ...onnxruntime('int8', '-int8'), main: true },
  { ...pytorch('f32'), main: true },
  ...(hasBf16() ? [{ ...pytorch('bf16'), main: true }] : []),
];

/** A running peer. */
export class Peer {
  /** Starts `peer` and waits until it has loaded. @returns {Promise<Peer>} */
  static async start(peer, { cache, python, tower, threads }) {
    const settings = {
      file: path.join(cache, peer.file(tower)),
      packages: path.join(cache, 'node'),
      dtype: peer.dtype,
      tower,
      threads,
    };
    const script = path.join(folder, peer.script);
    const child = spawn(script.endsWith('.py') ? python : process.execPath, [script, JSON.stringify(settings)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...peer.env },
    });
    const running = new Peer(peer.id, child);
    running.loaded = await running.answer();
    return running;
  }

  constructor(id, child) {
    this.id = id;
    this.child = child;
    this.log = '';
    child.stderr.on('data', (text) => {
      this.log = (this.log + text).slice(-4000);
    });
    child.stdin.on('error', () => undefined); // answer() reports the end of the process
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  async answer() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.id} ended\n${this.log}`);
    return JSON.parse(value);
  }

  /** Runs a workload once: `{ ms, rss }`, and `features` where asked. */
  run(workload, features = false) {
    this.child.stdin.write(`${JSON.stringify({ workload, features })}\n`);
    return this.answer();
  }

  stop() {
    this.child.kill();
  }
}
