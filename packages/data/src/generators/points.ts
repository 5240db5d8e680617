/**
 * Labelled points in the plane, small enough to see what a model does with them: `x` float32 [count, 2] and `y` int32
 * [count], classes in turn, so that they are as equal in number as can be. (`blobs` may have more axes.)
 */
import { type Tensor, ValueError } from "@dormouse/tensor";
import { type Dataset, dataset } from "../dataset.ts";
import { Random } from "../random.ts";
import { checkGenerator } from "./options.ts";

/** Points and their classes. */
export type Points = Dataset<{ readonly x: Tensor; readonly y: Tensor }>;

/** What all generators of points take. */
export interface PointsOptions {
  /** Number of points. Default 200. */
  readonly count?: number;
  /** Standard deviation of the normal noise on every coordinate. The default differs. */
  readonly noise?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** Draws `count` points of `axes` coordinates; `place` writes the noiseless point of an example of a class. */
function points(
  op: string,
  { count = 200, seed = 0 }: PointsOptions,
  noise: number,
  classes: number,
  place: (label: number, random: Random) => readonly number[],
  axes = 2,
): Points {
  checkGenerator(op, count, noise);
  const random = new Random(seed);
  const x = new Float32Array(count * axes);
  const y = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const label = i % classes;
    const point = place(label, random);
    y[i] = label;
    for (let axis = 0; axis < axes; axis++) x[i * axes + axis] = point[axis]! + noise * random.normal();
  }
  return dataset({ x: { data: x, shape: [count, axes] }, y });
}

/** Two interleaved half circles of radius 1. Noise 0.1 by default. */
export function moons(options: PointsOptions = {}): Points {
  return points("moons", options, options.noise ?? 0.1, 2, (label, random) => {
    const angle = random.uniform(0, Math.PI);
    return label === 0 ? [Math.cos(angle), Math.sin(angle)] : [1 - Math.cos(angle), 0.5 - Math.sin(angle)];
  });
}

/** A circle of radius 1 (class 0) around one of radius `factor` (class 1, default 0.5). Noise 0.05 by default. */
export function circles(options: PointsOptions & { readonly factor?: number } = {}): Points {
  const { factor = 0.5 } = options;
  return points("circles", options, options.noise ?? 0.05, 2, (label, random) => {
    const angle = random.uniform(0, 2 * Math.PI);
    const radius = label === 0 ? 1 : factor;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

/** Arms that wind `turns` times (default 1) around the origin, one per class (default 2). Noise 0.02 by default. */
export function spirals(options: PointsOptions & { readonly classes?: number; readonly turns?: number } = {}): Points {
  const { classes = 2, turns = 1 } = options;
  checkClasses("spirals", classes);
  return points("spirals", options, options.noise ?? 0.02, classes, (label, random) => {
    const radius = random.uniform();
    const angle = 2 * Math.PI * (turns * radius + label / classes);
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

/**
 * Normal clouds around centers: given ones, or `classes` (default 3) drawn uniformly from [−5, 5] on `axes` axes
 * (default 2). Noise 1 by default.
 */
export function blobs(
  options: PointsOptions & {
    readonly classes?: number;
    readonly axes?: number;
    readonly centers?: readonly (readonly number[])[];
  } = {},
): Points {
  const { centers, seed = 0 } = options;
  const classes = centers?.length ?? options.classes ?? 3;
  const axes = centers?.[0]?.length ?? options.axes ?? 2;
  checkClasses("blobs", classes);
  if (centers?.some((center) => center.length !== axes)) {
    throw new ValueError("blobs", "the centers have different numbers of coordinates", {
      received: centers,
      hint: "give all the same number",
    });
  }
  // Another stream than that of the points: more points do not move the centers.
  const random = new Random(seed, 1);
  const used =
    centers ?? Array.from({ length: classes }, () => Array.from({ length: axes }, () => random.uniform(-5, 5)));
  return points("blobs", options, options.noise ?? 1, classes, (label) => used[label]!, axes);
}

/** Two-input boolean functions, as the outputs for inputs 00, 01, 10, 11. */
const gates = {
  and: [0, 0, 0, 1],
  or: [0, 1, 1, 1],
  xor: [0, 1, 1, 0],
  nand: [1, 1, 1, 0],
  nor: [1, 0, 0, 0],
  xnor: [1, 0, 0, 1],
} as const;

/** Name of a two-input boolean function. */
export type Gate = keyof typeof gates;

/**
 * The truth table of a gate, repeated until there are `count` rows (default 4). Noise 0 by default: exact corners.
 *
 * ```ts
 * console.log(gate("xor").field("y").data); // Int32Array(4) [ 0, 1, 1, 0 ]
 * ```
 */
export function gate(name: Gate, options: PointsOptions = {}): Points {
  const { count = 4, seed = 0, noise = 0 } = options;
  if (!Object.hasOwn(gates, name)) {
    throw new ValueError("gate", `there is no gate ${String(name)}`, {
      expected: Object.keys(gates),
      received: name,
      hint: `use one of ${Object.keys(gates).join(", ")}`,
    });
  }
  const corners = points("gate", { count, seed }, noise, 4, (corner) => [corner >> 1, corner & 1]);
  const y = Int32Array.from(corners.field("y").data, (corner) => gates[name][corner]!);
  return dataset({ x: corners.field("x"), y });
}

function checkClasses(op: string, classes: number): void {
  if (!Number.isSafeInteger(classes) || classes < 1) {
    throw new ValueError(op, `${classes} classes`, { received: classes, hint: "use a whole number from 1" });
  }
}
