import { Callable } from './callable';
import { AltCLIPError, invalid } from './errors';
import type { ImageProcessorOptions } from './image/options';
import type { ImageInput } from './image/raw_image';
import { demoId } from './loading/demo_model';
import type { ModelOptions } from './modeling/base';
import { AltCLIPModel, type EncodeImagesOptions } from './modeling/model';
import { AltCLIPProcessor } from './processing';
import { similarity } from './similarity';
import { kindOf, shown, Tensor } from './tensor';

/** One label and its probability among the labels given. */
export interface Classification {
  score: number;
  label: string;
}

/** Options of a zero-shot classification. */
export interface ClassificationOptions extends Pick<ImageProcessorOptions, 'fast_decode' | 'use_icc_profile'> {
  /** Text made of a label, which replaces `{}`; default 'This is a photo of {}'. */
  hypothesis_template?: string;
  signal?: AbortSignal;
}

const task = 'zero-shot-image-classification';

/** Embeddings of label texts that are kept: the same labels are asked for again and again. */
const maxCachedTexts = 4096;

/** One image gives its labels, an array of images an array of them. */
export interface Classify {
  (
    image: ImageInput,
    candidate_labels: string | readonly string[],
    options?: ClassificationOptions,
  ): Promise<Classification[]>;
  (
    images: readonly ImageInput[],
    candidate_labels: string | readonly string[],
    options?: ClassificationOptions,
  ): Promise<Classification[][]>;
  (
    images: ImageInput | readonly ImageInput[],
    candidate_labels: string | readonly string[],
    options?: ClassificationOptions,
  ): Promise<Classification[] | Classification[][]>;
}

/**
 * Classifies images by labels it was not trained on: `await classifier('cat.jpg', ['cat', 'dog'])` gives
 * `[{ score, label }]`, the best first; an array of images gives one such list an image.
 */
export class ZeroShotImageClassificationPipeline extends Callable<Classify> {
  readonly task = task;
  readonly model: AltCLIPModel;
  readonly processor: AltCLIPProcessor;
  private readonly textCache = new Map<string, Float32Array>();

  constructor(model: AltCLIPModel, processor: AltCLIPProcessor) {
    super();
    this.model = model;
    this.processor = processor;
  }

  /** @throws INVALID_ARGUMENT for labels or a template that cannot be used; IO or IMAGE naming an image; ABORTED. */
  async _call(
    images: ImageInput | readonly ImageInput[],
    candidate_labels: string | readonly string[],
    options: ClassificationOptions = {},
  ): Promise<Classification[] | Classification[][]> {
    const { hypothesis_template: template = 'This is a photo of {}', signal, fast_decode, use_icc_profile } = options;
    const labels = Array.isArray(candidate_labels) ? candidate_labels : [candidate_labels];
    if (labels.length === 0) invalid('candidate_labels: got an empty array, expected at least one label');
    const wrong = labels.findIndex((label) => typeof label !== 'string');
    if (wrong >= 0) invalid(`candidate_labels: got ${kindOf(labels[wrong])}, expected strings`);
    if (typeof template !== 'string' || !template.includes('{}')) {
      invalid(`hypothesis_template: got ${shown(template)}, expected a text with {} where the label goes`);
    }
    const batch = Array.isArray(images) ? images : [images];
    if (batch.length === 0) return [];

    const [texts, pictures] = await Promise.all([
      this.embedTexts(
        labels.map((label) => template.replace('{}', () => label)),
        signal,
      ),
      this.embedImages(batch, { signal, fast_decode, use_icc_profile }),
    ]);
    const { logits_per_text } = await similarity(texts, pictures, this.model.logit_scale);
    const results = [...logits_per_text.transpose().softmax(-1)].map((row) =>
      labels.map((label, i) => ({ score: row.data[i] as number, label })).sort((a, b) => b.score - a.score),
    );
    return Array.isArray(images) ? results : (results[0] as Classification[]);
  }

  /** Frees the model; see {@link AltCLIPModel.dispose}. */
  dispose(): Promise<void> {
    this.textCache.clear();
    return this.model.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  private async embedTexts(texts: string[], signal: AbortSignal | undefined): Promise<Tensor<'float32'>> {
    const known = new Map<string, Float32Array>();
    const missing: string[] = [];
    for (const text of new Set(texts)) {
      const cached = this.textCache.get(text);
      if (cached) known.set(text, cached);
      else missing.push(text);
    }
    let next = 0;
    for await (const { data } of this.model.encode_texts(missing, { signal }))
      known.set(missing[next++] as string, data);
    for (const [text, embedding] of known) {
      this.textCache.delete(text); // set again below: the oldest use is the first to go
      this.textCache.set(text, embedding);
    }
    for (const text of this.textCache.keys()) {
      if (this.textCache.size <= maxCachedTexts) break;
      this.textCache.delete(text);
    }
    return stacked(texts.map((text) => known.get(text) as Float32Array));
  }

  private async embedImages(images: ImageInput[], options: EncodeImagesOptions): Promise<Tensor<'float32'>> {
    const rows: Float32Array[] = [];
    for await (const { data } of this.model.encode_images(images, options)) rows.push(data);
    return stacked(rows);
  }
}

function stacked(rows: Float32Array[]): Tensor<'float32'> {
  const width = rows[0]?.length ?? 0;
  const data = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    data.set(row, i * width);
  });
  return new Tensor('float32', data, [rows.length, width]);
}

/**
 * Loads model and processor for a task, as transformers.js does. The one task is 'zero-shot-image-classification'.
 * @param id_or_path as {@link AltCLIPModel.from_pretrained}; default 'demo'.
 * @throws UNSUPPORTED for another task; else as {@link AltCLIPModel.from_pretrained}.
 */
export async function pipeline(
  name: typeof task,
  id_or_path: string = demoId,
  options: ModelOptions = {},
): Promise<ZeroShotImageClassificationPipeline> {
  if (name !== task) throw new AltCLIPError('UNSUPPORTED', `pipeline: got ${shown(name)}, expected '${task}'`);
  // one after the other: what is wrong with the one should not leave the other loading
  const processor = await AltCLIPProcessor.from_pretrained(id_or_path, { ...options, progress_callback: undefined });
  const model = await AltCLIPModel.from_pretrained(id_or_path, options);
  return new ZeroShotImageClassificationPipeline(model, processor);
}
