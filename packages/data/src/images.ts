/** Decoded images on their way to a batch: one size, and the order of axes that layers take. */
import { ShapeError } from "@dormouse/tensor";
import { requireWhole } from "./whole.ts";

/** Pixels in rows from the top, the channels of a pixel together. `readImage` of `@dormouse/formats` gives one. */
export interface ImagePixels<D extends PixelData = PixelData> {
  readonly data: D;
  /** [height, width, channels]. */
  readonly shape: readonly number[];
}

/** Bytes, 16-bit or real values of pixels. */
export type PixelData = Uint8Array | Uint16Array | Float32Array;

const emptyLike = <D extends PixelData>(data: D, length: number): D =>
  new (data.constructor as new (length: number) => D)(length);

/**
 * The image in another size. Each pixel of the result is the mean of the part of the image that it covers, so that fine
 * lines do not vanish when it gets smaller, and is interpolated linearly between centers when it gets larger: a
 * triangle filter as wide as the larger of the two pixels, as Pillow's `BILINEAR`.
 *
 * ```ts
 * console.log(resizeImage({ data: Uint8Array.of(0, 100, 200, 100), shape: [1, 4, 1] }, [1, 2]).shape); // [ 1, 2, 1 ]
 * ```
 * @throws ShapeError unless the shape is [height, width, channels]; ValueError for a size below 1.
 */
export function resizeImage<D extends PixelData>(
  image: ImagePixels<D>,
  [height, width]: readonly [height: number, width: number],
): ImagePixels<D> {
  requireWhole("resizeImage", "height", height, 1);
  requireWhole("resizeImage", "width", width, 1);
  const [rows, columns, channels] = sizesOf("resizeImage", image);
  // Along rows, then along columns, in real numbers between: rounding happens once.
  const wide = new Float32Array(rows * width * channels);
  const across = weightsOf(columns, width);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < width; x++) {
      const { first, weights } = across[x]!;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++)
          sum += weights[i]! * image.data[(y * columns + first + i) * channels + c]!;
        wide[(y * width + x) * channels + c] = sum;
      }
    }
  }
  const data = emptyLike(image.data, height * width * channels);
  const whole = !(data instanceof Float32Array);
  const down = weightsOf(rows, height);
  const line = width * channels;
  for (let y = 0; y < height; y++) {
    const { first, weights } = down[y]!;
    for (let i = 0; i < line; i++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * wide[(first + k) * line + i]!;
      // A mean of bytes is within their range.
      data[y * line + i] = whole ? Math.round(sum) : sum;
    }
  }
  return { data, shape: [height, width, channels] };
}

/** The image with the axes [channels, height, width], as convolutions take them. */
export function channelsFirst<D extends PixelData>(
  image: ImagePixels<D>,
): { readonly data: D; readonly shape: number[] } {
  const [height, width, channels] = sizesOf("channelsFirst", image);
  const data = emptyLike(image.data, image.data.length);
  const plane = height * width;
  for (let i = 0; i < plane; i++)
    for (let c = 0; c < channels; c++) data[c * plane + i] = image.data[i * channels + c]!;
  return { data, shape: [channels, height, width] };
}

/** The part of a line of `from` pixels that each of `to` pixels sees, with weights that add up to 1. */
function weightsOf(from: number, to: number): { readonly first: number; readonly weights: Float64Array }[] {
  const scale = from / to;
  const reach = Math.max(1, scale);
  return Array.from({ length: to }, (_, at) => {
    const center = (at + 0.5) * scale;
    const first = Math.max(0, Math.floor(center - reach + 0.5));
    const end = Math.min(from, Math.floor(center + reach + 0.5));
    const weights = Float64Array.from({ length: end - first }, (_, i) =>
      Math.max(0, 1 - Math.abs(first + i + 0.5 - center) / reach),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

function sizesOf(op: string, { data, shape }: ImagePixels): [height: number, width: number, channels: number] {
  const [height = 0, width = 0, channels = 0] = shape;
  if (shape.length !== 3 || height * width * channels !== data.length || data.length === 0) {
    throw new ShapeError(op, `${data.length} values of shape [${shape.join(", ")}] are not an image`, {
      expected: "[height, width, channels]",
      received: shape,
      hint: "give { data, shape: [height, width, channels] }",
    });
  }
  return [height, width, channels];
}
