// Makes what the peers need, where it is missing: a random full-size AltCLIP, its ONNX towers, our files, packages.
//
//   node bench/peers/setup.mjs
//
// All of it (some 13 GB) goes to .cache/bench, or ALTCLIP_BENCH_CACHE. Python packages (requirements.txt) come into an
// environment there; ALTCLIP_PYTHON names an interpreter that has them. onnxruntime-node is installed there and is no
// dependency of the package: its install script, which downloads GPU libraries, is not run.
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMain, main, step } from '../../scripts/steps.mjs';
import { peers } from '../peers.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.join(here, '..', '..');
const onnxruntimeVersion = '1.30.0';

export const cacheFolder = () => path.resolve(process.env.ALTCLIP_BENCH_CACHE ?? path.join(root, '.cache', 'bench'));

/** Lets `make` write under another name first: what an interrupted run leaves never passes for complete. */
function once(target, make) {
  if (existsSync(target)) return;
  const { dir, name, ext } = path.parse(target);
  const part = path.join(dir, `part-${name}${ext}`);
  mkdirSync(dir, { recursive: true });
  rmSync(part, { recursive: true, force: true });
  make(part);
  renameSync(part, target);
}

function pythonOf(cache) {
  if (process.env.ALTCLIP_PYTHON) return process.env.ALTCLIP_PYTHON;
  const environment = path.join(cache, 'python');
  const windows = process.platform === 'win32';
  const python = path.join(environment, ...(windows ? ['Scripts', 'python.exe'] : ['bin', 'python']));
  const complete = path.join(environment, 'complete');
  if (!existsSync(complete)) {
    step('making a Python environment', windows ? 'python' : 'python3', ['-m', 'venv', environment]);
    const requirements = ['-r', path.join(here, 'requirements.txt')];
    step('installing PyTorch, transformers and onnxruntime', python, ['-m', 'pip', 'install', ...requirements]);
    writeFileSync(complete, '');
  }
  return python;
}

function installOnnxruntime(folder) {
  if (existsSync(path.join(folder, 'node_modules', 'onnxruntime-node', 'package.json'))) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
  const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', `onnxruntime-node@${onnxruntimeVersion}`];
  step('installing onnxruntime-node', 'npm', install, { cwd: folder, shell: process.platform === 'win32' });
}

/** A tower in ONNX is a file and its weights beside it, under a name that the file knows: a third one says "complete". */
function exportTower(cache, python, tower, wanted) {
  const model = path.join(here, 'model.py');
  const [f32, int8] = [`${tower}.onnx`, `${tower}-int8.onnx`].map((name) => path.join(cache, 'onnx', name));
  const stamped = (file, title, args) => {
    if (existsSync(`${file}.complete`)) return;
    mkdirSync(path.dirname(file), { recursive: true });
    step(title, python, [model, ...args]);
    writeFileSync(`${file}.complete`, '');
  };
  stamped(f32, `exporting the ${tower} tower to ONNX`, ['onnx', path.join(cache, 'checkpoint'), f32, tower]);
  if (wanted.has('int8')) stamped(int8, `quantising the ${tower} tower`, ['quantize', f32, int8]);
}

/**
 * @param {typeof peers} selected
 * @returns {{ cache: string, python: string }} the folder that the peers' files lie in, and the interpreter
 */
export function prepare(selected) {
  const cache = cacheFolder();
  mkdirSync(cache, { recursive: true });
  const python = pythonOf(cache);
  once(path.join(cache, 'checkpoint'), (part) =>
    step('making a random model', python, [path.join(here, 'model.py'), 'checkpoint', part]),
  );
  const of = (script) => new Set(selected.filter((peer) => peer.script === script).map((peer) => peer.dtype));
  for (const dtype of of('altclip.mjs')) {
    once(path.join(cache, 'gguf', `${dtype}.gguf`), (part) => {
      const convert = ['convert', path.join(cache, 'checkpoint'), part, '--dtype', dtype];
      step(`converting to ${dtype}`, process.execPath, [path.join(root, 'dist', 'cli', 'main.mjs'), ...convert]);
    });
  }
  const onnx = of('onnxruntime.mjs');
  if (onnx.size > 0) {
    installOnnxruntime(path.join(cache, 'node'));
    for (const tower of ['vision', 'text']) exportTower(cache, python, tower, onnx);
  }
  return { cache, python };
}

if (isMain(import.meta.url)) await main(() => void prepare(peers));
