/**
 * Random changes of images that leave their meaning alone: shift, turn, zoom, flip, noise and a square cut out. Each
 * image of each epoch has its own stream of random numbers, so that the order of batches does not matter.
 */
import { ShapeError, ValueError } from "@dormouse/tensor";
import { allocate, isFloat } from "@dormouse/tensor/graph";
import type { FieldChange } from "./dataset.ts";
import type { Field } from "./field.ts";
import { Random } from "./random.ts";

/** How far images may change. All are 0 (or false) by default. */
export interface AugmentationOptions {
  /** Largest shift along each axis, in pixels. */
  readonly shift?: number;
  /** Largest turn in either direction, in radians. */
  readonly rotate?: number;
  /** Largest change of size: 0.1 is between 90 % and 110 %. */
  readonly zoom?: number;
  /** Mirror every other image, left to right. */
  readonly flip?: boolean;
  /** Standard deviation of normal noise, in the unit of the values (0 to 255 for bytes). */
  readonly noise?: number;
  /** Side of a square set to 0 at a random place, in pixels; it may stick out (DeVries and Taylor 2017). */
  readonly cutout?: number;
  /** Default 0. */
  readonly seed?: number;
}

/**
 * A change for `Dataset.augment` of images [n, height, width] or [n, channels, height, width], bytes or floats. Values
 * between pixels are interpolated linearly; what comes in from outside is 0.
 *
 * ```ts
 * const train = digits({ count: 100 }).augment("x", imageAugmentation({ shift: 2, rotate: 0.2, noise: 10 }));
 * console.log(train.length); // 100
 * ```
 * @throws ValueError for an option that is not a number from 0; ShapeError for fields that are not images.
 */
export function imageAugmentation(options: AugmentationOptions = {}): FieldChange {
  const { shift = 0, rotate = 0, zoom = 0, flip = false, noise = 0, cutout = 0, seed = 0 } = options;
  for (const [name, value] of Object.entries({ shift, rotate, zoom, noise, cutout })) {
    if (!(value >= 0 && value < Infinity) || (name === "zoom" && value >= 1)) {
      throw new ValueError("imageAugmentation", `${name} ${value}`, {
        received: value,
        hint: name === "zoom" ? "use a number from 0 to below 1" : "use a number from 0",
      });
    }
  }
  return (field, { epoch, rows }) => {
    const [count, channels, height, width] = layoutOf(field);
    const data = allocate(field.dtype, field.data.length);
    const size = channels * height * width;
    for (let i = 0; i < count; i++) {
      const random = new Random(seed, epoch, rows[i]!);
      const angle = random.uniform(-rotate, rotate);
      const scale = 1 / random.uniform(1 - zoom, 1 + zoom);
      const mirror = flip && random.below(2) === 1 ? -1 : 1;
      const [dx, dy] = [random.uniform(-shift, shift), random.uniform(-shift, shift)];
      const [cutX, cutY] = [random.uniform(0, width) - cutout / 2, random.uniform(0, height) - cutout / 2];
      const [cos, sin] = [Math.cos(angle) * scale, Math.sin(angle) * scale];
      const [centerX, centerY] = [(width - 1) / 2, (height - 1) / 2];
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const cut = x >= cutX && x < cutX + cutout && y >= cutY && y < cutY + cutout;
          const [u, v] = [x - centerX - dx, y - centerY - dy];
          const fromX = centerX + mirror * (cos * u + sin * v);
          const fromY = centerY - sin * u + cos * v;
          for (let channel = 0; channel < channels; channel++) {
            const plane = i * size + channel * height * width;
            const value = cut ? 0 : sample(field.data, plane, height, width, fromX, fromY);
            data[plane + y * width + x] = stored(field, noise > 0 ? value + noise * random.normal() : value);
          }
        }
      }
    }
    return { ...field, data };
  };
}

function layoutOf({ shape, dtype }: Field): [count: number, channels: number, height: number, width: number] {
  if (!(isFloat(dtype) || dtype === "uint8") || (shape.length !== 3 && shape.length !== 4)) {
    throw new ShapeError("imageAugmentation", `${dtype} values of shape [${shape.join(", ")}] are not images`, {
      expected: "uint8 or float [n, height, width] or [n, channels, height, width]",
      received: shape,
      hint: "give the field the shape of images",
    });
  }
  const [height, width] = shape.slice(-2) as [number, number];
  return [shape[0]!, shape.length === 4 ? shape[1]! : 1, height, width];
}

/** The value of a plane at a place between pixels, by bilinear interpolation. */
function sample(data: ArrayLike<number>, plane: number, height: number, width: number, x: number, y: number): number {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, down] = [x - left, y - top];
  const at = (row: number, column: number): number =>
    row < 0 || row >= height || column < 0 || column >= width ? 0 : data[plane + row * width + column]!;
  const upper = (1 - right) * at(top, left) + right * at(top, left + 1);
  const lower = (1 - right) * at(top + 1, left) + right * at(top + 1, left + 1);
  return (1 - down) * upper + down * lower;
}

/** Bytes are rounded and kept within 0 to 255. */
const stored = ({ dtype }: Field, value: number): number =>
  dtype === "uint8" ? Math.max(0, Math.min(255, Math.round(value))) : value;
