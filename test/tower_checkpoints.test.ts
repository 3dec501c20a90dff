/** Folders that hold one tower, as save_pretrained of AltCLIPTextModel and AltCLIPVisionModel writes them in Python. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { AltCLIPModel, AltCLIPTextConfig, AltCLIPTextModel, AltCLIPVisionModel, type Tensor } from '../lib';
import { native } from '../lib/native';
import { difference } from './helpers/compare';
import { fixture, readJson, temporaryFolder } from './helpers/fixtures';
import { goldenModels, readCase, visible } from './helpers/goldens';
import { readCheckpoint, writeCheckpoint } from './helpers/safetensors';

type TowerName = 'text' | 'vision';

const root = temporaryFolder();
const options = { cache_dir: path.join(root, 'cache'), dtype: 'f32', num_threads: 1 } as const;
const models = { text: AltCLIPTextModel, vision: AltCLIPVisionModel };

/**
 * One tower of a fixture. transformers 5 writes its module names, without the tower's own: roberta.encoder.layers.N and
 * encoder.layers.N; transformers 4 wrote roberta.encoder.layer.N and vision_model.encoder.layers.N.
 */
function towerFolder(model: string, tower: TowerName, version: 4 | 5): string {
  const folder = path.join(root, `${model}-${tower}-${version}`);
  mkdirSync(folder);
  const config = readJson<Record<string, object>>('models', model, 'config.json')[`${tower}_config`];
  const architectures = [`AltCLIP${tower === 'text' ? 'Text' : 'Vision'}Model`];
  const json = { ...config, model_type: `altclip_${tower}_model`, architectures };
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(json));
  const nameOf = (name: string): string => {
    if (version === 5) return name.replace(/^(?:text|vision)_model\./, '').replace('encoder.layer.', 'encoder.layers.');
    return tower === 'text' ? name.replace(/^text_model\./, '') : name.replace('encoder.layer.', 'encoder.layers.');
  };
  const whole = [...readCheckpoint(fixture('models', model))];
  const own = whole.filter(([name]) => name.startsWith(`${tower}_model.`));
  writeCheckpoint(folder, new Map(own.map(([name, tensor]) => [nameOf(name), tensor])));
  return folder;
}

function pick(file: string, keys: string[]): unknown[] {
  const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  return keys.map((key) => json[key]);
}

/** The same as a file whose weights lie packed for the kernels. */
async function packedFile(folder: string): Promise<string> {
  const output = `${folder}-packed.gguf`;
  await native.convertModel({ source: folder, output, dtype: 'f32', packed: true });
  return output;
}

const cases = (['tiny', 'tiny-gelu-h80'] as const).flatMap((model) =>
  (['text', 'vision'] as const).flatMap((tower) => ([4, 5] as const).map((version) => ({ model, tower, version }))),
);

describe.each(cases)("$model's $tower tower, saved by transformers $version", ({ model, tower, version }) => {
  const folder = towerFolder(model, tower, version);

  it.each(['as rows', 'packed'])('gives what transformers gives, weights %s', async (order) => {
    const golden = goldenModels().find(({ name }) => name === model);
    const source = order === 'packed' ? await packedFile(folder) : folder;
    const loaded = await models[tower].from_pretrained(source, options);
    const { hidden_size } =
      readJson<Record<string, { hidden_size?: number }>>('models', model, 'config.json')[`${tower}_config`] ?? {};
    expect(loaded.config.hidden_size).toBe(hidden_size);
    const own = golden?.cases.filter(({ method }) => method === `${models[tower].name}.forward`) ?? [];
    expect(own.length).toBeGreaterThan(2);
    for (const one of own) {
      const { inputs, expected } = readCase(golden as never, one);
      const actual = await loaded.forward(inputs as never);
      for (const name of ['last_hidden_state', 'pooler_output'] as const) {
        const mask = inputs.attention_mask as Tensor | undefined;
        const [got, wanted] = [actual[name] as Tensor, expected[name] as Tensor];
        const { maxAbs } = difference(visible(name, got, mask), visible(name, wanted, mask));
        expect(maxAbs, `${one.id}: ${name}`).toBeLessThan(5e-5 + 2e-5 * (one.outputs[name]?.max_abs ?? 0));
      }
    }
    const saved = `${source}-saved`;
    await loaded.save_pretrained(saved);
    await loaded.dispose();
    const written = ['model_type', 'architectures', 'hidden_size', 'hidden_act', 'num_hidden_layers'];
    expect(pick(path.join(saved, 'config.json'), written)).toEqual(pick(path.join(folder, 'config.json'), written));
    await (await models[tower].from_pretrained(saved)).dispose();
  });

  it('is no whole model, and has no other tower', async () => {
    await expect(AltCLIPModel.from_pretrained(folder, options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(`tower without its projection, which ${models[tower].name} loads`),
    });
    const other = tower === 'text' ? 'vision' : 'text';
    await expect(models[other].from_pretrained(folder, options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(`no ${other} tower: .* which ${models[tower].name} loads`),
    });
    const output = path.join(root, 'other.gguf');
    await expect(native.convertModel({ source: folder, output, dtype: 'f32', tower: other })).rejects.toMatchObject({
      message: expect.stringMatching(`has no ${other} tower`),
    });
  });
});

it('a tower of its own has a configuration, and no features', async () => {
  const folder = path.join(root, 'tiny-text-5');
  expect((await AltCLIPTextConfig.from_pretrained(folder)).project_dim).toBe(48);
  const output = path.join(root, 'text.gguf');
  await native.convertModel({ source: folder, output, dtype: 'q8_0' });
  expect((await AltCLIPTextConfig.from_pretrained(output)).project_dim).toBe(48);
  const model = await native.loadModel(output, { towers: ['text'], device: 'cpu', threads: 1 });
  const input = { inputIds: BigInt64Array.of(0n, 5n, 2n), rows: 1, columns: 3 };
  const wanted = {
    lastHiddenState: false,
    poolerOutput: false,
    features: true,
    hiddenStates: false,
    attentions: false,
  };
  await expect(model.encodeText(input, wanted)).rejects.toMatchObject({
    message: expect.stringMatching('saved without its projection'),
  });
  await model.dispose();
});
