import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tensor } from '../lib';
import { difference } from './helpers/compare';
import { fixture, temporaryFolder } from './helpers/fixtures';
import { disposeAll, goldenModels, type Loaded, loadAll, readCase, runCase, visible } from './helpers/goldens';

/** What the goldens' README allows an f32 path, as max abs difference. */
function tolerance(name: string, maxAbs: number, logitScale: number): number {
  if (/embeds$/.test(name)) return 1e-5;
  if (/attentions\.\d+$/.test(name)) return 1e-5;
  if (/^logits|^loss$/.test(name)) return 1e-5 * Math.exp(logitScale);
  return 5e-5 + 2e-5 * maxAbs;
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
        const { inputs, expected } = readCase(golden, golden_case);
        const actual = await runCase(loaded, golden_case.method, inputs);
        expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
        for (const [name, { max_abs }] of Object.entries(golden_case.outputs)) {
          const [got, wanted] = [actual[name] as Tensor, expected[name] as Tensor];
          expect(got.dims, name).toEqual(wanted.dims);
          const mask = inputs.attention_mask as Tensor | undefined;
          const { maxAbs, cosine } = difference(visible(name, got, mask), visible(name, wanted, mask));
          expect(maxAbs, name).toBeLessThanOrEqual(tolerance(name, max_abs, loaded.model.logit_scale));
          if (/embeds$/.test(name)) expect(cosine, name).toBeGreaterThan(0.999999);
        }
      });
    });
  }
}
