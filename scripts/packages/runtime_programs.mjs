// The programs that scripts/packages/runtimes.mjs runs: each prints the best label of the demo picture, which is lion.

const classify = `
  const classifier = await pipeline('zero-shot-image-classification', 'demo');
  const best = (await classifier('node_modules/@altclip/demo/demo/lion.png', ['pizza', 'lion', 'key']))[0].label;
  await classifier.dispose();`;
const common = `const { pipeline } = require('altclip');\n`;
const done = 'console.log(best);';

const module = `
  import { pipeline } from 'altclip';
  (async () => {${classify}${done}})();`;

/** @type {Record<string, string>} file name -> source */
export const PROGRAMS = {
  'module.mjs': module,
  'common.cjs': `${common}(async () => {${classify}${done}})();`,
  'worker.cjs': `
    const { Worker, isMainThread, parentPort } = require('node:worker_threads');
    ${common}
    if (isMainThread) new Worker(__filename).on('message', (best) => ${done.replace(';', '')});
    else (async () => {${classify} parentPort.postMessage(best); })();`,
  'child.cjs': `
    const { fork } = require('node:child_process');
    ${common}
    if (!process.argv.includes('child')) fork(__filename, ['child']).on('message', (best) => ${done.replace(';', '')});
    else (async () => {${classify} process.send(best, () => process.disconnect()); })();`,
  'cluster.cjs': `
    const cluster = require('node:cluster');
    ${common}
    if (cluster.isPrimary) cluster.fork().on('message', (best) => ${done.replace(';', '')});
    else (async () => {${classify} process.send(best, () => cluster.worker.disconnect()); })();`,
  'esbuild.cjs': `
    require(process.argv[2] + '/esbuild').build({
      entryPoints: ['module.mjs'], outfile: 'esbuild/bundle.cjs', bundle: true, platform: 'node', format: 'cjs',
      external: ['sharp'], loader: { '.node': 'copy' }, logLevel: 'error',
    });`,
  'webpack.cjs': `
    const modules = process.argv[2];
    require(modules + '/webpack')({
      mode: 'production', target: 'node', entry: './module.mjs', externals: { sharp: 'commonjs sharp' },
      output: { path: __dirname + '/webpack', filename: 'bundle.cjs', publicPath: '' }, node: { __dirname: false, __filename: false },
      module: { rules: [{ test: /\\.node$/, loader: modules + '/node-loader' }] },
    }, (error, stats) => {
      if (error || stats.hasErrors()) throw error ?? new Error(stats.toString('errors-only'));
    });`,
  'vite.cjs': `
    import(process.argv[2] + '/vite/dist/node/index.js').then(({ build }) =>
      build({ logLevel: 'error', build: { ssr: 'module.mjs', outDir: 'vite', rollupOptions: { output: { entryFileNames: 'bundle.mjs' } } } }));`,
};
