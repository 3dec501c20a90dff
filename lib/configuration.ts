import { invalid } from './errors';
import { loadConfig } from './loading/loading';
import { saveText } from './loading/saved_files';
import type { PretrainedOptions } from './pretrained_options';
import { kindOf } from './tensor';

type Kind = 'int' | 'float' | 'string' | 'boolean' | 'object' | 'strings' | 'size';
interface Field {
  kind: Kind;
  default: unknown;
  optional?: boolean;
}
type Fields = Record<string, Field>;

const int = (value: number): Field => ({ kind: 'int', default: value });
const float = (value: number): Field => ({ kind: 'float', default: value });
const string = (value: string): Field => ({ kind: 'string', default: value });
const optional = (field: Field): Field => ({ ...field, optional: true });

/** What transformers' PreTrainedConfig gives every configuration; left out of JSON where it has its default. */
const commonFields: Fields = {
  architectures: { kind: 'strings', default: null, optional: true },
  output_hidden_states: { kind: 'boolean', default: false, optional: true },
  output_attentions: { kind: 'boolean', default: false, optional: true },
  return_dict: { kind: 'boolean', default: true, optional: true },
  dtype: { kind: 'string', default: null, optional: true },
  chunk_size_feed_forward: int(0),
  is_encoder_decoder: { kind: 'boolean', default: false },
  id2label: { kind: 'object', default: { 0: 'LABEL_0', 1: 'LABEL_1' }, optional: true },
  label2id: { kind: 'object', default: { LABEL_0: 0, LABEL_1: 1 }, optional: true },
  problem_type: { kind: 'string', default: null, optional: true },
  _name_or_path: string(''),
};

const textFields: Fields = {
  vocab_size: int(250002),
  hidden_size: int(1024),
  intermediate_size: int(4096),
  num_hidden_layers: int(24),
  num_attention_heads: int(16),
  max_position_embeddings: int(514),
  hidden_act: string('gelu'),
  layer_norm_eps: optional(float(1e-5)),
  initializer_range: float(0.02),
  initializer_factor: float(0.02),
  pad_token_id: optional(int(1)),
  bos_token_id: optional(int(0)),
  eos_token_id: optional(int(2)),
  hidden_dropout_prob: float(0.1),
  attention_probs_dropout_prob: float(0),
  type_vocab_size: int(1),
  project_dim: int(768),
};

const visionFields: Fields = {
  hidden_size: int(768),
  intermediate_size: int(3072),
  projection_dim: int(512),
  num_hidden_layers: int(12),
  num_attention_heads: int(12),
  num_channels: int(3),
  image_size: { kind: 'size', default: 224, optional: true },
  patch_size: { kind: 'size', default: 32, optional: true },
  hidden_act: string('quick_gelu'),
  layer_norm_eps: float(1e-5),
  attention_dropout: optional(float(0)),
  initializer_range: float(0.02),
  initializer_factor: float(1),
};

const modelFields: Fields = {
  projection_dim: int(768),
  logit_scale_init_value: optional(float(2.6592)),
  initializer_factor: optional(float(1)),
};

// transformers refuses `1` where a field's type is float alone, so these are written as `1.0`.
const writtenAsFloat = /^(\s*"(?:layer_norm_eps|initializer_range|initializer_factor)": -?\d+)(,?)$/gm;

/** What the three configurations share: defaults, type checks, unknown fields kept, JSON. */
export abstract class PreTrainedConfig {
  /** Fields that transformers does not declare are kept under their names. */
  [field: string]: unknown;
  declare readonly model_type: string;
  declare architectures: string[] | null;
  /** What a forward gives that does not say. */
  declare output_hidden_states: boolean | null;
  /** What a forward gives that does not say. */
  declare output_attentions: boolean | null;
  declare dtype: string | null;

  protected constructor(modelType: string, fields: Fields, values: object) {
    const name = this.constructor.name;
    if (typeof values !== 'object' || values === null || Array.isArray(values)) {
      invalid(`${name}: got ${kindOf(values)}, expected an object with configuration fields`);
    }
    const { model_type: _, torch_dtype, ...given } = values as Record<string, unknown>;
    if (torch_dtype !== undefined) given.dtype ??= torch_dtype;
    for (const [key, field] of Object.entries({ ...commonFields, ...fields })) {
      const value = given[key] === undefined ? structuredClone(field.default) : given[key];
      checkField(`${name}.${key}`, field, value);
      this[key] = value;
      delete given[key];
    }
    for (const [key, value] of Object.entries(given)) {
      if (key in this) invalid(`${name}.${key}: the name is a method of the class and cannot be a field`);
      this[key] = value;
    }
    (this as { model_type: string }).model_type = modelType;
  }

  /** A plain object of every field, nested configurations included. */
  to_dict(): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(this).map(([key, value]) => [
        key,
        value instanceof PreTrainedConfig ? value.to_dict() : structuredClone(value),
      ]),
    );
  }

  /** The text of config.json as transformers writes it: sorted keys, without what every model has by default. */
  to_json_string(): string {
    return `${JSON.stringify(brief(this.to_dict()), null, 2).replace(writtenAsFloat, '$1.0$2')}\n`;
  }

  /** Writes `folder`/config.json; makes the folder. @throws IO where that cannot be done. */
  save_pretrained(folder: string): Promise<void> {
    return saveText(folder, 'config.json', this.to_json_string());
  }
}

function brief(values: Record<string, unknown>): Record<string, unknown> {
  const kept = Object.entries(values).filter(
    ([key, value]) => !(key in commonFields) || JSON.stringify(value) !== JSON.stringify(commonFields[key]?.default),
  );
  const nested = kept.map(([key, value]): [string, unknown] =>
    key === 'text_config' || key === 'vision_config' ? [key, brief(value as Record<string, unknown>)] : [key, value],
  );
  return Object.fromEntries(nested.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function checkField(name: string, field: Field, value: unknown): void {
  if (value === null && field.optional) return;
  const whole = Number.isSafeInteger(value);
  const isPair = Array.isArray(value) && value.length === 2 && value.every(Number.isSafeInteger);
  const valid = {
    int: whole,
    float: Number.isFinite(value),
    string: typeof value === 'string',
    boolean: typeof value === 'boolean',
    object: typeof value === 'object' && value !== null && !Array.isArray(value),
    strings: Array.isArray(value) && value.every((item) => typeof item === 'string'),
    size: whole || isPair,
  }[field.kind];
  if (valid) return;
  const expected = {
    int: 'an integer',
    float: 'a number',
    string: 'a string',
    boolean: 'true or false',
    object: 'an object',
    strings: 'an array of strings',
    size: 'an integer or two',
  }[field.kind];
  const got = typeof value === 'number' || typeof value === 'string' ? JSON.stringify(value) : kindOf(value);
  invalid(`${name}: got ${got}, expected ${expected}${field.optional ? ' or null' : ''}`);
}

function checkHeads(config: AltCLIPTextConfig | AltCLIPVisionConfig): void {
  const { hidden_size: width, num_attention_heads: heads } = config;
  if (!(heads > 0 && width > 0 && width % heads === 0)) {
    invalid(
      `${config.constructor.name}.hidden_size: got ${width}, expected a multiple of num_attention_heads ${heads}`,
    );
  }
}

/** The text tower's configuration: every field and default of transformers' AltCLIPTextConfig (XLM-RoBERTa large). */
export class AltCLIPTextConfig extends PreTrainedConfig {
  declare vocab_size: number;
  declare hidden_size: number;
  declare intermediate_size: number;
  declare num_hidden_layers: number;
  declare num_attention_heads: number;
  declare max_position_embeddings: number;
  declare hidden_act: string;
  declare layer_norm_eps: number | null;
  declare initializer_range: number;
  declare initializer_factor: number;
  declare pad_token_id: number | null;
  declare bos_token_id: number | null;
  declare eos_token_id: number | null;
  declare hidden_dropout_prob: number;
  declare attention_probs_dropout_prob: number;
  declare type_vocab_size: number;
  /** Width of the text tower's last_hidden_state. */
  declare project_dim: number;

  /** @throws INVALID_ARGUMENT naming the field, for a wrong type or a hidden_size the heads do not divide. */
  constructor(values: Record<string, unknown> = {}) {
    super('altclip_text_model', textFields, values);
    checkHeads(this);
  }

  /** The text part of a checkpoint's configuration; see {@link AltCLIPConfig.from_pretrained}. */
  static async from_pretrained(id_or_path: string, options?: PretrainedOptions): Promise<AltCLIPTextConfig> {
    return (await AltCLIPConfig.from_pretrained(id_or_path, options)).text_config;
  }
}

/** The vision tower's configuration: every field and default of transformers' AltCLIPVisionConfig. */
export class AltCLIPVisionConfig extends PreTrainedConfig {
  declare hidden_size: number;
  declare intermediate_size: number;
  declare projection_dim: number;
  declare num_hidden_layers: number;
  declare num_attention_heads: number;
  declare num_channels: number;
  /** Pixels; [height, width] is accepted as transformers does, but only square sizes run. */
  declare image_size: number | [number, number] | null;
  declare patch_size: number | [number, number] | null;
  declare hidden_act: string;
  declare layer_norm_eps: number;
  declare attention_dropout: number | null;
  declare initializer_range: number;
  declare initializer_factor: number;

  /** @throws INVALID_ARGUMENT naming the field, for a wrong type or a hidden_size the heads do not divide. */
  constructor(values: Record<string, unknown> = {}) {
    super('altclip_vision_model', visionFields, values);
    checkHeads(this);
  }

  /** The vision part of a checkpoint's configuration; see {@link AltCLIPConfig.from_pretrained}. */
  static async from_pretrained(id_or_path: string, options?: PretrainedOptions): Promise<AltCLIPVisionConfig> {
    return (await AltCLIPConfig.from_pretrained(id_or_path, options)).vision_config;
  }
}

/** The whole model's configuration, as transformers' AltCLIPConfig. */
export class AltCLIPConfig extends PreTrainedConfig {
  declare text_config: AltCLIPTextConfig;
  declare vision_config: AltCLIPVisionConfig;
  /** Width of the embedding space both towers share. */
  declare projection_dim: number;
  /** Natural logarithm. */
  declare logit_scale_init_value: number | null;
  declare initializer_factor: number | null;

  /**
   * @param values fields of config.json. `text_config_dict` and `vision_config_dict`, which old checkpoints carry,
   *   override `text_config` and `vision_config` as in transformers: with all their fields, defaults included.
   * @throws INVALID_ARGUMENT naming the field, for a wrong type.
   */
  constructor(values: Record<string, unknown> = {}) {
    const { text_config, vision_config, text_config_dict, vision_config_dict, ...rest } = values ?? {};
    super('altclip', modelFields, values && rest);
    this.text_config = new AltCLIPTextConfig(merged(AltCLIPTextConfig, text_config, text_config_dict));
    this.vision_config = new AltCLIPVisionConfig(merged(AltCLIPVisionConfig, vision_config, vision_config_dict));
  }

  /** A configuration from those of its towers; `values` holds the other fields. */
  static from_text_vision_configs(
    text_config: AltCLIPTextConfig,
    vision_config: AltCLIPVisionConfig,
    values: Record<string, unknown> = {},
  ): AltCLIPConfig {
    return new AltCLIPConfig({ ...values, text_config, vision_config });
  }

  /**
   * From a folder's config.json, a GGUF file's keys, or a hub id.
   * @throws IO, HUB, MODEL_FORMAT (no JSON), INVALID_ARGUMENT (a wrong field).
   */
  static async from_pretrained(id_or_path: string, options: PretrainedOptions = {}): Promise<AltCLIPConfig> {
    return new AltCLIPConfig(await loadConfig(id_or_path, options));
  }
}

type TowerConfig = new (values: Record<string, unknown>) => PreTrainedConfig;

function merged(Config: TowerConfig, value: unknown, legacy: unknown): Record<string, unknown> {
  const base = (value instanceof PreTrainedConfig ? value.to_dict() : (value ?? {})) as Record<string, unknown>;
  if (legacy === undefined || legacy === null) return base;
  return { ...base, ...new Config(legacy as Record<string, unknown>).to_dict() };
}
