import { AltCLIPError, invalid } from './errors';
import type { ImageSize } from './image_options';
import { Tensor } from './tensor';

const maxValues = 2 ** 31;

/** Images of one size gathered into one tensor, in whatever order they come. */
export class ImageBatch {
  private data: Float32Array | Uint8Array | undefined;
  private first: (ImageSize & { index: number }) | undefined;

  constructor(private readonly images: number) {}

  /** Fixes the size with the first image; called before an image is computed, so that a misfit costs nothing. */
  reserve(index: number, { height, width }: ImageSize): void {
    this.first ??= { height, width, index };
    const { first } = this;
    if (first.height !== height || first.width !== width) {
      const sizes = [`${first.width}x${first.height}`, `${width}x${height}`];
      invalid(
        `images: numbers ${first.index} and ${index} would be ${sizes.join(' and ')}, expected one size for all; ` +
          'set do_center_crop, or size to { height, width }',
      );
    }
    if (this.images * 3 * height * width > maxValues) {
      invalid(`images: ${this.images} of ${width}x${height} pixels are too many for one tensor, expected fewer`);
    }
  }

  /** Takes an image's values: float32 planes, or interleaved bytes. @throws OUT_OF_MEMORY. */
  set(index: number, values: Float32Array | Uint8Array): void {
    this.data ??= this.allocate(values);
    const offset = index * values.length;
    if (values instanceof Uint8Array && this.data instanceof Uint8Array) planes(values, this.data, offset);
    else this.data.set(values, offset);
  }

  /** [images, 3, height, width]; all images are set. */
  tensor(): Tensor<'float32'> | Tensor<'uint8'> {
    const { height, width } = this.first as ImageSize;
    const dims = [this.images, 3, height, width];
    return this.data instanceof Float32Array
      ? new Tensor('float32', this.data, dims)
      : new Tensor('uint8', this.data as Uint8Array, dims);
  }

  private allocate(values: Float32Array | Uint8Array): Float32Array | Uint8Array {
    const size = this.images * values.length;
    try {
      return values instanceof Float32Array ? new Float32Array(size) : new Uint8Array(size);
    } catch (cause) {
      throw new AltCLIPError('OUT_OF_MEMORY', `images: no memory for a tensor of ${size} values`, { cause });
    }
  }
}

/** Interleaved bytes [height, width, 3] as planes [3, height, width]. */
function planes(interleaved: Uint8Array, target: Uint8Array, offset: number): void {
  const plane = interleaved.length / 3;
  for (let i = 0, from = 0; i < plane; i++, from += 3) {
    for (let c = 0; c < 3; c++) target[offset + c * plane + i] = interleaved[from + c] as number;
  }
}
