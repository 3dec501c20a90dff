import { Callable } from './callable';
import { invalid } from './errors';
import { clipSettings } from './image/options';
import { CLIPImageProcessor, type ImageProcessorCall, type ImageProcessorOptions } from './image/processing';
import type { ImageInput } from './image/raw_image';
import type { PretrainedOptions } from './pretrained_options';
import { kindOf, type Tensor } from './tensor';
import { type TokenizerOptions, XLMRobertaTokenizer } from './tokenization/tokenizer';

/** What a processor is called with: texts, images or both, and any option of the tokenizer or the image processor. */
export interface ProcessorInputs extends TokenizerOptions, ImageProcessorCall {
  text?: string | string[];
  images?: ImageInput | ImageInput[];
}

/** Options of a call that are the image processor's. */
const imageOptions = new Set([...Object.keys(clipSettings), 'data_format', 'input_data_format']);

/** What it gives: the tokenizer's tensors where there is text, pixel_values where there are images. */
export interface ProcessorOutput {
  /** int64 [texts, tokens]. */
  input_ids?: Tensor<'int64'>;
  /** int64 [texts, tokens]; 1 at tokens, 0 at padding. */
  attention_mask?: Tensor<'int64'>;
  /** float32 [images, 3, height, width]; uint8 where neither rescaling nor normalising is on. */
  pixel_values?: Tensor<'float32'> | Tensor<'uint8'>;
  [name: string]: unknown;
}

/**
 * Tokenizer and image processor in one, as transformers' AltCLIPProcessor:
 * `await processor({ text: ['a photo of a cat'], images: 'cat.jpg', padding: true })`.
 */
export class AltCLIPProcessor extends Callable<(inputs: ProcessorInputs) => Promise<ProcessorOutput>> {
  readonly image_processor: CLIPImageProcessor;
  readonly tokenizer: XLMRobertaTokenizer;

  constructor(image_processor: CLIPImageProcessor, tokenizer: XLMRobertaTokenizer) {
    super();
    this.image_processor = image_processor;
    this.tokenizer = tokenizer;
  }

  /**
   * Loads both parts from a folder in Hugging Face's layout, a .gguf file, a hub id, or 'demo'; image options among
   * `options` take the place of the file's.
   * @throws IO, HUB or MODEL_FORMAT, naming the file that is missing or damaged.
   */
  static async from_pretrained(
    id_or_path: string,
    options?: PretrainedOptions & ImageProcessorOptions,
  ): Promise<AltCLIPProcessor> {
    const [image_processor, tokenizer] = await Promise.all([
      CLIPImageProcessor.from_pretrained(id_or_path, options),
      XLMRobertaTokenizer.from_pretrained(id_or_path, options),
    ]);
    return new AltCLIPProcessor(image_processor, tokenizer);
  }

  /** Names of the tensors that a call can give a model. */
  get model_input_names(): string[] {
    return [...new Set([...this.tokenizer.model_input_names, ...this.image_processor.model_input_names])];
  }

  /** @throws INVALID_ARGUMENT without text and images, or for an option; IO or IMAGE naming an image; ABORTED. */
  async _call(inputs: ProcessorInputs): Promise<ProcessorOutput> {
    if (typeof inputs !== 'object' || inputs === null || Array.isArray(inputs)) {
      invalid(`AltCLIPProcessor: got ${kindOf(inputs)}, expected an object with text, images or both`);
    }
    const { text, images, signal, ...options } = inputs;
    if ((text ?? images ?? undefined) === undefined)
      invalid('AltCLIPProcessor: got neither text nor images, expected one or both');
    const forImages: Record<string, unknown> = {};
    const forText: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(options)) {
      (imageOptions.has(key) ? forImages : forText)[key] = value;
    }
    const encoded = text === undefined || text === null ? {} : this.tokenizer(text, forText);
    const pixels =
      images === undefined || images === null
        ? {}
        : await this.image_processor.preprocess(images, { ...forImages, signal });
    return { ...encoded, ...pixels } as ProcessorOutput;
  }

  /** Text of token ids; arguments as {@link XLMRobertaTokenizer.decode}. */
  decode(...args: Parameters<XLMRobertaTokenizer['decode']>): string {
    return this.tokenizer.decode(...args);
  }

  /** Texts of rows of token ids; arguments as {@link XLMRobertaTokenizer.batch_decode}. */
  batch_decode(...args: Parameters<XLMRobertaTokenizer['batch_decode']>): string[] {
    return this.tokenizer.batch_decode(...args);
  }

  /** Writes both parts' files: preprocessor_config.json, tokenizer.json, tokenizer_config.json. @throws IO, UNSUPPORTED. */
  async save_pretrained(folder: string): Promise<void> {
    await this.image_processor.save_pretrained(folder);
    await this.tokenizer.save_pretrained(folder);
  }
}
