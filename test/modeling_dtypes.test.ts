import { afterAll, describe, expect, it } from 'vitest';
import type { Difference } from './helpers/compare';
import { fixture, temporaryFolder } from './helpers/fixtures';
import { disposeAll, goldenModels, loadAll, measureCase } from './helpers/goldens';

/**
 * Random weights suffer from being quantised as no trained ones do: cosine only. A logit has the errors of two
 * embeddings, so that 1 - cosine is their sum. K types fall back to q8_0 on rows of 64 values.
 */
const quantised = { hidden: Infinity, embeds: Infinity, logits: Infinity, cosine: 0.998, logitsCosine: 0.996 };

/** What the goldens' README allows each type; the goldens are f32. */
const bounds = {
  f16: { hidden: 0.03, embeds: 2e-3, logits: 2e-3, cosine: 0.999, logitsCosine: 0.999 },
  bf16: { hidden: 0.2, embeds: 2e-2, logits: 2e-2, cosine: 0.999, logitsCosine: 0.999 },
  q8_0: quantised,
  q6_k: quantised,
  q4_k_m: quantised,
};

const cache = temporaryFolder();

/** The worst of all models by 'dtype output'. */
const measured = new Map<string, Difference>();
afterAll(() => {
  const rows = [...measured].map(([key, { maxAbs, cosine }]) => [
    key,
    { 'max abs': maxAbs.toExponential(1), cosine: cosine.toFixed(6) },
  ]);
  console.table(Object.fromEntries(rows));
});

function keepWorst(differences: Map<string, Difference>, key: string, { maxAbs, cosine }: Difference): void {
  const before = differences.get(key) ?? { maxAbs: 0, cosine: 1 };
  differences.set(key, { maxAbs: Math.max(before.maxAbs, maxAbs), cosine: Math.min(before.cosine, cosine) });
}

describe.each(goldenModels())('$name against f32', (golden) => {
  const golden_case = golden.cases.find((candidate) => candidate.id === 'model_full');
  if (!golden_case) throw new Error(`${golden.name}: no case model_full`);

  it.each(Object.keys(bounds) as (keyof typeof bounds)[])('%s', async (dtype) => {
    const loaded = await loadAll(fixture(golden.model), dtype, cache);
    const worst = new Map<string, Difference>();
    for (const { name, ...found } of await measureCase(loaded, golden, golden_case)) {
      const kind = name.replace(/\.\d+$/, '').replace(/^\w+_model_output\./, '');
      keepWorst(worst, kind, found);
      keepWorst(measured, `${dtype} ${kind}`, found);
    }
    const bound = bounds[dtype];
    const scale = Math.exp(loaded.model.logit_scale);
    await disposeAll(loaded);
    for (const [kind, { maxAbs, cosine }] of worst) {
      const isLogits = /^logits|^loss/.test(kind);
      const limit = isLogits ? bound.logits * scale : /embeds$/.test(kind) ? bound.embeds : bound.hidden;
      expect(maxAbs, kind).toBeLessThanOrEqual(limit);
      expect(cosine, kind).toBeGreaterThanOrEqual(isLogits ? bound.logitsCosine : bound.cosine);
    }
  });
});
