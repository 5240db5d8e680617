/**
 * Draws the strokes of a digit as a hand might: every point a little off, the whole shifted, turned, stretched and
 * slanted, with a round pen of varying width whose edge is anti-aliased, then blurred, dimmed and covered with noise.
 * Owns pixels only; which digit and how many is the business of `digits`.
 */
import type { Random } from "../random.ts";
import { type Glyph, type Stroke, glyphs } from "./strokes.ts";

/**
 * How far hands differ. Lengths are fractions of the box a digit is drawn in, angles are radians. The numbers were
 * chosen by experiment (see the package README): a linear model must stay below 90 % and a small network reach 97 %.
 */
export const variation = {
  /** Half-width of the range of rotations. */
  rotation: 0.28,
  /** Half-width of the range of slants. */
  shear: 0.32,
  /** Smallest and largest stretch of the box, for each axis by itself. */
  stretch: [0.75, 1.12],
  /** Half-width of the range of shifts. */
  shift: 0.125,
  /** Standard deviation of the error of each point. */
  jitter: 0.033,
  /** Smallest and largest radius of the pen. */
  pen: [0.035, 0.095],
  /** Smallest brightness of the ink; the largest is 1. */
  dimmest: 0.6,
  /** Largest weight of each neighbor in the blur of rows and columns. */
  blur: 0.22,
  /** Largest standard deviation of the noise of pixels. */
  noise: 0.13,
} as const;

/** Points of a curve between two given ones. */
const steps = 5;

/** Draws `digit` into `pixels[offset …]`, `size` by `size` values from 0 to 255. */
export function drawDigit(digit: number, size: number, random: Random, pixels: Uint8Array, offset: number): void {
  const ways = glyphs[digit]!;
  const ink = new Float32Array(size * size);
  const path = flatten(ways[random.below(ways.length)]!, random);
  place(path, size, random);
  const radius = random.uniform(...variation.pen) * (20 / 28) * size;
  for (const points of path) {
    for (let i = 0; i + 3 < points.length; i += 2) {
      drawSegment(ink, size, points[i]!, points[i + 1]!, points[i + 2]!, points[i + 3]!, radius);
    }
  }
  blur(ink, size, random.uniform(0, variation.blur));
  const brightness = 255 * random.uniform(variation.dimmest, 1);
  // The sum of two uniform numbers on [-1, 1] has variance 2/3.
  const grain = (255 * random.uniform(0, variation.noise)) / Math.sqrt(2 / 3);
  for (let i = 0; i < ink.length; i++) {
    const bits = random.bits();
    const noise = ((bits & 0xffff) + (bits >>> 16)) / 0x8000 - 2;
    pixels[offset + i] = Math.max(0, Math.min(255, Math.round(brightness * ink[i]! + grain * noise)));
  }
}

/** The pen's path as polylines, with every point given its error. */
function flatten(glyph: Glyph, random: Random): number[][] {
  return glyph.map((stroke) => {
    const points = stroke.points.map((coordinate) => coordinate + variation.jitter * random.normal());
    return stroke.corners ? points : smooth({ points });
  });
}

/** A uniform Catmull–Rom curve through the points of a stroke (Catmull and Rom 1974), as a polyline. */
function smooth({ points }: Stroke): number[] {
  const last = points.length / 2 - 1;
  const at = (i: number, axis: number): number => points[2 * Math.max(0, Math.min(last, i)) + axis]!;
  const path: number[] = [points[0]!, points[1]!];
  for (let i = 0; i < last; i++) {
    for (let step = 1; step <= steps; step++) {
      const t = step / steps;
      for (let axis = 0; axis < 2; axis++) {
        const [p0, p1, p2, p3] = [at(i - 1, axis), at(i, axis), at(i + 1, axis), at(i + 2, axis)];
        path.push(p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0))));
      }
    }
  }
  return path;
}

/** Moves paths from the unit box to pixels: the box takes 20/28 of the image, as in MNIST, before it is changed. */
function place(path: readonly number[][], size: number, random: Random): void {
  const angle = random.uniform(-variation.rotation, variation.rotation);
  const shear = random.uniform(-variation.shear, variation.shear);
  const box = (20 / 28) * size;
  const width = box * random.uniform(...variation.stretch);
  const height = box * random.uniform(...variation.stretch);
  const x0 = size / 2 + box * random.uniform(-variation.shift, variation.shift);
  const y0 = size / 2 + box * random.uniform(-variation.shift, variation.shift);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  for (const points of path) {
    for (let i = 0; i < points.length; i += 2) {
      const y = (points[i + 1]! - 0.5) * height;
      const x = (points[i]! - 0.5) * width - shear * y;
      points[i] = x0 + cos * x - sin * y;
      points[i + 1] = y0 + sin * x + cos * y;
    }
  }
}

/** Covers pixels by their distance to a line segment; a pixel's center is at half a pixel. */
function drawSegment(
  ink: Float32Array,
  size: number,
  ax: number,
  ay: number,
  bx: number,
  by: number,
  radius: number,
): void {
  const reach = radius + 0.5;
  const left = Math.max(0, Math.floor(Math.min(ax, bx) - reach));
  const right = Math.min(size - 1, Math.ceil(Math.max(ax, bx) + reach));
  const top = Math.max(0, Math.floor(Math.min(ay, by) - reach));
  const bottom = Math.min(size - 1, Math.ceil(Math.max(ay, by) + reach));
  const dx = bx - ax;
  const dy = by - ay;
  const square = dx * dx + dy * dy;
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const x = column + 0.5 - ax;
      const y = row + 0.5 - ay;
      const t = square === 0 ? 0 : Math.max(0, Math.min(1, (x * dx + y * dy) / square));
      const covered = reach - Math.sqrt((x - t * dx) ** 2 + (y - t * dy) ** 2);
      const at = row * size + column;
      if (covered > ink[at]!) ink[at] = Math.min(1, covered);
    }
  }
}

/** Mixes each pixel with its neighbors in the row, then in the column; nothing comes in from outside. */
function blur(ink: Float32Array, size: number, weight: number): void {
  const middle = 1 - 2 * weight;
  for (const [along, across] of [
    [1, size],
    [size, 1],
  ] as const) {
    for (let line = 0; line < size; line++) {
      let before = 0;
      for (let i = 0, at = line * across; i < size; i++, at += along) {
        const here = ink[at]!;
        const after = i + 1 < size ? ink[at + along]! : 0;
        ink[at] = middle * here + weight * (before + after);
        before = here;
      }
    }
  }
}
