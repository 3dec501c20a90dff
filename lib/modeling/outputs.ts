import type { NativeTowerOutput } from '../native';
import { Tensor } from '../tensor';

/** What a tower gives, under transformers' names (BaseModelOutputWithPooling). All float32. */
export interface AltCLIPTowerOutput {
  /**
   * [n, tokens, width]; text: width is project_dim, vision: hidden_size. Text positions that attention_mask hides hold
   * zeros.
   */
  last_hidden_state: Tensor<'float32'>;
  /** [n, width]. */
  pooler_output: Tensor<'float32'>;
  /** Layers + 1 tensors [n, tokens, hidden_size]; where output_hidden_states asks for them. */
  hidden_states?: Tensor<'float32'>[];
  /** One tensor [n, heads, tokens, tokens] a layer; where output_attentions asks for them. */
  attentions?: Tensor<'float32'>[];
}

/** What {@link AltCLIPModel} gives, under transformers' names. All float32. */
export interface AltCLIPOutput {
  /** Scalar []; mean of the two cross-entropies; where return_loss asks for it. */
  loss?: Tensor<'float32'>;
  /** [images, texts]: exp(logit_scale) x cosine. */
  logits_per_image: Tensor<'float32'>;
  /** [texts, images]. */
  logits_per_text: Tensor<'float32'>;
  /** [texts, projection_dim], length 1. */
  text_embeds: Tensor<'float32'>;
  /** [images, projection_dim], length 1. */
  image_embeds: Tensor<'float32'>;
  text_model_output: AltCLIPTowerOutput;
  vision_model_output: AltCLIPTowerOutput;
}

/** Tensors from what the addon brought back for `n` texts or images; `heads` is the tower's number of attention heads. */
export function towerOutput(output: NativeTowerOutput, n: number, heads: number): AltCLIPTowerOutput {
  const { tokens, lastHiddenState, poolerOutput, hiddenStates, attentions } = output;
  const perToken = (data: Float32Array): Tensor<'float32'> =>
    new Tensor('float32', data, [n, tokens, data.length / (n * tokens)]);
  const result: AltCLIPTowerOutput = {
    last_hidden_state: perToken(lastHiddenState as Float32Array),
    pooler_output: perRow(poolerOutput as Float32Array, n),
  };
  if (hiddenStates) result.hidden_states = hiddenStates.map(perToken);
  if (attentions) {
    result.attentions = attentions.map((data) => new Tensor('float32', data, [n, heads, tokens, tokens]));
  }
  return result;
}

/** [n, width]. */
export function perRow(data: Float32Array, n: number): Tensor<'float32'> {
  return new Tensor('float32', data, [n, data.length / n]);
}
