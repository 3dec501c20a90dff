import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { AltCLIPConfig, AltCLIPTextConfig, AltCLIPVisionConfig } from '../lib/configuration';
import { fixture, readJson, temporaryFolder } from './helpers/fixtures';

type Values = Record<string, unknown>;

/** Written by fixtures/make_configuration.py with transformers. */
const golden = readJson<{
  defaults: Record<string, Values>;
  json: Record<string, string>;
  legacy: { values: Values; result: Values };
}>('configuration.json');

const classes = { AltCLIPTextConfig, AltCLIPVisionConfig, AltCLIPConfig };

/** transformers_version says which transformers wrote a file; we are not it. */
function withoutVersion(values: Values): Values {
  const { transformers_version: _, ...rest } = values;
  return rest;
}

describe.each(Object.entries(classes))('%s', (name, Config) => {
  it('has every field and default of transformers', () => {
    expect(new Config().to_dict()).toEqual(withoutVersion(golden.defaults[name] as Values));
  });

  it('writes the JSON of transformers', () => {
    const expected = JSON.parse(golden.json[name] as string) as Values;
    const text = new Config().to_json_string();
    expect(JSON.parse(text)).toEqual(withoutVersion(expected));
    expect(Object.keys(JSON.parse(text) as Values)).toEqual(Object.keys(withoutVersion(expected)));
    expect(text.endsWith('}\n')).toBe(true);
    // 1 is refused where transformers expects a float alone: numbers as they stand, but for Python's 1e-05 and a
    // dropout, which may be an integer
    const numbers = (json: string) => json.match(/^ *"\w+": -?[\d.e-]+(?=,?$)/gm);
    const written = (golden.json[name] as string)
      .replaceAll('1e-05', '0.00001')
      .replace('dropout": 0.0', 'dropout": 0');
    expect(numbers(text)).toEqual(numbers(written));
  });

  it('keeps unknown fields', () => {
    const config = new Config({ custom: { deep: [1, null] }, transformers_version: '4.26.1' });
    expect(config.custom).toEqual({ deep: [1, null] });
    expect(config.to_dict()).toMatchObject({ custom: { deep: [1, null] }, transformers_version: '4.26.1' });
    expect(JSON.parse(config.to_json_string())).toMatchObject({ custom: { deep: [1, null] } });
  });
});

describe('types', () => {
  it.each([
    [AltCLIPTextConfig, { hidden_size: 'x' }, 'AltCLIPTextConfig.hidden_size: got "x", expected an integer'],
    [AltCLIPTextConfig, { hidden_size: 64.5 }, 'AltCLIPTextConfig.hidden_size: got 64.5, expected an integer'],
    [AltCLIPTextConfig, { hidden_size: null }, 'AltCLIPTextConfig.hidden_size: got null, expected an integer'],
    [AltCLIPTextConfig, { hidden_act: 3 }, 'AltCLIPTextConfig.hidden_act: got 3, expected a string'],
    [AltCLIPTextConfig, { layer_norm_eps: Number.NaN }, 'expected a number or null'],
    [AltCLIPTextConfig, { hidden_size: 63 }, 'expected a multiple of num_attention_heads 16'],
    [AltCLIPTextConfig, { num_attention_heads: 0 }, 'expected a multiple of num_attention_heads 0'],
    [
      AltCLIPVisionConfig,
      { image_size: [224] },
      'AltCLIPVisionConfig.image_size: got Array, expected an integer or two',
    ],
    [AltCLIPVisionConfig, { output_attentions: 'yes' }, 'expected true or false or null'],
    [AltCLIPVisionConfig, { to_dict: 1 }, 'AltCLIPVisionConfig.to_dict: the name is a method'],
    [AltCLIPConfig, { projection_dim: '512' }, 'AltCLIPConfig.projection_dim: got "512", expected an integer'],
    [AltCLIPConfig, { text_config: { vocab_size: 1.5 } }, 'AltCLIPTextConfig.vocab_size: got 1.5'],
    [AltCLIPConfig, { text_config: 'roberta' }, 'AltCLIPTextConfig: got string, expected an object'],
    [AltCLIPConfig, null, 'AltCLIPConfig: got null, expected an object'],
  ])('%o refuses %j', (Config, values, message) => {
    const make = () => new (Config as new (values: unknown) => unknown)(values);
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(make).toThrow(message);
  });

  it('takes null where transformers does', () => {
    expect(new AltCLIPTextConfig({ layer_norm_eps: null, pad_token_id: null }).pad_token_id).toBeNull();
    expect(new AltCLIPVisionConfig({ image_size: null }).image_size).toBeNull();
  });
});

describe('AltCLIPConfig', () => {
  it('reads old text_config_dict and vision_config_dict as transformers does', () => {
    expect(new AltCLIPConfig(golden.legacy.values).to_dict()).toEqual(withoutVersion(golden.legacy.result));
  });

  it('is made from the configurations of its towers', () => {
    const text = new AltCLIPTextConfig({ hidden_size: 64, num_attention_heads: 4 });
    const vision = new AltCLIPVisionConfig({ patch_size: 14 });
    const config = AltCLIPConfig.from_text_vision_configs(text, vision, { projection_dim: 40 });
    expect(config.text_config.hidden_size).toBe(64);
    expect(config.vision_config.patch_size).toBe(14);
    expect(config.projection_dim).toBe(40);
    config.text_config.hidden_size = 128;
    expect(text.hidden_size).toBe(64);
  });

  it.each(['tiny', 'tiny-gelu-h80', 'tiny-e2e'])('round trip: %s', async (name) => {
    const folder = temporaryFolder();
    const config = await AltCLIPConfig.from_pretrained(fixture('models', name));
    const source = readJson<Values>('models', name, 'config.json');
    expect(config.to_dict()).toMatchObject(source);
    await config.save_pretrained(path.join(folder, 'made'));
    expect(JSON.parse(readFileSync(path.join(folder, 'made', 'config.json'), 'utf8'))).toEqual(source);
    expect((await AltCLIPConfig.from_pretrained(path.join(folder, 'made'))).to_dict()).toEqual(config.to_dict());
    expect((await AltCLIPTextConfig.from_pretrained(path.join(folder, 'made'))).hidden_size).toBe(
      config.text_config.hidden_size,
    );
  });

  it('names a file that is missing, no JSON or no object, and a folder that cannot be made', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'config.json');
    await expect(AltCLIPConfig.from_pretrained(folder)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining(file),
    });
    writeFileSync(file, '{ "projection_dim": ');
    await expect(AltCLIPConfig.from_pretrained(folder)).rejects.toMatchObject({
      code: 'MODEL_FORMAT',
      message: expect.stringContaining(file),
    });
    writeFileSync(file, '[]');
    await expect(AltCLIPConfig.from_pretrained(folder)).rejects.toMatchObject({
      code: 'MODEL_FORMAT',
      message: expect.stringContaining('a JSON object'),
    });
    await expect(new AltCLIPConfig().save_pretrained(file)).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining(file),
    });
  });
});
