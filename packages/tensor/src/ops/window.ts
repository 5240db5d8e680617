/**
 * Windows over trailing axes, and the geometry that convolutions and pools share: strides, paddings, output lengths.
 * Everything is a view (`pad`, `window`); what is done with the windows is the business of `conv.ts` and `pool.ts`.
 */
import { ShapeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, axesOf, otherAxes, showShape } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { requireCount, requireRank } from "./pieces.ts";
import { positionOf } from "./axes.ts";

/** One number for every spatial axis, or one per axis. */
export type PerAxis = number | readonly number[];

/**
 * Elements added around: a number for every end, one per axis, a pair `[low, high]` per axis, `"valid"` for none, or
 * `"same"` for an output length of ⌈input / stride⌉ (the odd element goes to the high end).
 */
export type Padding = PerAxis | readonly (readonly [low: number, high: number])[] | "same" | "valid";

/** Where windows are taken along the spatial axes. */
export interface Geometry {
  readonly size: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** Number of windows per axis. */
  readonly counts: readonly number[];
}

export interface GeometryOptions {
  readonly stride?: PerAxis;
  readonly padding?: Padding;
  readonly dilation?: PerAxis;
  /** Counts a last window that reaches past the end. */
  readonly ceilMode?: boolean;
}

/** One integer of at least `least` for each of `rank` axes. */
export function perAxis(op: string, name: string, value: PerAxis, rank: number, least: number): readonly number[] {
  const values = typeof value === "number" ? new Array<number>(rank).fill(value) : value;
  if (values.length !== rank) {
    throw new ValueError(op, `${name} has ${values.length} entries for ${rank} spatial axes`, {
      expected: rank,
      received: values,
      hint: `give a number or ${rank} numbers`,
    });
  }
  for (const each of values) requireCount(op, name, each, least);
  return values;
}

/** Works out the windows of `spatial` lengths. Throws where a window does not fit once. */
export function geometryOf(
  op: string,
  spatial: Shape,
  size: readonly number[],
  { stride = 1, padding = 0, dilation = 1, ceilMode = false }: GeometryOptions,
): Geometry {
  const rank = spatial.length;
  const strides = perAxis(op, "stride", stride, rank, 1);
  const dilations = perAxis(op, "dilation", dilation, rank, 1);
  const reach = size.map((k, i) => (k - 1) * dilations[i]! + 1);
  const low = new Array<number>(rank);
  const high = new Array<number>(rank);
  const counts = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const length = spatial[i]!;
    const [before, after] = paddingOf(op, padding, i, rank, {
      length,
      reach: reach[i]!,
      stride: strides[i]!,
    });
    const room = length + before + after - reach[i]!;
    if (room < 0) {
      throw new ShapeError(
        op,
        `a window of ${reach[i]!} does not fit ${length + before + after} elements (axis ${i} of ${showShape(spatial)} with padding)`,
        {
          expected: reach[i]!,
          received: length + before + after,
          hint: "use a smaller window or more padding",
        },
      );
    }
    let count = Math.floor(room / strides[i]!) + 1;
    // A last, partial window counts where it starts inside the input or the low padding.
    if (ceilMode && room % strides[i]! !== 0 && count * strides[i]! < length + before) count++;
    low[i] = before;
    high[i] = after + Math.max(0, (count - 1) * strides[i]! - room);
    counts[i] = count;
  }
  return { size, stride: strides, dilation: dilations, low, high, counts };
}

interface PaddedAxis {
  readonly length: number;
  readonly reach: number;
  readonly stride: number;
}

function paddingOf(
  op: string,
  padding: Padding,
  axis: number,
  rank: number,
  along: PaddedAxis,
): readonly [number, number] {
  if (padding === "valid") return [0, 0];
  if (padding === "same") {
    const { length, reach, stride } = along;
    const total = Math.max(0, (Math.ceil(length / stride) - 1) * stride + reach - length);
    return [total >> 1, total - (total >> 1)];
  }
  const entry = typeof padding === "number" ? padding : padding[axis];
  if (entry === undefined || (typeof padding !== "number" && padding.length !== rank)) {
    throw new ValueError(op, `padding has ${(padding as readonly unknown[]).length} entries for ${rank} spatial axes`, {
      expected: rank,
      received: padding,
      hint: `give a number, ${rank} numbers, ${rank} pairs, "same" or "valid"`,
    });
  }
  const pair = typeof entry === "number" ? ([entry, entry] as const) : entry;
  for (const each of pair) requireCount(op, "padding", each, 0);
  return pair;
}

/** `x` padded with `value` and cut into windows: `[.., ..spatial]` to `[.., ..counts, ..size]`. */
export function windowsOf(x: Tensor, { size, stride, dilation, low, high }: Geometry, value: number): Tensor {
  const lead = new Array<number>(x.rank - size.length).fill(0);
  const zeros = x.shape.map(() => 0);
  const around = primitive.pad(x, [...lead, ...low], [...lead, ...high], zeros, value);
  return primitive.window(around, size, stride, dilation);
}

export interface WindowsOptions {
  /** The axes to slide along, one per entry of `size`. Default: the last ones. */
  readonly axes?: readonly number[];
  readonly stride?: PerAxis;
  readonly dilation?: PerAxis;
}

/**
 * Every window of `size` elements: the axes slid along get the number of windows, and the places inside a window are
 * new last axes. `[6]` with size 3 and stride 2 gives `[2, 3]`. A view: overlapping elements are not copied.
 */
export function windows(x: Tensor, size: PerAxis, { axes, stride = 1, dilation = 1 }: WindowsOptions = {}): Tensor {
  const along = axes ?? (typeof size === "number" ? [-1] : size.map((_, i) => i - size.length));
  const at = along.map((axis) => positionOf("windows", axis, x.shape));
  const sizes = perAxis("windows", "size", size, at.length, 1);
  if (new Set(at).size !== at.length) {
    throw new ValueError("windows", `axes [${along.join(", ")}] name one twice`, {
      received: axes,
      hint: "name each axis once",
    });
  }
  const rest = otherAxes(x.rank, at);
  const last = primitive.permute(x, [...rest, ...at]);
  const spatial = at.map((axis) => x.shape[axis]!);
  const geometry = geometryOf("windows", spatial, sizes, { stride, dilation });
  const cut = windowsOf(last, geometry, 0);
  const order = axesOf(x.rank).map((axis) => [...rest, ...at].indexOf(axis));
  return primitive.permute(cut, [...order, ...sizes.map((_, i) => x.rank + i)]);
}

/** Options of `unfold`. */
export type UnfoldOptions = Omit<GeometryOptions, "ceilMode">;

/**
 * Patches of images as columns (im2col): `[N, C, H, W]` gives `[N, C·kH·kW, L]`, L windows in row-major order.
 * PyTorch's `F.unfold`.
 */
export function unfold(x: Tensor, size: PerAxis, options: UnfoldOptions = {}): Tensor {
  requireRank("unfold", "x", x, 4, "[N, C, H, W]");
  const sizes = perAxis("unfold", "size", size, 2, 1);
  const geometry = geometryOf("unfold", x.shape.slice(2), sizes, options);
  const cut = primitive.permute(windowsOf(x, geometry, 0), [0, 1, 4, 5, 2, 3]);
  const [batch, channels, kh, kw, oh, ow] = cut.shape as [number, number, number, number, number, number];
  return primitive.reshape(cut, [batch, channels * kh * kw, oh * ow]);
}
