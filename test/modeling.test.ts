import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture, temporaryFolder } from './helpers/fixtures';
import { disposeAll, goldenModels, type Loaded, loadAll, measureCase } from './helpers/goldens';

/** What the goldens' README allows an f32 path, as max abs difference. */
function tolerance(name: string, scale: number, logitScale: number): number {
  if (/embeds$/.test(name)) return 1e-5;
  if (/attentions\.\d+$/.test(name)) return 1e-5;
  if (/^logits|^loss$/.test(name)) return 1e-5 * Math.exp(logitScale);
  return 5e-5 + 2e-5 * scale;
}

const cache = temporaryFolder();

for (const golden of goldenModels()) {
  for (const folder of [golden.model, ...golden.same_outputs]) {
    describe(`${folder} in f32`, () => {
      let loaded: Loaded;
      beforeAll(async () => {
        loaded = await loadAll(fixture(folder), 'f32', cache, folder === golden.model ? 2 : 1);
      });
      afterAll(() => disposeAll(loaded));

      it.each(golden.cases)('$id: $method', async (golden_case) => {
        for (const { name, scale, maxAbs, cosine } of await measureCase(loaded, golden, golden_case)) {
          expect(maxAbs, name).toBeLessThanOrEqual(tolerance(name, scale, loaded.model.logit_scale));
          if (/embeds$/.test(name)) expect(cosine, name).toBeGreaterThan(0.999999);
        }
      });
    });
  }
}
