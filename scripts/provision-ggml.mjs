// Brings ggml's source (and nlohmann/json's header) into third_party/.
//
// Both lie in a git bundle of llama.cpp that the npm package node-llama-cpp carries. Only that one tarball is taken,
// its integrity is checked against the pin below, and it stays in a cache, so that a second run needs no network.
// ALTCLIP_GGML_SOURCE=DIR uses a ggml tree of your own; DIR/../vendor must then hold nlohmann/json.hpp, as in llama.cpp.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { requireTool } from './tools.mjs';

const PACKAGE = 'node-llama-cpp@3.22.1';
const TARBALL = 'node-llama-cpp-3.22.1.tgz';
const INTEGRITY = 'sha512-bltIipuWmc123H7tMIgDGKSsSrhmhlQYeVUC48XTjVW7XGJJiJJyCdlTMzQ/LiWoPkGDpcL4FviDpgw7qfTiDw==';

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..');
const target = path.join(root, 'third_party');
const cache = process.env.ALTCLIP_BUILD_CACHE ?? path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'altclip', 'build');

/** @returns {string} path of the tarball, its bytes checked */
function tarball() {
  const file = path.join(cache, TARBALL);
  const intact = (f) => `sha512-${createHash('sha512').update(readFileSync(f)).digest('base64')}` === INTEGRITY;
  if (existsSync(file) && intact(file)) return file;

  console.log(`fetching ${PACKAGE} for ggml's source (36 MB, once)`);
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(path.join(cache, 'pack-'));
  try {
    execFileSync('npm', ['pack', PACKAGE, '--silent', '--pack-destination', folder], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
      shell: process.platform === 'win32',
    });
    const fresh = path.join(folder, TARBALL);
    if (!intact(fresh)) throw new Error(`${PACKAGE}: the tarball is not the one pinned in ${import.meta.url}`);
    renameSync(fresh, file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return file;
}

/** Clones llama.cpp from the bundle inside the tarball and keeps what we build. */
function unpack(file) {
  const work = mkdtempSync(path.join(tmpdir(), 'altclip-ggml-'));
  try {
    execFileSync('tar', ['-xzf', file, '-C', work, 'package/llama/gitRelease.bundle']);
    const clone = path.join(work, 'llama.cpp');
    execFileSync('git', ['clone', '--quiet', '-c', 'advice.detachedHead=false', path.join(work, 'package/llama/gitRelease.bundle'), clone]);
    const staged = path.join(work, 'third_party');
    cpSync(path.join(clone, 'ggml'), path.join(staged, 'ggml'), { recursive: true });
    cpSync(path.join(clone, 'LICENSE'), path.join(staged, 'ggml', 'LICENSE'));
    cpSync(path.join(clone, 'vendor/nlohmann'), path.join(staged, 'nlohmann'), { recursive: true });
    cpSync(path.join(clone, 'licenses/LICENSE-jsonhpp'), path.join(staged, 'nlohmann', 'LICENSE'));
    writeFileSync(path.join(staged, 'SOURCE'), `${PACKAGE} ${INTEGRITY}\n`);
    rmSync(target, { recursive: true, force: true });
    cpSync(staged, target, { recursive: true });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * @returns {Record<string, string>} the CMake cache entries that point at the source
 */
export function provisionGgml() {
  const own = process.env.ALTCLIP_GGML_SOURCE;
  if (own) {
    return { ALTCLIP_GGML_SOURCE: path.resolve(own), ALTCLIP_JSON_INCLUDE: path.resolve(own, '../vendor') };
  }
  const stamp = path.join(target, 'SOURCE');
  if (!existsSync(stamp) || !readFileSync(stamp, 'utf8').includes(INTEGRITY)) {
    requireTool('git');
    unpack(tarball());
  }
  return { ALTCLIP_GGML_SOURCE: path.join(target, 'ggml'), ALTCLIP_JSON_INCLUDE: target };
}

if (process.argv[1] && path.resolve(process.argv[1]) === path.join(root, 'scripts', 'provision-ggml.mjs')) {
  console.log(provisionGgml().ALTCLIP_GGML_SOURCE);
}
