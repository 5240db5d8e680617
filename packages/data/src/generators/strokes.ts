/**
 * How the ten digits are drawn: each has a few ways of writing it, each way is a list of strokes, and each stroke is
 * the points a pen passes through in a box with x to the right and y downward, both from 0 to 1. A stroke is smooth
 * (a curve through its points) unless it is marked as having corners.
 */

/** One movement of the pen: x0, y0, x1, y1 … */
export interface Stroke {
  readonly points: readonly number[];
  /** Straight lines between the points instead of a curve. */
  readonly corners?: true;
}

/** One way of writing a digit. */
export type Glyph = readonly Stroke[];

const curve = (...points: number[]): Stroke => ({ points });
const lines = (...points: number[]): Stroke => ({ points, corners: true });

const circle = (x: number, y: number, rx: number, ry: number): Stroke => {
  const points: number[] = [];
  // One point more than a turn, so that the pen overlaps where it began.
  for (let i = 0; i <= 9; i++) {
    const angle = -Math.PI / 2 + (i * 2 * Math.PI) / 8;
    points.push(x + rx * Math.cos(angle), y + ry * Math.sin(angle));
  }
  return { points };
};

/** Ways of writing each digit, from 0 to 9. */
export const glyphs: readonly (readonly Glyph[])[] = [
  [
    [circle(0.5, 0.5, 0.32, 0.46)],
    [curve(0.62, 0.06, 0.3, 0.16, 0.17, 0.5, 0.3, 0.86, 0.56, 0.93, 0.8, 0.74, 0.84, 0.42, 0.7, 0.14, 0.5, 0.07)],
  ],
  [
    [lines(0.5, 0.04, 0.5, 0.96)],
    [lines(0.3, 0.26, 0.54, 0.04, 0.54, 0.96)],
    [lines(0.32, 0.24, 0.52, 0.05, 0.52, 0.95), lines(0.28, 0.95, 0.76, 0.95)],
  ],
  [
    [
      curve(0.2, 0.26, 0.34, 0.08, 0.58, 0.05, 0.77, 0.2, 0.74, 0.42, 0.52, 0.66, 0.2, 0.94),
      lines(0.2, 0.94, 0.82, 0.94),
    ],
    [
      curve(
        0.22, 0.2, 0.48, 0.05, 0.76, 0.18, 0.72, 0.46, 0.44, 0.8,
        0.24, 0.92, 0.18, 0.8, 0.34, 0.74, 0.58, 0.9, 0.84, 0.88,
      ),
    ],
  ],
  [
    [
      curve(0.2, 0.14, 0.46, 0.04, 0.74, 0.14, 0.72, 0.36, 0.44, 0.47),
      curve(0.44, 0.47, 0.76, 0.56, 0.8, 0.78, 0.54, 0.95, 0.2, 0.87),
    ],
    [lines(0.2, 0.07, 0.78, 0.07, 0.46, 0.42), curve(0.46, 0.42, 0.76, 0.52, 0.8, 0.78, 0.5, 0.96, 0.18, 0.84)],
  ],
  [
    [lines(0.64, 0.96, 0.64, 0.04, 0.16, 0.66, 0.86, 0.66)],
    [lines(0.26, 0.06, 0.2, 0.52, 0.8, 0.52), lines(0.74, 0.06, 0.68, 0.96)],
  ],
  [
    [
      lines(0.78, 0.06, 0.3, 0.06, 0.25, 0.44),
      curve(0.25, 0.44, 0.5, 0.36, 0.78, 0.5, 0.79, 0.76, 0.54, 0.94, 0.2, 0.87),
    ],
    [
      curve(0.32, 0.08, 0.27, 0.42, 0.54, 0.4, 0.78, 0.6, 0.68, 0.88, 0.4, 0.96, 0.18, 0.84),
      lines(0.32, 0.08, 0.78, 0.05),
    ],
  ],
  [
    [curve(0.7, 0.05, 0.4, 0.22, 0.22, 0.56, 0.27, 0.84, 0.52, 0.95, 0.76, 0.8, 0.7, 0.57, 0.46, 0.51, 0.25, 0.68)],
    [curve(0.46, 0.03, 0.28, 0.36, 0.22, 0.72, 0.42, 0.95, 0.7, 0.86, 0.74, 0.64, 0.52, 0.52, 0.27, 0.66)],
  ],
  [
    [lines(0.18, 0.07, 0.82, 0.07, 0.42, 0.96)],
    [lines(0.18, 0.08, 0.8, 0.06, 0.44, 0.96), lines(0.36, 0.5, 0.76, 0.48)],
    [curve(0.18, 0.16, 0.42, 0.07, 0.8, 0.08, 0.62, 0.4, 0.46, 0.96)],
  ],
  [
    [circle(0.5, 0.27, 0.23, 0.22), circle(0.5, 0.72, 0.29, 0.24)],
    [
      curve(
        0.74, 0.14, 0.5, 0.04, 0.28, 0.2, 0.44, 0.42, 0.7, 0.6,
        0.74, 0.84, 0.48, 0.96, 0.24, 0.82, 0.34, 0.6, 0.62, 0.4, 0.74, 0.16,
      ),
    ],
  ],
  [
    [circle(0.48, 0.3, 0.26, 0.25), curve(0.74, 0.28, 0.75, 0.56, 0.62, 0.94)],
    [
      curve(
        0.76, 0.2, 0.5, 0.05, 0.26, 0.2, 0.3, 0.44, 0.52, 0.5,
        0.74, 0.32, 0.77, 0.2, 0.76, 0.6, 0.62, 0.88, 0.3, 0.93,
      ),
    ],
  ],
];
