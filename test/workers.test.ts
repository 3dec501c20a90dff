/** Many environments at once, and an end in the middle of work: each case is a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.resolve(__dirname, '..');

const prelude = `
  const { once } = require('node:events');
  const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
  const { AltCLIPModel, CLIPImageProcessor, pipeline } = require(${JSON.stringify(path.join(root, 'dist', 'index.js'))});
  const picture = (name) => ${JSON.stringify(path.join(root, 'models', 'demo'))} + '/' + name + '.png';
  const labels = ['lion', 'pizza', '虹', 'llave'];
  const load = () => pipeline('zero-shot-image-classification', 'demo');
  /** Classifies on and on, many at a time; never ends. */
  const toil = async () => {
    const classify = await load();
    for (let n = 0; ; ++n) {
      const texts = Array.from({ length: 64 }, (_, i) => 'label ' + n + ' ' + i);
      await Promise.all(labels.map((label) => classify(picture('lion'), [label, ...texts])));
    }
  };
`;

/** Runs a program in a process of its own. */
async function run(program: string) {
  const child = spawn(process.execPath, ['-e', `${prelude}\n(async () => {${program}})();`], { cwd: root });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const [code, signal] = await once(child, 'close');
  return { code, signal, stdout, stderr };
}

/** Source of a worker, as an expression: the prelude and a body of its own. */
const worker = (body: string) =>
  `new Worker(${JSON.stringify(`${prelude}\n(async () => {${body}})();`)}, { eval: true })`;

describe('a process', { timeout: 60_000 }, () => {
  it('ends after a call that the addon refused', async () => {
    const { stdout, ...end } = await run(`
      const { native } = require(${JSON.stringify(path.join(root, 'dist', 'native.js'))});
      const { demoFolder } = require(${JSON.stringify(path.join(root, 'dist', 'loading', 'demo_model.js'))});
      const file = demoFolder() + '/demo.gguf';
      const model = await native.loadModel(file, { towers: ['text'], device: 'cpu', threads: 1 });
      try {
        await model.encodeText({ rows: 1, columns: 1, inputIds: BigInt64Array.of(4n) }, {});
      } catch (error) {
        console.log(error.code);
      }
      await model.dispose();`);
    expect(end).toEqual({ code: 0, signal: null, stderr: '' });
    expect(stdout).toBe('INVALID_ARGUMENT\n');
  });
});

describe('worker threads', { timeout: 120_000 }, () => {
  it('load and run in the main thread and four workers at once', async () => {
    const task = `
      const classify = await load();
      const names = ['lion', 'pizza', 'rainbow', 'key'];
      const answers = await Promise.all(names.map(async (name) => (await classify(picture(name), labels))[0].label));
      await classify.dispose();`;
    const { stdout, ...end } = await run(`
      const workers = [1, 2, 3, 4].map(() => ${worker(`${task} parentPort.postMessage(answers);`)});
      const theirs = workers.map(async (one) => (await once(one, 'message'))[0]);
      const mine = (async () => { ${task} return answers; })();
      console.log(JSON.stringify(await Promise.all([mine, ...theirs])));`);
    expect(end).toEqual({ code: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toEqual(Array(5).fill(['lion', 'pizza', '虹', 'llave']));
  });

  it('can be terminated in the middle of a large picture', async () => {
    const { stdout, ...end } = await run(`
      const png = await require('sharp')({ create: { width: 5000, height: 5000, channels: 3, background: '#456' } })
        .png().toBuffer();
      for (const delay of [100, 200, 300, 400, 600, 800]) {
        const one = new Worker(${JSON.stringify(`${prelude}
          const large = new CLIPImageProcessor({ size: { height: 6000, width: 6000 }, do_center_crop: false });
          large(workerData).catch(() => undefined);
          parentPort.postMessage('started');`)}, { eval: true, workerData: png });
        await once(one, 'message');
        await new Promise((resolve) => setTimeout(resolve, delay));
        await one.terminate();
      }
      console.log('alive');`);
    expect(end).toEqual({ code: 0, signal: null, stderr: '' });
    expect(stdout).toBe('alive\n');
  });

  it('can be terminated in the middle of work while the main thread goes on', async () => {
    const { stdout, ...end } = await run(`
      const workers = [1, 2].map(() => ${worker(`parentPort.postMessage('started'); await toil();`)});
      await Promise.all(workers.map((one) => once(one, 'message')));
      const classify = await load();
      await classify(picture('lion'), labels);
      await Promise.all(workers.map((one) => one.terminate()));
      console.log((await classify(picture('lion'), labels))[0].label);
      await classify.dispose();`);
    expect(end).toEqual({ code: 0, signal: null, stderr: '' });
    expect(stdout).toBe('lion\n');
  });
});

describe('process.exit in the middle of work', { timeout: 120_000 }, () => {
  // from before the model is loaded to the middle of its computing, wherever a machine's speed puts that
  const delays = [0, 5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 80, 100, 150, 200, 300];
  it.each(delays)('ends with the code it was given, after %i ms', async (delay) => {
    const end = await run(`setTimeout(() => process.exit(7), ${delay}); await toil();`);
    expect(end).toEqual({ code: 7, signal: null, stdout: '', stderr: '' });
  });

  it('ends while workers are at work', async () => {
    const end = await run(`
      const workers = [1, 2].map(() => ${worker(`parentPort.postMessage('started'); await toil();`)});
      await Promise.all(workers.map((one) => once(one, 'message')));
      setTimeout(() => process.exit(7), 100);
      await toil();`);
    expect(end).toEqual({ code: 7, signal: null, stdout: '', stderr: '' });
  });

  it('ends with a loaded model that nobody disposed', async () => {
    const end = await run(`const model = await AltCLIPModel.from_pretrained('demo'); globalThis.kept = model;`);
    expect(end).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
  });

  it('ends with an uncaught error as Node does', async () => {
    const end = await run(`toil(); setTimeout(() => { throw new Error('on purpose'); }, 100);`);
    expect(end).toMatchObject({ code: 1, signal: null });
    expect(end.stderr).toContain('on purpose');
  });
});
