// Runs the native tests (ctest) and the TypeScript tests (vitest) of a tree that setup.mjs --tests has built, and ends
// with one line for both: "N passed, N failed". `--full` adds the long sweeps.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const env = { ...process.env, ...(process.argv.includes('--full') ? { ALTCLIP_FULL: '1' } : {}) };

/**
 * @param {string} command
 * @param {string[]} args
 * @returns {boolean} whether it ended with exit code 0
 */
function run(command, args) {
  const { error, status } = spawnSync(command, args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) console.error(`altclip: ${command}: ${error.message}`);
  return status === 0;
}

/** A runner that died before it wrote its report counts as one failure. */
function counted(ok, read) {
  let counts = { passed: 0, failed: 0 };
  try {
    counts = read();
  } catch (error) {
    console.error(`altclip: no test report: ${error.message}`);
  }
  return { ...counts, failed: ok ? counts.failed : Math.max(counts.failed, 1) };
}

function native(reports) {
  const file = path.join(reports, 'native.xml');
  const ok = run('ctest', [
    ...['--test-dir', path.join(root, 'build', 'cmake'), '--build-config', 'Release', '--output-junit', file],
    ...['--parallel', String(availableParallelism()), '--output-on-failure', '--no-tests=error', '--timeout', '600'],
  ]);
  return counted(ok, () => {
    const report = readFileSync(file, 'utf8');
    const suite = /<testsuite [^>]*>/s.exec(report)?.[0] ?? '';
    const count = (name) => Number(new RegExp(`\\s${name}="(\\d+)"`).exec(suite)?.[1] ?? Number.NaN);
    // skipped is what could not be started, and the towers with instructions that this machine lacks (CMakeLists.txt)
    const lacking = report.split('message="SKIP_REGULAR_EXPRESSION_MATCHED"').length - 1;
    const failed = count('failures') + count('skipped') - lacking;
    return { passed: count('tests') - failed - lacking, failed };
  });
}

function typescript(reports) {
  const file = path.join(reports, 'vitest.json');
  const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const ok = run(process.execPath, [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile=${file}`]);
  return counted(ok, () => {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    // a file that does not even load has no test to fail
    const broken = report.testResults.filter((one) => one.status === 'failed' && one.assertionResults.length === 0);
    return { passed: report.numPassedTests, failed: report.numFailedTests + broken.length };
  });
}

const reports = mkdtempSync(path.join(tmpdir(), 'altclip-tests-'));
try {
  const runs = [native(reports), typescript(reports)];
  const sum = (key) => runs.reduce((total, one) => total + one[key], 0);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  process.exitCode = sum('failed') === 0 ? 0 : 1;
} finally {
  rmSync(reports, { recursive: true, force: true });
}
