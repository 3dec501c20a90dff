// Brings ggml's source (and nlohmann/json's header) into third_party/.
//
// Both lie in a git bundle of llama.cpp that the npm package node-llama-cpp carries. Only that one tarball is taken,
// its integrity is checked against the pin below, and it stays in a cache, so that a second run needs no network.
// ALTCLIP_GGML_SOURCE=DIR uses a ggml tree of your own; DIR/../vendor must then hold nlohmann/json.hpp, as in llama.cpp.
// Node's built-ins only.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMain, main, step } from './steps.mjs';
import { requireTools } from './tools.mjs';

const PACKAGE = 'node-llama-cpp@3.22.1';
const TARBALL = 'node-llama-cpp-3.22.1.tgz';
const INTEGRITY = 'sha512-bltIipuWmc123H7tMIgDGKSsSrhmhlQYeVUC48XTjVW7XGJJiJJyCdlTMzQ/LiWoPkGDpcL4FviDpgw7qfTiDw==';

const target = fileURLToPath(new URL('../third_party', import.meta.url));
/** Where what a build fetches or makes once stays. */
export const buildCache =
  process.env.ALTCLIP_BUILD_CACHE ??
  path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'altclip', 'build');

const intact = (file) => `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}` === INTEGRITY;

/** @returns {string} path of the tarball, its bytes checked */
function tarball() {
  const file = path.join(buildCache, TARBALL);
  if (existsSync(file) && intact(file)) return file;

  mkdirSync(buildCache, { recursive: true });
  const folder = mkdtempSync(path.join(buildCache, 'pack-'));
  try {
    step("fetching ggml's source (36 MB, once)", 'npm', ['pack', PACKAGE, '--silent', '--pack-destination', folder], {
      cwd: folder,
      shell: process.platform === 'win32',
    });
    const fresh = path.join(folder, TARBALL);
    if (!intact(fresh)) throw new Error(`${PACKAGE}: the tarball's sha512 is not the pinned one, ${INTEGRITY}`);
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
    const bundle = 'package/llama/gitRelease.bundle';
    const clone = path.join(work, 'llama.cpp');
    // a relative path: tar takes the colon of a Windows path for a host
    step("unpacking ggml's source", 'tar', ['-xzf', path.relative(work, file), bundle], { cwd: work });
    step("checking out ggml's source", 'git', ['clone', '--quiet', path.join(work, bundle), clone]);
    rmSync(target, { recursive: true, force: true });
    cpSync(path.join(clone, 'ggml'), path.join(target, 'ggml'), { recursive: true });
    cpSync(path.join(clone, 'LICENSE'), path.join(target, 'ggml', 'LICENSE'));
    cpSync(path.join(clone, 'vendor/nlohmann'), path.join(target, 'nlohmann'), { recursive: true });
    cpSync(path.join(clone, 'licenses/LICENSE-jsonhpp'), path.join(target, 'nlohmann', 'LICENSE'));
    // the stamp comes last: without it the tree counts as unfinished
    writeFileSync(path.join(target, 'SOURCE'), `${PACKAGE} ${INTEGRITY}\n`);
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
    requireTools('git');
    unpack(tarball());
  }
  return { ALTCLIP_GGML_SOURCE: path.join(target, 'ggml'), ALTCLIP_JSON_INCLUDE: target };
}

if (isMain(import.meta.url)) await main(() => console.log(provisionGgml().ALTCLIP_GGML_SOURCE));
