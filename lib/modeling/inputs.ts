import { AltCLIPError, invalid } from '../errors';
import type { NativeHparams, NativeImageInput, NativeTextInput, Tower } from '../native';
import { kindOf, type Tensor, type TensorLike, toTensor } from '../tensor';

/** What every forward takes beside its tensors. Keys of a processor's output that a model does not use are ignored. */
export interface ForwardOptions {
  /** Bring back the hidden states after every layer; default: the configuration's output_hidden_states. */
  output_hidden_states?: boolean;
  /** Bring back the attention probabilities of every layer; default: the configuration's output_attentions. */
  output_attentions?: boolean;
  signal?: AbortSignal;
}

/** Integer tensors of a text; one row of a mask, of positions or of token types stands for all rows. */
export interface TextInputs {
  /** int64 [texts, tokens]. */
  input_ids?: TensorLike;
  /** int64 [texts, tokens]; 0 hides a token. Without it every token is visible, pad tokens too. */
  attention_mask?: TensorLike;
  /** int64 [texts, tokens]; default 0. */
  token_type_ids?: TensorLike;
  /** int64 [texts, tokens]; default: counted from pad_token_id + 1, pad tokens left out. */
  position_ids?: TensorLike;
}

/** Text towers alone also take embedded tokens. */
export interface TextTowerInputs extends TextInputs, ForwardOptions {
  /** float32 [texts, tokens, hidden_size], instead of input_ids. */
  inputs_embeds?: TensorLike;
}

export interface ImageInputs {
  /** float32 [images, channels, height, width]. */
  pixel_values?: TensorLike;
  /** Take images of another size than the model's: position embeddings are resized (bicubic) to fit. */
  interpolate_pos_encoding?: boolean;
}

export interface VisionTowerInputs extends ImageInputs, ForwardOptions {}

export interface AltCLIPInputs extends TextInputs, ImageInputs, ForwardOptions {
  /** Also compute the contrastive loss; texts and images must be equally many. */
  return_loss?: boolean;
}

/** `inputs` as an object, its flags checked. */
export function checkInputs<T extends object>(inputs: T, where: string): T {
  if (typeof inputs !== 'object' || inputs === null || Array.isArray(inputs)) {
    invalid(`${where}: got ${kindOf(inputs)}, expected an object of inputs`);
  }
  for (const name of ['interpolate_pos_encoding', 'output_hidden_states', 'output_attentions', 'return_loss']) {
    const value = (inputs as Record<string, unknown>)[name];
    if (value !== undefined && value !== null && typeof value !== 'boolean') {
      invalid(`${where}: ${name}: got ${kindOf(value)}, expected true or false`);
    }
  }
  return inputs;
}

/** The tower's hyper-parameters. @throws UNSUPPORTED where the model's file was written for the other tower alone. */
export function towerOf<T extends Tower>(hparams: NativeHparams, tower: T): NonNullable<NativeHparams[T]> {
  const found = hparams[tower];
  if (found) return found;
  const [input, other] = tower === 'text' ? ['texts', 'vision'] : ['images', 'text'];
  throw new AltCLIPError(
    'UNSUPPORTED',
    `this model has no ${tower} tower, so it takes no ${input}: its file was written for the ${other} tower alone`,
  );
}

/** Checks shapes; the addon checks ids, positions and token types against their tables. */
export function textInput(inputs: TextTowerInputs, hparams: NativeHparams): NativeTextInput {
  const { hiddenSize } = towerOf(hparams, 'text');
  const { input_ids, inputs_embeds } = inputs;
  const given = [input_ids, inputs_embeds].filter((value) => value !== undefined && value !== null).length;
  if (given !== 1)
    invalid(`got ${given === 0 ? 'neither' : 'both'} of input_ids and inputs_embeds, expected exactly one`);
  const name = inputs_embeds ? 'inputs_embeds' : 'input_ids';
  const tokens = inputs_embeds ? toTensor(inputs_embeds, 'float32', 3, name) : toTensor(input_ids, 'int64', 2, name);
  const [rows, columns, width] = tokens.dims as [number, number, number?];
  if (tokens.size === 0)
    invalid(`${name}: got shape [${tokens.dims.join(', ')}], expected at least one text and one token`);
  if (width !== undefined && width !== hiddenSize) {
    invalid(`${name}: got width ${width}, expected the text tower's hidden_size ${hiddenSize}`);
  }
  const perToken = (key: 'attention_mask' | 'position_ids' | 'token_type_ids'): BigInt64Array | undefined =>
    inputs[key] === undefined || inputs[key] === null
      ? undefined
      : rowwise(toTensor(inputs[key], 'int64', 2, key), rows, columns, key);
  return {
    rows,
    columns,
    inputIds: inputs_embeds ? undefined : (tokens.data as BigInt64Array),
    inputsEmbeds: inputs_embeds ? (tokens.data as Float32Array) : undefined,
    attentionMask: perToken('attention_mask'),
    positionIds: perToken('position_ids'),
    tokenTypeIds: perToken('token_type_ids'),
  };
}

function rowwise(tensor: Tensor<'int64'>, rows: number, columns: number, name: string): BigInt64Array {
  const [given, length] = tensor.dims;
  if ((given !== rows && given !== 1) || length !== columns) {
    invalid(`${name}: got shape [${tensor.dims.join(', ')}], expected [${rows}, ${columns}] as the tokens, or one row`);
  }
  if (given === rows) return tensor.data;
  const all = new BigInt64Array(rows * columns);
  for (let row = 0; row < rows; row++) all.set(tensor.data, row * columns);
  return all;
}

/** Checks the shape of pixel_values against the vision tower. */
export function imageInput(inputs: ImageInputs, hparams: NativeHparams): NativeImageInput {
  const { imageSize, patchSize, numChannels } = towerOf(hparams, 'vision');
  if (inputs.pixel_values === undefined || inputs.pixel_values === null) {
    invalid('pixel_values: got nothing, expected a float32 tensor [images, channels, height, width]');
  }
  const pixels = toTensor(inputs.pixel_values, 'float32', 4, 'pixel_values');
  const [images, channels, height, width] = pixels.dims as [number, number, number, number];
  const interpolatePosEncoding = inputs.interpolate_pos_encoding ?? false;
  const got = `pixel_values: got shape [${pixels.dims.join(', ')}]`;
  if (images === 0) invalid(`${got}, expected at least one image`);
  if (channels !== numChannels) invalid(`${got}, expected ${numChannels} channels in dimension 1`);
  if (!interpolatePosEncoding && (height !== imageSize || width !== imageSize)) {
    invalid(`${got}, expected images of ${imageSize} x ${imageSize} pixels, or interpolate_pos_encoding: true`);
  }
  if (height < patchSize || width < patchSize) invalid(`${got}, expected at least one patch of ${patchSize} pixels`);
  return { images, channels, height, width, pixelValues: pixels.data, interpolatePosEncoding };
}
