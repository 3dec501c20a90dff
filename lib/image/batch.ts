import { AltCLIPError, invalid } from '../errors';
import { Tensor } from '../tensor';
import type { DataFormat, ImageSize } from './options';

const maxValues = 2 ** 31;

/** Images of one size gathered into one tensor, in whatever order they come. */
export class ImageBatch {
  private data: Float32Array | Uint8Array | undefined;
  private first: (ImageSize & { index: number }) | undefined;

  constructor(
    private readonly images: number,
    private readonly order: DataFormat = 'channels_first',
  ) {}

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

  /** Takes an image's values, for good: float32 planes, or interleaved bytes. @throws OUT_OF_MEMORY. */
  set(index: number, values: Float32Array | Uint8Array): void {
    const given: DataFormat = values instanceof Float32Array ? 'channels_first' : 'channels_last';
    if (this.images === 1 && given === this.order) {
      this.data = values;
      return;
    }
    this.data ??= this.allocate(values);
    const offset = index * values.length;
    if (given === this.order) this.data.set(values, offset);
    else transpose(values, given === 'channels_first' ? 3 : values.length / 3, this.data, offset);
  }

  /** [images, 3, height, width], or [images, height, width, 3]; all images are set. */
  tensor(): Tensor<'float32'> | Tensor<'uint8'> {
    const { height, width } = this.first as ImageSize;
    const dims = this.order === 'channels_first' ? [this.images, 3, height, width] : [this.images, height, width, 3];
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

/** Rows of values as columns, into `target` from `offset` on. */
export function transpose(
  values: Float32Array | Uint8Array,
  rows: number,
  target: Float32Array | Uint8Array,
  offset: number,
): void {
  const columns = values.length / rows;
  for (let row = 0, from = 0; row < rows; row++) {
    for (let to = offset + row; from < (row + 1) * columns; from++, to += rows) target[to] = values[from] as number;
  }
}
