// A checkpoint that is nothing but its vocabulary: towers 8 numbers wide, all zeros, beside tokenizer.json.
import { writeFileSync } from 'node:fs';
import path from 'node:path';

const width = 8;
const text = 'text_model.roberta';
const vision = 'vision_model';
const textLayer = `${text}.encoder.layer.0`;
const visionLayer = `${vision}.encoder.layers.0`;

const squares = [
  ...['self.query', 'self.key', 'self.value', 'output.dense'].map((name) => `${textLayer}.attention.${name}`),
  ...['intermediate.dense', 'output.dense'].map((name) => `${textLayer}.${name}`),
  ...['q_proj', 'k_proj', 'v_proj', 'out_proj'].map((name) => `${visionLayer}.self_attn.${name}`),
  ...['fc1', 'fc2'].map((name) => `${visionLayer}.mlp.${name}`),
  'text_model.transformation',
];
const norms = [
  `${text}.embeddings.LayerNorm`,
  ...['attention.output.LayerNorm', 'output.LayerNorm'].map((name) => `${textLayer}.${name}`),
  'text_model.pre_LN',
  ...['pre_layrnorm', 'post_layernorm'].map((name) => `${vision}.${name}`),
  ...['layer_norm1', 'layer_norm2'].map((name) => `${visionLayer}.${name}`),
];

/** Name -> shape, in transformers' names. */
function shapes(vocabSize) {
  const all = {
    logit_scale: [],
    'text_projection.weight': [width, width],
    'visual_projection.weight': [width, width],
    [`${text}.embeddings.word_embeddings.weight`]: [vocabSize, width],
    [`${text}.embeddings.position_embeddings.weight`]: [514, width],
    [`${text}.embeddings.token_type_embeddings.weight`]: [1, width],
    [`${vision}.embeddings.class_embedding`]: [width],
    [`${vision}.embeddings.patch_embedding.weight`]: [width, 3, width, width],
    [`${vision}.embeddings.position_embedding.weight`]: [2, width],
  };
  for (const name of squares) all[`${name}.weight`] = [width, width];
  for (const name of norms) all[`${name}.weight`] = [width];
  for (const name of [...squares, ...norms]) all[`${name}.bias`] = [width];
  return all;
}

/** Writes config.json and model.safetensors into `folder`, which holds the tokenizer. */
export function writeVocabularyCheckpoint(folder, vocabSize) {
  const tower = { hidden_size: width, intermediate_size: width, num_hidden_layers: 1, num_attention_heads: 1 };
  const text_config = { ...tower, vocab_size: vocabSize, project_dim: width };
  const vision_config = { ...tower, image_size: width, patch_size: width };
  const config = { model_type: 'altclip', projection_dim: width, text_config, vision_config };
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  let end = 0;
  const entry = (shape) => {
    const begin = end;
    end += 4 * shape.reduce((a, b) => a * b, 1);
    return { dtype: 'F32', shape, data_offsets: [begin, end] };
  };
  const header = Object.entries(shapes(vocabSize)).map(([name, shape]) => [name, entry(shape)]);
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const length = Buffer.from(BigUint64Array.of(BigInt(json.length)).buffer);
  writeFileSync(path.join(folder, 'model.safetensors'), Buffer.concat([length, json, Buffer.alloc(end)]));
}
