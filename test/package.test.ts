/** The npm package as a user gets it: packed, unpacked into an empty project, imported, required and type-checked. */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = path.resolve(__dirname, '..');
const run = promisify(execFile);
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const musl = process.platform === 'linux' && existsSync('/etc/alpine-release');
const platform = `${process.platform}-${process.arch}${musl ? '-musl' : ''}`;
const tarball = (name: string) => `${name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`;

let project: string;
let installed: string;

beforeAll(async () => {
  project = mkdtempSync(path.join(tmpdir(), 'altclip-package-'));
  const modules = path.join(project, 'node_modules');
  await run(process.execPath, [path.join(root, 'scripts', 'package.mjs'), '--native', '--out', project]);
  for (const name of ['altclip', '@altclip/demo', '@altclip/source', `@altclip/${platform}`]) {
    const to = path.join(modules, name);
    mkdirSync(to, { recursive: true });
    await run('tar', ['-xzf', tarball(name), '--strip-components=1', '-C', path.relative(project, to)], {
      cwd: project,
    });
  }
  installed = path.join(modules, 'altclip');
  // the source would need compiling first: this is about the binary package
  renameSync(path.join(modules, '@altclip', 'source'), path.join(project, 'unpacked-source'));
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
  it.each([
    ['', ['dist/index.js', 'dist/index.mjs', 'dist/index.d.ts', 'dist/index.d.mts', 'LICENSE', 'README.md']],
    [`../@altclip/${platform}`, ['altclip.node', 'LICENSE', 'LICENSE-ggml', 'README.md']],
    ['../@altclip/demo', ['demo.gguf', 'demo/labels.json', 'README.md']],
    [
      '../../unpacked-source',
      [
        ...['CMakeLists.txt', 'binding.gyp', 'scripts/build-native.mjs', 'native/error.h', 'third_party/SOURCE'],
        ...['third_party/ggml/CMakeLists.txt', 'third_party/ggml/LICENSE', 'third_party/nlohmann/json.hpp'],
      ],
    ],
  ])('carries what it needs: altclip/%s', (folder, files) => {
    for (const file of files) {
      expect({ file, there: existsSync(path.join(installed, folder, file)) }).toEqual({ file, there: true });
    }
  });

  it('stays small: the facade below 300 kB, the binary below 6 MB', () => {
    expect(statSync(path.join(project, tarball('altclip'))).size).toBeLessThan(300_000);
    expect(statSync(path.join(project, tarball(`@altclip/${platform}`))).size).toBeLessThan(6_000_000);
  });

  it('runs nothing at install, and asks for its own version of the rest', () => {
    const { scripts, optionalDependencies } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'));
    expect(scripts).toBeUndefined();
    expect(existsSync(path.join(installed, 'binding.gyp'))).toBe(false);
    expect(optionalDependencies).toMatchObject({
      '@altclip/demo': manifest.version,
      [`@altclip/${platform}`]: manifest.version,
    });
    // GPUs are for those who ask
    expect(Object.keys(optionalDependencies).join()).not.toMatch(/vulkan|cuda/);
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

  // on Windows npm makes a script there, which names the file itself
  it.skipIf(process.platform === 'win32')('calls its command as its user must', async () => {
    const bin = path.join(project, 'node_modules', '.bin');
    mkdirSync(bin);
    symlinkSync(path.join('..', 'altclip', manifest.bin.altclip), path.join(bin, 'altclip'));
    const wrong = await run(process.execPath, [path.join(bin, 'altclip'), 'classify']).catch((error) => error);
    expect(wrong.stderr).toContain('npx altclip classify --help');
  });

  describe('without a package that npm may have left out', () => {
    const program = `const { pipeline } = require('altclip'); (async () => {${classify}})();`;
    const without = async (name: string, code = program) => {
      const folder = path.join(project, 'node_modules', name);
      renameSync(folder, path.join(project, 'away'));
      try {
        return await run(process.execPath, ['-e', code], { cwd: project }).catch((error) => error);
      } finally {
        renameSync(path.join(project, 'away'), folder);
      }
    };

    it('says what was tried and what mends it', async () => {
      const { stderr } = await without(`@altclip/${platform}`);
      for (const line of [
        `AltCLIPError: no native addon of altclip ${manifest.version} loads on ${platform} with Node.js ${process.version}`,
        '- build/Release/altclip.node: not built (in a clone of the repository: npm run build)',
        '- @altclip/source: not installed, or not compiled (npm rebuild @altclip/source)',
        `- @altclip/${platform}: not installed`,
        `  npm install @altclip/${platform}@${manifest.version}  (the binary for this platform)`,
        `  npm install @altclip/source@${manifest.version}  (compiles it: needs a C++17 compiler and CMake)`,
      ]) {
        expect(stderr).toContain(line);
      }
    });

    it('gives the reason why a binary does not load', async () => {
      const folder = path.join(project, 'node_modules', '@altclip', 'source');
      mkdirSync(path.join(folder, 'build', 'Release'), { recursive: true });
      writeFileSync(path.join(folder, 'altclip.node'), 'no binary');
      const { stderr } = await without(`@altclip/${platform}`);
      rmSync(folder, { recursive: true });
      expect(stderr).toMatch(/- @altclip\/source: .*altclip\.node/);
    });

    it('embeds texts where sharp does not load, and says what mends it for pictures', async () => {
      const words = `require('altclip').AltCLIPModel.from_pretrained('demo').then(async (model) => {
        for await (const { data } of model.encode_texts(['key'])) console.log(data.length);
        await model.dispose();
      });`;
      expect(await without('sharp', words)).toEqual({ stdout: '128\n', stderr: '' });
      const { stderr } = await without('sharp');
      expect(stderr).toContain(
        "AltCLIPError: sharp, which reads and writes pictures, does not load: Cannot find module 'sharp'",
      );
      expect(stderr).toContain('npm install --include=optional sharp');
      expect(stderr).toContain("code: 'ADDON'");
      const pictures = `require('altclip').AltCLIPModel.from_pretrained('demo').then(async (model) => {
        const picture = Buffer.from('GIF89a');
        for await (const row of model.encode_images([picture], { on_error: 'skip' })) console.log(row);
      });`;
      expect((await without('sharp', pictures)).stderr).toContain("code: 'ADDON'");
    });

    it('names the package of the demo model', async () => {
      const { stderr } = await without('@altclip/demo');
      expect(stderr).toContain('npm install @altclip/demo');
    });
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
