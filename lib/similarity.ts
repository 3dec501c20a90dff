import { fromNative, invalid } from './errors';
import { native } from './native';
import { Tensor } from './tensor';

/** Embeddings of length 1 and the logits between them. */
export interface Similarity {
  /** [texts, dim] */
  text_embeds: Tensor<'float32'>;
  /** [images, dim] */
  image_embeds: Tensor<'float32'>;
  /** [texts, images] */
  logits_per_text: Tensor<'float32'>;
}

/** Normalises features [texts, dim] and [images, dim] and gives exp(logitScale) x their cosines. */
export async function similarity(
  text: Tensor<'float32'>,
  image: Tensor<'float32'>,
  logitScale: number,
): Promise<Similarity> {
  const dim = text.dims[1] as number;
  const result = await fromNative(native.similarity(text.data, image.data, dim, logitScale));
  return {
    text_embeds: new Tensor('float32', result.textEmbeds, text.dims),
    image_embeds: new Tensor('float32', result.imageEmbeds, image.dims),
    logits_per_text: new Tensor('float32', result.logitsPerText, [text.dims[0] as number, image.dims[0] as number]),
  };
}

/** @throws INVALID_ARGUMENT unless texts and images are equally many. */
export function checkPairs(texts: number, images: number): void {
  if (texts !== images) {
    invalid(`return_loss: got ${texts} texts and ${images} images, expected pairs: text i belongs to image i`);
  }
}

/** Mean of the cross-entropies of texts over images and images over texts; text i belongs to image i. Scalar []. */
export function contrastiveLoss(logitsPerText: Tensor<'float32'>): Tensor<'float32'> {
  const loss = (crossEntropy(logitsPerText) + crossEntropy(logitsPerText.transpose())) / 2;
  return new Tensor('float32', Float32Array.of(loss), []);
}

function crossEntropy(logits: Tensor<'float32'>): number {
  let sum = 0;
  let target = 0;
  for (const { data } of logits) {
    const highest = data.reduce((a, b) => Math.max(a, b));
    const powers = data.reduce((total, x) => total + Math.exp(x - highest), 0);
    sum += Math.log(powers) + highest - (data[target++] as number);
  }
  return sum / target;
}
