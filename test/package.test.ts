/** The npm package as a user gets it: packed, unpacked into an empty project, imported, required and type-checked. */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = path.resolve(__dirname, '..');
const run = promisify(execFile);
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

let project: string;
let installed: string;

beforeAll(async () => {
  project = mkdtempSync(path.join(tmpdir(), 'altclip-package-'));
  const modules = path.join(project, 'node_modules');
  mkdirSync(modules);
  await run('npm', ['pack', '--silent', '--pack-destination', project], {
    cwd: root,
    shell: process.platform === 'win32',
  });
  await run('tar', ['-xzf', `altclip-${manifest.version}.tgz`], { cwd: project });
  installed = path.join(modules, 'altclip');
  cpSync(path.join(project, 'package'), installed, { recursive: true });
  // what npm would install beside it comes from our own node_modules, so that no network is needed
  for (const name of [...Object.keys(manifest.dependencies), '@types']) {
    mkdirSync(path.dirname(path.join(modules, name)), { recursive: true });
    symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name), 'junction');
  }
  writeFileSync(path.join(project, 'package.json'), '{ "private": true }');
}, 300_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

const picture = path.join(root, 'models', 'demo', 'lion.png');
const classify = `
  const classify = await pipeline('zero-shot-image-classification', 'demo');
  console.log((await classify(${JSON.stringify(picture)}, ['Löwe', 'pizza']))[0].label);
  await classify.dispose();`;

describe('the package', { timeout: 120_000 }, () => {
  it('carries what it needs to run and to be built, and no test', () => {
    for (const file of [
      'dist/index.js',
      'dist/index.mjs',
      'dist/index.d.ts',
      'dist/index.d.mts',
      'build/Release/altclip.node',
      'models/demo.gguf',
      'models/demo/labels.json',
      'CMakeLists.txt',
      'binding.gyp',
      'scripts/build-native.mjs',
      'native/error.h',
      'third_party/ggml/CMakeLists.txt',
      'third_party/ggml/LICENSE',
      'third_party/nlohmann/json.hpp',
      'LICENSE',
      'README.md',
    ]) {
      expect({ file, there: existsSync(path.join(installed, file)) }).toEqual({ file, there: true });
    }
    expect(existsSync(path.join(installed, 'test'))).toBe(false);
  });

  it('runs nothing at install', () => {
    const { scripts, gypfile } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'));
    expect(gypfile).toBe(false);
    expect(Object.keys(scripts)).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(pre|post)?install$/)]));
  });

  it('can be imported', async () => {
    writeFileSync(path.join(project, 'main.mjs'), `import { pipeline } from 'altclip';${classify}`);
    expect(await run(process.execPath, ['main.mjs'], { cwd: project })).toEqual({ stdout: 'Löwe\n', stderr: '' });
  });

  it('can be required', async () => {
    writeFileSync(
      path.join(project, 'main.cjs'),
      `const { pipeline } = require('altclip'); (async () => {${classify}})();`,
    );
    expect(await run(process.execPath, ['main.cjs'], { cwd: project })).toEqual({ stdout: 'Löwe\n', stderr: '' });
  });

  it('gives both the same classes', async () => {
    const program = `
      import { createRequire } from 'node:module';
      import * as imported from 'altclip';
      const required = createRequire(import.meta.url)('altclip');
      console.log(imported.AltCLIPModel === required.AltCLIPModel, imported.AltCLIPError === required.AltCLIPError);`;
    writeFileSync(path.join(project, 'same.mjs'), program);
    expect((await run(process.execPath, ['same.mjs'], { cwd: project })).stdout).toBe('true true\n');
  });

  it('brings the altclip command', async () => {
    const bin = path.join(installed, manifest.bin.altclip);
    const { stdout } = await run(process.execPath, [bin, 'classify', picture, '--labels', 'Löwe,pizza'], {
      cwd: project,
    });
    expect(stdout).toMatch(/Löwe +█/);
  });

  it.each(['mts', 'cts'])("has types: README's examples pass tsc --strict as .%s", async (extension) => {
    const examples = [...readFileSync(path.join(root, 'README.md'), 'utf8').matchAll(/```ts\n(.*?)```/gs)];
    expect(examples.length).toBeGreaterThan(0);
    const files = examples.map(([, code], i) => {
      const file = `example-${i}.${extension}`;
      writeFileSync(path.join(project, file), extension === 'mts' ? (code as string) : asFunction(code as string));
      return file;
    });
    const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = ['--strict', '--noEmit', '--target', 'es2022', '--module', 'nodenext', '--types', 'node'];
    const result = await run(process.execPath, [tsc, ...options, ...files], { cwd: project }).catch((error) => error);
    expect(result.stdout).toBe('');
  });
});

/** CommonJS has no await at the top level. */
function asFunction(code: string): string {
  const body = code.split('\n');
  const imports = body.filter((line) => line.startsWith('import '));
  const rest = body.filter((line) => !line.startsWith('import '));
  return `${imports.join('\n')}\nexport async function example() {\n${rest.join('\n')}}\n`;
}
