/**
 * Pooling and nearest-neighbor upsampling, channels first. A pool is a reduction over windows; padding is -Infinity
 * for a maximum and nothing at all for a mean that does not count it.
 */
import { ShapeError, ValueError } from "../core/errors.ts";
import type { DType } from "../core/dtype.ts";
import { type LinearMap, primitive } from "../core/primitives.ts";
import { type Shape, axesOf, showShape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { coordinates, minus, requireRank, scaled, shifted, stretched } from "./pieces.ts";
import { type Geometry, type PerAxis, geometryOf, perAxis, windowsOf } from "./window.ts";
import { filledLike, requireFloat } from "./operands.ts";

export interface MaxPoolOptions {
  /** Step between windows. Default: the size of the window. */
  readonly stride?: PerAxis;
  /** Elements around that no maximum sees, at most half the window. Default 0. */
  readonly padding?: PerAxis;
  readonly dilation?: PerAxis;
  /** Keeps a last window that reaches past the end. Default false. */
  readonly ceilMode?: boolean;
}

/** Largest element of every window: `[N, C, L]` to `[N, C, L′]`. */
export const maxPool1d = (x: Tensor, size: PerAxis, options: MaxPoolOptions = {}): Tensor =>
  maxPool("maxPool1d", x, size, options, 1, "[N, C, L]");

/** Largest element of every window: `[N, C, H, W]` to `[N, C, H′, W′]`. */
export const maxPool2d = (x: Tensor, size: PerAxis, options: MaxPoolOptions = {}): Tensor =>
  maxPool("maxPool2d", x, size, options, 2, "[N, C, H, W]");

function maxPool(op: string, x: Tensor, size: PerAxis, options: MaxPoolOptions, rank: number, layout: string): Tensor {
  const geometry = poolGeometry(op, x, size, options, rank, layout);
  const input = primitive.placeholder(x.shape, x.dtype);
  const output = primitive.reduce(windowsOf(input, geometry, -Infinity), "max", lastAxes(x, rank));
  return primitive.call([x], {
    name: op,
    body: { inputs: [input], output },
    rule: ([source]) => [firstWinner(source!, geometry)],
  });
}

/**
 * The slope of a maximum over windows, all of it at the first of equal elements as in PyTorch. That of `reduce` would
 * share it out among them, and after a relu whole windows are equal.
 */
function firstWinner(x: Tensor, geometry: Geometry): LinearMap {
  const rank = geometry.size.length;
  const cut = windowsOf(x, geometry, -Infinity);
  const lanes = [...cut.shape.slice(0, -rank), sizeOf(geometry.size)];
  const at = lanes.length - 1;
  const winner = primitive.argmax(primitive.reshape(cut, lanes), at);
  const isWinner = primitive.equal(coordinates(lanes, at), stretched(winner, lanes, [at]));
  const ofWinner = (lane: Tensor): Tensor => primitive.where(isWinner, lane, filledLike(lane, 0));
  const { low, high, stride, dilation } = geometry;
  const spatial = x.shape.slice(-rank);
  const lead = x.shape.slice(0, -rank);
  return {
    apply: (tangent) =>
      primitive.reduce(ofWinner(primitive.reshape(windowsOf(tangent, geometry, 0), lanes)), "sum", [at]),
    transpose: (cotangent) => {
      const shares = primitive.reshape(ofWinner(stretched(cotangent, lanes, [at])), cut.shape);
      const around = spatial.map((length, i) => length + low[i]! + high[i]!);
      const folded = primitive.fold(shares, geometry.size, stride, dilation, around);
      return primitive.slice(folded, [...lead.map(() => 0), ...low], x.shape.map(() => 1), x.shape);
    },
  };
}

const lastAxes = (x: Tensor, rank: number): number[] => axesOf(rank).map((i) => x.rank + i);

function poolGeometry(
  op: string,
  x: Tensor,
  size: PerAxis,
  { stride, padding = 0, dilation = 1, ceilMode = false }: MaxPoolOptions,
  rank: number,
  layout: string,
): Geometry {
  requireFloat(op, x);
  requireRank(op, "x", x, rank + 2, layout);
  const sizes = perAxis(op, "size", size, rank, 1);
  const around = perAxis(op, "padding", padding, rank, 0);
  if (around.some((each, i) => each > sizes[i]! / 2)) {
    throw new ShapeError(op, `padding [${around.join(", ")}] is more than half the window [${sizes.join(", ")}]`, {
      expected: sizes.map((each) => Math.floor(each / 2)),
      received: around,
      hint: "use at most half the window, or some windows see nothing",
    });
  }
  return geometryOf(op, x.shape.slice(2), sizes, {
    stride: stride ?? sizes,
    padding: around,
    dilation,
    ceilMode,
  });
}

export interface AvgPoolOptions {
  /** Step between windows. Default: the size of the window. */
  readonly stride?: PerAxis;
  /** Zeros around, at most half the window. Default 0. */
  readonly padding?: PerAxis;
  /** Keeps a last window that reaches past the end. Default false. */
  readonly ceilMode?: boolean;
  /** Whether the padding counts as elements of the mean. Default true, as in PyTorch. */
  readonly countIncludePad?: boolean;
  /** Divides every sum by this number instead of by how many elements it has. */
  readonly divisor?: number;
}

/** Mean of every window: `[N, C, L]` to `[N, C, L′]`. */
export const avgPool1d = (x: Tensor, size: PerAxis, options: AvgPoolOptions = {}): Tensor =>
  avgPool("avgPool1d", x, size, options, 1, "[N, C, L]");

/** Mean of every window: `[N, C, H, W]` to `[N, C, H′, W′]`. */
export const avgPool2d = (x: Tensor, size: PerAxis, options: AvgPoolOptions = {}): Tensor =>
  avgPool("avgPool2d", x, size, options, 2, "[N, C, H, W]");

function avgPool(op: string, x: Tensor, size: PerAxis, options: AvgPoolOptions, rank: number, layout: string): Tensor {
  const geometry = poolGeometry(op, x, size, options, rank, layout);
  const sums = primitive.reduce(windowsOf(x, geometry, 0), "sum", lastAxes(x, rank));
  const { divisor } = options;
  if (divisor !== undefined) {
    if (Number.isFinite(divisor) && divisor !== 0) return scaled(sums, 1 / divisor);
    throw new ValueError(op, `divisor is ${divisor}`, { received: divisor, hint: "use a finite number other than 0" });
  }
  const around = perAxis(op, "padding", options.padding ?? 0, rank, 0);
  return axesOf(rank).reduce((mean, i) => {
    const counted = options.countIncludePad ?? true ? around[i]! : 0;
    return dividedByCounts(mean, geometry, i, x.shape[2 + i]!, counted);
  }, sums);
}

/** Divides by how many of the positions [-counted, length + counted) the windows along one spatial axis hold. */
function dividedByCounts(sums: Tensor, geometry: Geometry, i: number, length: number, counted: number): Tensor {
  const size = geometry.size[i]!;
  const count = geometry.counts[i]!;
  const low = geometry.low[i]!;
  const stride = geometry.stride[i]!;
  const lastEnd = (count - 1) * stride - low + size;
  const allFull = -low >= -counted && lastEnd <= length + counted;
  if (allFull) return scaled(sums, 1 / size);
  const start = shifted(scaled(primitive.iota(count, sums.dtype), stride), -low);
  const end = least(shifted(start, size), length + counted);
  const begin = primitive.max(start, filledLike(start, -counted));
  return primitive.div(sums, primitive.broadcast(minus(end, begin), sums.shape, [2 + i]));
}

const least = (x: Tensor, value: number): Tensor => {
  const bound = filledLike(x, value);
  return primitive.where(primitive.less(x, bound), x, bound);
};

/**
 * Mean over a grid of `output` cells that covers the image: `[N, C, H, W]` to `[N, C, ..output]`. Cell i of an axis
 * holds elements ⌊i·n / cells⌋ up to ⌈(i + 1)·n / cells⌉, so cells overlap where the division leaves a rest.
 */
export function adaptiveAvgPool2d(x: Tensor, output: PerAxis): Tensor {
  requireFloat("adaptiveAvgPool2d", x);
  requireRank("adaptiveAvgPool2d", "x", x, 4, "[N, C, H, W]");
  const [rows, columns] = perAxis("adaptiveAvgPool2d", "output", output, 2, 1) as [number, number];
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  if (height === 0 || width === 0) {
    throw new ShapeError("adaptiveAvgPool2d", `no pixels in ${showShape(x.shape)}`, { received: x.shape, hint: "give at least one pixel" });
  }
  if (height % rows === 0 && width % columns === 0) {
    const cells = primitive.reshape(x, [batch, channels, rows, height / rows, columns, width / columns]);
    return scaled(primitive.reduce(cells, "sum", [3, 5]), (rows * columns) / (height * width));
  }
  const wide = primitive.dot(
    primitive.reshape(x, [batch * channels * height, width]),
    cellWeights(width, columns, x.dtype),
  );
  const images = primitive.permute(primitive.reshape(wide, [batch, channels, height, columns]), [0, 1, 3, 2]);
  const tall = primitive.dot(
    primitive.reshape(images, [batch * channels * columns, height]),
    cellWeights(height, rows, x.dtype),
  );
  return primitive.permute(primitive.reshape(tall, [batch, channels, columns, rows]), [0, 1, 3, 2]);
}

/** `[length, cells]`: the share of each element in each cell's mean, from integer coordinates. */
function cellWeights(length: number, cells: number, dtype: DType): Tensor {
  const shape: Shape = [length, cells];
  const cell = primitive.iota(cells);
  const floorOf = (x: Tensor): Tensor => primitive.div(scaled(x, length), filledLike(x, cells));
  const begin = floorOf(cell);
  // ⌈a / b⌉ = ⌊(a + b - 1) / b⌋ for a = (i + 1)·length.
  const end = primitive.div(shifted(scaled(shifted(cell, 1), length), cells - 1), filledLike(cell, cells));
  const along = (x: Tensor): Tensor => primitive.broadcast(x, shape, [1]);
  const element = primitive.broadcast(primitive.iota(length), shape, [0]);
  const share = along(primitive.div(primitive.constant(1, [cells], dtype), primitive.cast(minus(end, begin), dtype)));
  const zero = filledLike(share, 0);
  const notBefore = primitive.where(primitive.less(element, along(begin)), zero, share);
  return primitive.where(primitive.less(element, along(end)), notBefore, zero);
}

/** Repeats every pixel `scale` times along both axes: `[N, C, H, W]` to `[N, C, H·scale, W·scale]`. */
export function upsampleNearest2d(x: Tensor, scale: PerAxis): Tensor {
  requireRank("upsampleNearest2d", "x", x, 4, "[N, C, H, W]");
  const [down, right] = perAxis("upsampleNearest2d", "scale", scale, 2, 1) as [number, number];
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const repeated = primitive.broadcast(x, [batch, channels, height, down, width, right], [0, 1, 2, 4]);
  return primitive.reshape(repeated, [batch, channels, height * down, width * right]);
}
