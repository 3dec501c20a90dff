/** sharp, which decodes and encodes pictures: loaded with the first of them, since texts do without. */
import { AltCLIPError } from '../errors';

/** @throws ADDON where sharp is not there, or its binary for this platform is not. */
export function loadSharp(): typeof import('sharp') {
  try {
    return require('sharp');
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n');
    const remedy = 'npm install --include=optional sharp';
    throw new AltCLIPError('ADDON', `sharp, which reads and writes pictures, does not load: ${reason} (${remedy})`, {
      cause,
    });
  }
}
