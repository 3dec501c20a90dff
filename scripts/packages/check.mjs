// Holds the packages of npm/ against publint, and the facade against @arethetypeswrong/cli: npm run package:check. Both
// come from the registry when asked for; nobody else needs them.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { main, step } from '../steps.mjs';
import { tarball } from './trial.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** One tool, at a version of its own, on one tarball. */
function check(spec, file, ...args) {
  // `npm exec --call` leaves its command in the environment, where npx refuses to have two
  const env = { ...process.env, npm_config_call: undefined };
  const shell = process.platform === 'win32';
  step(`${spec} on ${path.basename(file)}`, 'npx', ['--yes', spec, ...args], { cwd: root, env, shell });
}

await main(() => {
  const npm = path.join(root, 'npm');
  // what the source's package exports is there when it has been compiled
  const whole = readdirSync(npm).filter((name) => name.endsWith('.tgz') && !name.startsWith('altclip-source-'));
  for (const file of whole.map((name) => path.join(npm, name))) check('publint@0.3.25', file, 'run', file, '--strict');
  check('@arethetypeswrong/cli@0.18.5', tarball('altclip'), tarball('altclip'));
});
