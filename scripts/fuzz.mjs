// Fuzzes the readers of files for as long as asked: npm run fuzz -- [SECONDS [TARGET...]]. With clang it is libFuzzer,
// with another compiler blind mutation. Corpus and findings stay in build-fuzz/. The deterministic campaign, the same
// files everywhere, is the native test test_fuzz instead.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { provisionGgml } from './provision-ggml.mjs';
import { main, step } from './steps.mjs';
import { generator, requireTools } from './tools.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const tree = path.join(root, 'build-fuzz');
const TARGETS = ['gguf', 'safetensors', 'torch', 'config', 'preprocessor', 'tokenizer'];
const CLANGS = ['clang', ...Array.from({ length: 10 }, (_, i) => `clang-${23 - i}`)];

/** @returns {string | undefined} a clang whose C++ side is there too */
const findClang = () =>
  CLANGS.find((name) =>
    [name, name.replace('clang', 'clang++')].every((one) => spawnSync(one, ['--version']).status === 0),
  );

function build() {
  const clang = findClang();
  const compilers = clang && { CMAKE_C_COMPILER: clang, CMAKE_CXX_COMPILER: clang.replace('clang', 'clang++') };
  const coverage = clang && { CMAKE_CXX_FLAGS: '-fsanitize=fuzzer-no-link' };
  const definitions = {
    ...provisionGgml(),
    ...compilers,
    ...coverage,
    CMAKE_BUILD_TYPE: 'RelWithDebInfo',
    ALTCLIP_SANITIZE: 'ON',
    ALTCLIP_BUILD_TESTS: 'ON',
    ALTCLIP_BUILD_FUZZERS: 'ON',
  };
  const asked = Object.entries(definitions).map(([key, value]) => `-D${key}=${value}`);
  const wanted = ['fuzz_corpus', ...TARGETS.map((target) => `fuzz_${target}`)];
  step(`configuring the fuzzers (${clang ?? 'no clang, so without libFuzzer'})`, 'cmake', [
    ...['-S', root, '-B', tree, ...generator(), ...asked],
  ]);
  step('building the fuzzers', 'cmake', [
    ...['--build', tree, '--parallel', String(availableParallelism()), '--target', ...wanted],
  ]);
}

await main(() => {
  const [seconds = '60', ...asked] = process.argv.slice(2);
  const targets = asked.length > 0 ? asked : TARGETS;
  const unknown = targets.find((target) => !TARGETS.includes(target));
  if (unknown !== undefined) throw new Error(`no fuzz target '${unknown}', expected ${TARGETS.join(', ')}`);
  if (!/^\d+$/.test(seconds)) throw new Error(`'${seconds}' is no number of seconds`);
  requireTools('c++', 'cmake', 'git');
  build();
  const binaries = path.join(tree, 'test', 'fuzz');
  const corpus = path.join(tree, 'corpus');
  step('writing the first files', path.join(binaries, 'fuzz_corpus'), [corpus]);
  for (const target of targets) {
    const findings = path.join(tree, 'findings', path.sep);
    mkdirSync(findings, { recursive: true });
    const { status } = spawnSync(
      path.join(binaries, `fuzz_${target}`),
      [
        `-max_total_time=${seconds}`,
        '-timeout=10',
        '-rss_limit_mb=4096',
        '-max_len=65536',
        '-print_final_stats=1',
      ].concat(`-artifact_prefix=${findings}`, path.join(corpus, target)),
      { stdio: 'inherit' },
    );
    if (status !== 0) throw new Error(`fuzz_${target} found something: see above and ${findings}`);
  }
});
