import { throwIfAborted } from '../abort';
import { Callable } from '../callable';
import { forEachLimited } from '../concurrency';
import { fromNative, invalid } from '../errors';
import { loadPreprocessorConfig } from '../loading/loading';
import { saveText } from '../loading/saved_files';
import { type NativePreprocessOptions, native } from '../native';
import type { PretrainedOptions } from '../pretrained_options';
import { kindOf, type Tensor } from '../tensor';
import { ImageBatch } from './batch';
import { type ImageInput, openAsRgb } from './open';
import {
  clipSettings,
  type DataFormat,
  dataFormat,
  type ImageProcessorOptions,
  type ImageSettings,
  type ImageSize,
  imageOptionsIn,
  resizedSize,
  settingsOf,
} from './options';

export type { ImageProcessorOptions } from './options';

/** Options of one call. */
export interface ImageProcessorCall extends ImageProcessorOptions {
  /**
   * Order of pixel_values, default 'channels_first'; models take no other. As in transformers 4: transformers 5 accepts
   * 'channels_last' and gives channels first all the same.
   */
  data_format?: DataFormat;
  /** Order of images that are tensors; default: the one where channels come out. */
  input_data_format?: DataFormat;
  signal?: AbortSignal;
}

/** What an image processor gives. */
export interface ImageProcessorOutput {
  /** float32 [images, 3, height, width], or as data_format says; uint8 where neither rescaling nor normalising is on. */
  pixel_values: Tensor<'float32'> | Tensor<'uint8'>;
}

/** Images that are open or being decoded at once; sharp decodes on four threads. */
const maxConcurrent = 4;

/**
 * Images to pixel_values, as transformers' CLIPImageProcessor with its PIL backend, bit for bit: resize, centre crop,
 * rescale, normalise. Instances are callable: `await image_processor(images, options)`.
 */
export class CLIPImageProcessor extends Callable<
  (images: ImageInput | ImageInput[], options?: ImageProcessorCall) => Promise<ImageProcessorOutput>
> {
  readonly model_input_names: string[] = ['pixel_values'];
  private readonly settings: Readonly<ImageSettings>;
  private readonly extra: Readonly<Record<string, unknown>>;

  /**
   * @param config options; what is not set is CLIP's. Other fields of a preprocessor_config.json are kept for to_dict().
   * @throws INVALID_ARGUMENT naming an option of another kind or out of range.
   */
  constructor(config: ImageProcessorOptions | Record<string, unknown> = {}) {
    super();
    if (typeof config !== 'object' || config === null || Array.isArray(config)) {
      invalid(`CLIPImageProcessor: got ${kindOf(config)}, expected an object of options`);
    }
    const { settings, others } = settingsOf(clipSettings, config);
    this.settings = settings;
    this.extra = others;
  }

  /**
   * Loads preprocessor_config.json of a folder in Hugging Face's layout, or what a .gguf file carries of it; image
   * options among `options` take the place of the file's.
   * @throws IO, HUB or MODEL_FORMAT, naming the file; INVALID_ARGUMENT naming a wrong option in it.
   */
  static async from_pretrained(
    id_or_path: string,
    options: PretrainedOptions & ImageProcessorOptions = {},
  ): Promise<CLIPImageProcessor> {
    const config = await loadPreprocessorConfig(id_or_path, options);
    return new CLIPImageProcessor({ ...config, ...imageOptionsIn(options) });
  }

  /** As {@link CLIPImageProcessor.preprocess}. */
  _call(images: ImageInput | ImageInput[], options?: ImageProcessorCall): Promise<ImageProcessorOutput> {
    return this.preprocess(images, options);
  }

  /**
   * Opens and preprocesses one image or many, a few at a time.
   * @param images see {@link ImageInput}; a path, URL or bytes are opened as transformers opens files (upright, alpha
   *   dropped), a RawImage is treated as an opened PIL image (transparency laid on white).
   * @param options set what is to differ from the processor's own; `signal` aborts.
   * @returns pixel_values float32 [images, 3, height, width].
   * @throws IO or IMAGE naming an image; INVALID_ARGUMENT for a wrong option, no images, or images that end up with
   *   different sizes; ABORTED.
   */
  async preprocess(
    images: ImageInput | ImageInput[],
    { signal, data_format, input_data_format, ...options }: ImageProcessorCall = {},
  ): Promise<ImageProcessorOutput> {
    const { settings, others } = settingsOf(this.settings, options);
    const unknown = Object.keys(others);
    if (unknown.length > 0) invalid(`CLIPImageProcessor: unknown option ${unknown.join(', ')}`);
    const list = Array.isArray(images) ? images : [images];
    if (list.length === 0) invalid('images: got an empty array, expected at least one image');
    throwIfAborted(signal);
    const batch = new ImageBatch(list.length, dataFormat(data_format, 'data_format'));
    const order = dataFormat(input_data_format, 'input_data_format');
    const shrinkFor = settings.fast_decode && settings.do_resize ? settings.size : undefined;
    await forEachLimited(list, maxConcurrent, signal, async (image, index, stop) => {
      const { pixels, full } = await openAsRgb(image, settings.do_convert_rgb, {
        signal: stop,
        order,
        shrinkFor,
        useIccProfile: settings.use_icc_profile,
      });
      throwIfAborted(stop);
      const { data, width, height } = pixels;
      const plan = nativeOptions(full, settings);
      const size = plan.crop ?? plan.resize ?? full;
      batch.reserve(index, size);
      batch.set(index, await fromNative(native.preprocessImage(data, width, height, plan)));
    });
    return { pixel_values: batch.tensor() };
  }

  /** The options as preprocessor_config.json has them; those that transformers lacks only where they are on. */
  to_dict(): Record<string, unknown> {
    const { fast_decode, use_icc_profile, ...settings } = this.settings;
    return structuredClone({
      image_processor_type: 'CLIPImageProcessor',
      ...this.extra,
      ...settings,
      ...(fast_decode && { fast_decode }),
      ...(use_icc_profile && { use_icc_profile }),
    });
  }

  /** The text of preprocessor_config.json as transformers writes it: sorted keys, two spaces, a line end. */
  to_json_string(): string {
    const sorted = Object.entries(this.to_dict()).sort(([a], [b]) => (a < b ? -1 : 1));
    return `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`;
  }

  /** Writes `folder`/preprocessor_config.json; makes the folder. @throws IO where that cannot be done. */
  save_pretrained(folder: string): Promise<void> {
    return saveText(folder, 'preprocessor_config.json', this.to_json_string());
  }
}

function nativeOptions(image: ImageSize, settings: ImageSettings): NativePreprocessOptions {
  const three = (value: number | number[]): number[] => (Array.isArray(value) ? value : [value, value, value]);
  return {
    resize: settings.do_resize ? { ...resizedSize(image, settings.size), resample: settings.resample } : undefined,
    crop: settings.do_center_crop ? settings.crop_size : undefined,
    rescaleFactor: settings.do_rescale ? settings.rescale_factor : undefined,
    mean: settings.do_normalize ? three(settings.image_mean) : undefined,
    std: settings.do_normalize ? three(settings.image_std) : undefined,
  };
}
