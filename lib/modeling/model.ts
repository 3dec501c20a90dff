import type { AltCLIPConfig } from '../configuration';
import { AltCLIPError, invalid } from '../errors';
import { clipSettings, settingsOf } from '../image/options';
import { CLIPImageProcessor, type ImageProcessorOptions } from '../image/processing';
import type { ImageInput } from '../image/raw_image';
import { loadPreprocessorConfig } from '../loading/loading';
import { checkPairs, contrastiveLoss, similarity } from '../similarity';
import { checkCount, checkOnError, checkStream, type EncodeOptions, encodeInBatches, type OnError } from '../streams';
import { Tensor } from '../tensor';
import { XLMRobertaTokenizer } from '../tokenization/tokenizer';
import {
  AltCLIPPreTrainedModel,
  featuresOnly,
  type LoadedModel,
  loadPretrained,
  loadRandom,
  type ModelOptions,
  type RandomModelOptions,
  wantedBy,
} from './base';
import {
  type AltCLIPInputs,
  checkInputs,
  type ForwardOptions,
  type ImageInputs,
  imageInput,
  type TextInputs,
  textInput,
  towerOf,
} from './inputs';
import { type AltCLIPOutput, perRow, towerOutput } from './outputs';
import { runText, runVision } from './towers';

/** Options of encode_images; those of an image processor take the place of the model's own. */
export interface EncodeImagesOptions extends EncodeOptions, ImageProcessorOptions {
  /** Images opened and resized beyond the batch that is in the tower. */
  decode_ahead?: number;
  /**
   * What becomes of an image that cannot be read: 'throw' (the default) ends the loop; 'skip' leaves it out; a function
   * hears of the error, the image's place in the source (from 0) and the image, which is left out.
   */
  on_error?: OnError<ImageInput>;
}

/**
 * AltCLIP: both towers, their projections into one embedding space, and the similarity between them.
 *
 * `await model(inputs)` is `model.forward(inputs)`. Names, arguments and outputs are those of transformers' AltCLIPModel.
 */
export class AltCLIPModel extends AltCLIPPreTrainedModel<AltCLIPInputs, AltCLIPOutput> {
  readonly config: AltCLIPConfig;
  private readonly file: string | undefined;
  private imageProcessor: Promise<CLIPImageProcessor> | undefined;
  private tokenizer: Promise<XLMRobertaTokenizer> | undefined;

  constructor(loaded: LoadedModel) {
    super(loaded);
    this.config = loaded.config;
    this.file = loaded.file;
  }

  /**
   * Loads a model.
   *
   * @param id_or_path a .gguf file; a folder in Hugging Face's layout, converted once into the cache; a hub id,
   *   downloaded where the cache of huggingface_hub lacks it; or 'demo', the small model of the package. A .gguf file
   *   of one tower (`altclip convert --tower text`) gives that tower's features and embeddings; what needs the other
   *   throws UNSUPPORTED, and the other's configuration holds defaults.
   * @throws IO, HUB (cannot be had), MODEL_FORMAT (damaged, foreign or without weights, naming the file),
   *   UNSUPPORTED, INVALID_ARGUMENT (an option), ABORTED.
   */
  static async from_pretrained(id_or_path: string, options?: ModelOptions): Promise<AltCLIPModel> {
    return new AltCLIPModel(await loadPretrained(id_or_path, ['text', 'vision'], options));
  }

  /** A model with random weights, as AltCLIPModel(config) gives in Python; `dtype` defaults to 'f32'. */
  static async from_config(config: AltCLIPConfig, options?: RandomModelOptions): Promise<AltCLIPModel> {
    return new AltCLIPModel(await loadRandom(config, options));
  }

  /** The trained scale of the logits as its natural logarithm: logits are exp(logit_scale) x cosine. */
  get logit_scale(): number {
    return this.native.logitScale;
  }

  /**
   * Both towers (at the same time) and the similarity of every text with every image.
   * @throws INVALID_ARGUMENT naming the input and what was expected; UNSUPPORTED naming the tower that the model's file
   *   lacks; ABORTED; DISPOSED.
   */
  async forward(inputs: AltCLIPInputs): Promise<AltCLIPOutput> {
    checkInputs(inputs, 'AltCLIPModel.forward');
    const { inputs_embeds } = inputs as { inputs_embeds?: unknown };
    if (inputs_embeds !== undefined && inputs_embeds !== null) {
      invalid('inputs_embeds: AltCLIPModel.forward takes input_ids only; AltCLIPTextModel takes inputs_embeds');
    }
    const textTokens = textInput(inputs, this.native.hparams);
    const pixels = imageInput(inputs, this.native.hparams);
    if (inputs.return_loss) checkPairs(textTokens.rows, pixels.images);
    const wanted = wantedBy(inputs, this.config, true);
    const [text, vision] = await Promise.all([
      runText(this.loaded, textTokens, wanted, inputs.signal),
      runVision(this.loaded, pixels, wanted, inputs.signal),
    ]);
    const { text_embeds, image_embeds, logits_per_text } = await similarity(
      perRow(text.output.features as Float32Array, text.rows),
      perRow(vision.output.features as Float32Array, vision.rows),
      this.logit_scale,
    );
    return {
      ...(inputs.return_loss && { loss: contrastiveLoss(logits_per_text) }),
      logits_per_image: logits_per_text.transpose(),
      logits_per_text,
      text_embeds,
      image_embeds,
      text_model_output: towerOutput(text.output, text.rows, text.heads),
      vision_model_output: towerOutput(vision.output, vision.rows, vision.heads),
    };
  }

  /** Projected features of texts, not normalised: float32 [texts, projection_dim]. Errors as {@link forward}. */
  async get_text_features(inputs: TextInputs & Pick<ForwardOptions, 'signal'>): Promise<Tensor<'float32'>> {
    checkInputs(inputs, 'AltCLIPModel.get_text_features');
    const input = textInput(inputs, this.native.hparams);
    const { output, rows } = await runText(this.loaded, input, featuresOnly, inputs.signal);
    return perRow(output.features as Float32Array, rows);
  }

  /** Projected features of images, not normalised: float32 [images, projection_dim]. Errors as {@link forward}. */
  async get_image_features(inputs: ImageInputs & Pick<ForwardOptions, 'signal'>): Promise<Tensor<'float32'>> {
    checkInputs(inputs, 'AltCLIPModel.get_image_features');
    const input = imageInput(inputs, this.native.hparams);
    const { output, rows } = await runVision(this.loaded, input, featuresOnly, inputs.signal);
    return perRow(output.features as Float32Array, rows);
  }

  /**
   * Embeddings of many images, one at a time, in order: float32 [projection_dim], length 1.
   *
   * While the tower works on a batch, the next `decode_ahead` images are opened and resized, four at once; no more are
   * in memory, however many images there are.
   * @param images paths, URLs, bytes, RawImages, ... from any iterable or async iterable; preprocessed as the model's
   *   own processor does.
   * @param options see {@link EncodeImagesOptions}; decode_ahead defaults to batch_size.
   * @throws (from the loop) IO or IMAGE naming an image that cannot be read, after the rows before it, where on_error is
   *   'throw'; ADDON where sharp is missing; what a callback or the source throws; ABORTED; DISPOSED.
   */
  encode_images(
    images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
    {
      batch_size = 16,
      decode_ahead = batch_size,
      on_error = 'throw',
      signal,
      ...imageOptions
    }: EncodeImagesOptions = {},
  ): AsyncGenerator<Tensor<'float32'>, void, undefined> {
    towerOf(this.native.hparams, 'vision');
    checkStream(images, batch_size, 'images');
    checkCount(decode_ahead, 'decode_ahead');
    checkOnError(on_error);
    // a wrong option is the caller's mistake, not every image's
    const unknown = Object.keys(settingsOf(clipSettings, imageOptions).others);
    if (unknown.length > 0) invalid(`encode_images: unknown option ${unknown.join(', ')}`);
    return encodeInBatches(images, {
      batchSize: batch_size,
      ahead: decode_ahead,
      onError: on_error,
      signal,
      begin: () => this.ownImageProcessor(),
      prepare: async (image, stop) =>
        (await this.ownImageProcessor()).preprocess(image, { ...imageOptions, signal: stop }),
      encode: (batch, stop) => {
        const pixel_values = stacked(batch.map((one) => one.pixel_values as Tensor<'float32'>));
        return this.get_image_features({ pixel_values, signal: stop });
      },
    });
  }

  /**
   * Embeddings of many texts, one at a time, in order: float32 [projection_dim], length 1. Longer texts than the model
   * takes are cut.
   * @throws (from the loop) IO or MODEL_FORMAT for a model without a tokenizer; INVALID_ARGUMENT; ABORTED; DISPOSED.
   */
  encode_texts(
    texts: Iterable<string> | AsyncIterable<string>,
    { batch_size = 64, signal }: EncodeOptions = {},
  ): AsyncGenerator<Tensor<'float32'>, void, undefined> {
    const { maxPositionEmbeddings, padTokenId } = towerOf(this.native.hparams, 'text');
    const longest = maxPositionEmbeddings - padTokenId - 1; // positions are counted from behind pad_token_id
    checkStream(texts, batch_size, 'texts');
    return encodeInBatches(texts, {
      batchSize: batch_size,
      ahead: batch_size,
      onError: 'throw',
      signal,
      prepare: async (text) => text,
      encode: async (batch, stop) => {
        const tokenizer = await this.ownTokenizer();
        // whatever tokenizer_config.json says: padding must not show, and the pooled token is a row's first
        const options = { padding_side: 'right', return_attention_mask: true } as const;
        const max_length = Math.min(longest, tokenizer.model_max_length);
        const inputs = tokenizer(batch, { padding: true, truncation: true, max_length, ...options });
        return this.get_text_features({ ...inputs, signal: stop });
      },
    });
  }

  private ownImageProcessor(): Promise<CLIPImageProcessor> {
    this.imageProcessor ??= this.file
      ? loadPreprocessorConfig(this.file).then((config) => new CLIPImageProcessor(config))
      : Promise.resolve(squareProcessor(this.config.vision_config.image_size));
    return this.imageProcessor;
  }

  private ownTokenizer(): Promise<XLMRobertaTokenizer> {
    if (!this.file) {
      return Promise.reject(
        new AltCLIPError('UNSUPPORTED', 'encode_texts: a model with random weights has no tokenizer'),
      );
    }
    this.tokenizer ??= XLMRobertaTokenizer.from_file(this.file);
    return this.tokenizer;
  }
}

/** CLIP's own preprocessing for images of the given size, in pixels. */
function squareProcessor(size: AltCLIPConfig['vision_config']['image_size']): CLIPImageProcessor {
  const side = Array.isArray(size) ? size[0] : (size ?? 224);
  return new CLIPImageProcessor({ size: { shortest_edge: side }, crop_size: { height: side, width: side } });
}

/** Tensors [1, ...] of one shape as one [n, ...]. */
function stacked(rows: Tensor<'float32'>[]): Tensor<'float32'> {
  const [first] = rows as [Tensor<'float32'>];
  const misfit = rows.find(({ dims }) => dims.join() !== first.dims.join());
  if (misfit)
    invalid(`images: got [${first.dims}] and [${misfit.dims}] after preprocessing, expected one size for all`);
  const data = new Float32Array(rows.length * first.data.length);
  rows.forEach((row, i) => {
    data.set(row.data, i * first.data.length);
  });
  return new Tensor('float32', data, [rows.length, ...first.dims.slice(1)]);
}
