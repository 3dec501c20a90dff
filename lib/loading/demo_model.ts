/** Where the demo model is: models/ of a clone, else the package @altclip/demo, which has the same files. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { AltCLIPError } from '../errors';

/** The id of the demo model. */
export const demoId = 'demo';

/**
 * The folder that holds demo.gguf, and demo/ with its pictures.
 * @throws AltCLIPError IO where the package is not installed
 */
export function demoFolder(): string {
  const own = path.join(__dirname, '..', '..', 'models');
  if (existsSync(path.join(own, 'demo.gguf'))) return own;
  try {
    // not require.resolve: a bundler would put a module's number in its place
    return path.dirname(createRequire(__filename).resolve('@altclip/demo/package.json'));
  } catch (cause) {
    throw new AltCLIPError(
      'IO',
      "'demo' is the model of the package @altclip/demo, which is not installed; install it with: npm install @altclip/demo",
      { cause },
    );
  }
}
