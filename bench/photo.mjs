// A photo as large as cameras make them, for the benchmarks of what comes before the towers.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const sharp = createRequire(import.meta.url)('sharp');

export const photo = fileURLToPath(new URL('../test/fixtures/inputs/photos/china.jpg', import.meta.url));

/** A real photo enlarged, with sensor noise: RGB bytes. */
export async function enlarged(width, height) {
  const data = await sharp(photo).resize(width, height, { fit: 'fill' }).raw().toBuffer();
  for (let i = 0, x = 1; i < data.length; ++i) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    data[i] = Math.min(255, Math.max(0, data[i] + (x >>> 29) - 4));
  }
  return data;
}
