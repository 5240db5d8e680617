/**
 * Convolutions (cross-correlations, as everybody in the field means by the word), channels first. A convolution is
 * one product over windows: `[N·OH·OW, C·KH·KW] × [C·KH·KW, O]`. Nothing but reshapes and permutes stands between
 * the windows and the product, so that lowering packs the product straight from the image.
 */
import { DTypeError, ShapeError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { type Shape, axesOf, showShape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { requireCount } from "./pieces.ts";
import { type Padding, type PerAxis, geometryOf, perAxis, windowsOf } from "./window.ts";
import { requireFloat } from "./operands.ts";

export interface ConvOptions {
  /** One number per output channel, added at the end. */
  readonly bias?: Tensor | null;
  /** Step between windows. Default 1. */
  readonly stride?: PerAxis;
  /** Zeros around the image. Default 0. */
  readonly padding?: Padding;
  /** Distance between the elements of a window. Default 1. */
  readonly dilation?: PerAxis;
  /** Splits channels into groups that do not see each other. Default 1. */
  readonly groups?: number;
}

/** The shape of a convolution of images `X` by weights `W`: batch and output channels are followed, lengths are not. */
export type ConvShape<X extends Shape, W extends Shape> = number extends X["length"] | W["length"]
  ? Shape
  : X extends readonly [infer N extends number, number, number]
    ? [N, W[0], number]
    : X extends readonly [infer N extends number, number, number, number]
      ? [N, W[0], number, number]
      : Shape;

/**
 * Convolves sequences `[N, C, L]` with weights `[O, C / groups, K]` to `[N, O, L′]`; see `conv2d`.
 */
export const conv1d = <X extends Shape, W extends Shape>(
  x: Tensor<X>,
  weight: Tensor<W>,
  options: ConvOptions = {},
): Tensor<ConvShape<X, W>> => convolve("conv1d", x, weight, options, 1) as Tensor<ConvShape<X, W>>;

/**
 * Convolves images `[N, C, H, W]` with weights `[O, C / groups, KH, KW]` to `[N, O, H′, W′]`:
 * `y[n, o, i, j] = bias[o] + Σ x[n, c, i·stride + u·dilation - padding, …] · weight[o, c, u, v]`, where
 * `H′ = ⌊(H + padding - (KH - 1)·dilation - 1) / stride⌋ + 1`, counting the padding of both ends.
 * Throws `ShapeError` where channels, groups or windows do not fit.
 */
export const conv2d = <X extends Shape, W extends Shape>(
  x: Tensor<X>,
  weight: Tensor<W>,
  options: ConvOptions = {},
): Tensor<ConvShape<X, W>> => convolve("conv2d", x, weight, options, 2) as Tensor<ConvShape<X, W>>;

const layouts = { 1: ["L", "K"], 2: ["H, W", "KH, KW"] } as const;

function convolve(op: string, x: Tensor, weight: Tensor, options: ConvOptions, rank: 1 | 2): Tensor {
  const { bias = null, groups = 1 } = options;
  const [spatialNames, kernelNames] = layouts[rank];
  requireLayout(op, x, weight, rank, `[N, C, ${spatialNames}]`, `[O, C / groups, ${kernelNames}]`);
  requireCount(op, "groups", groups, 1);
  const batch = x.shape[0]!;
  const channels = x.shape[1]!;
  const outputs = weight.shape[0]!;
  const kernel = weight.shape.slice(2);
  if (weight.shape[1]! * groups !== channels || outputs % groups !== 0) {
    throw new ShapeError(
      op,
      `${channels} channels and weight ${showShape(weight.shape)} do not fit ${groups} group${groups === 1 ? "" : "s"}`,
      {
        expected: [outputs, channels / groups, ...kernel],
        received: weight.shape,
        hint: "the weight is [out, channels / groups, ...kernel] and out is a multiple of groups",
      },
    );
  }
  const geometry = geometryOf(op, x.shape.slice(2), kernel, options);
  const { counts } = geometry;
  const spots = batch * sizeOf(counts);
  const inner = weight.shape[1]! * sizeOf(kernel);
  const cut = windowsOf(x, geometry, 0);

  let y: Tensor;
  if (groups === 1) {
    // [N, C, ..counts, ..kernel] → [N, ..counts, C, ..kernel]
    const order = [0, ...axesOf(rank).map((i) => 2 + i), 1, ...axesOf(rank).map((i) => 2 + rank + i)];
    const patches = primitive.reshape(primitive.permute(cut, order), [spots, inner]);
    const columns = primitive.permute(primitive.reshape(weight, [outputs, inner]), [1, 0]);
    const product = primitive.reshape(primitive.dot(patches, columns), [batch, ...counts, outputs]);
    y = primitive.permute(product, [0, 1 + rank, ...axesOf(rank).map((i) => 1 + i)]);
  } else {
    const each = outputs / groups;
    const split = primitive.reshape(cut, [batch, groups, channels / groups, ...counts, ...kernel]);
    // [N, G, C, ..counts, ..kernel] → [G, N, ..counts, C, ..kernel]
    const order = [1, 0, ...axesOf(rank).map((i) => 3 + i), 2, ...axesOf(rank).map((i) => 3 + rank + i)];
    const patches = primitive.reshape(primitive.permute(split, order), [groups, spots, inner]);
    const columns = primitive.permute(primitive.reshape(weight, [groups, each, inner]), [0, 2, 1]);
    const product = primitive.reshape(primitive.dot(patches, columns), [groups, batch, ...counts, each]);
    const back = primitive.permute(product, [1, 0, 2 + rank, ...axesOf(rank).map((i) => 2 + i)]);
    y = primitive.reshape(back, [batch, outputs, ...counts]);
  }
  return withBias(op, y, bias);
}

function requireLayout(
  op: string,
  x: Tensor,
  weight: Tensor,
  rank: number,
  layout: string,
  weightLayout: string,
): void {
  requireFloat(op, x);
  if (x.dtype !== weight.dtype) {
    throw new DTypeError(op, `${x.dtype} and ${weight.dtype} do not mix`, {
      expected: x.dtype,
      received: weight.dtype,
      hint: `cast one: cast(weight, "${x.dtype}")`,
    });
  }
  if (x.rank !== rank + 2 || weight.rank !== rank + 2) {
    throw new ShapeError(op, `x ${showShape(x.shape)} and weight ${showShape(weight.shape)}`, {
      expected: [layout, weightLayout],
      received: [x.shape, weight.shape],
      hint: `give x as ${layout} and weight as ${weightLayout}`,
    });
  }
}

function withBias(op: string, y: Tensor, bias: Tensor | null): Tensor {
  if (!bias) return y;
  const outputs = y.shape[1]!;
  if (bias.rank !== 1 || bias.shape[0] !== outputs) {
    throw new ShapeError(op, `bias ${showShape(bias.shape)} for ${outputs} output channels`, {
      expected: [outputs],
      received: bias.shape,
      hint: `give a bias of shape [${outputs}]`,
    });
  }
  return primitive.add(y, primitive.broadcast(bias, y.shape, [1]));
}

export interface ConvTransposeOptions {
  /** One number per output channel. */
  readonly bias?: Tensor | null;
  /** Distance between the stamps. Default 1. */
  readonly stride?: PerAxis;
  /** Elements cut off every end. Default 0. */
  readonly padding?: PerAxis;
  /** Elements added at the high ends, to choose among the lengths a strided convolution maps to one. Default 0. */
  readonly outputPadding?: PerAxis;
  readonly dilation?: PerAxis;
  readonly groups?: number;
}

/**
 * The transpose of `conv2d` in its image: every element of `[N, C, H, W]` stamps its weights `[C, O / groups, KH, KW]`
 * onto the result `[N, O, H′, W′]`, `H′ = (H - 1)·stride - 2·padding + dilation·(KH - 1) + outputPadding + 1`.
 */
export function convTranspose2d(x: Tensor, weight: Tensor, options: ConvTransposeOptions = {}): Tensor {
  const op = "convTranspose2d";
  const { bias = null, groups = 1 } = options;
  requireLayout(op, x, weight, 2, "[N, C, H, W]", "[C, O / groups, KH, KW]");
  requireCount(op, "groups", groups, 1);
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const [inputs, each, kh, kw] = weight.shape as [number, number, number, number];
  if (inputs !== channels || channels % groups !== 0) {
    throw new ShapeError(
      op,
      `${channels} channels and weight ${showShape(weight.shape)} do not fit ${groups} group${groups === 1 ? "" : "s"}`,
      {
        expected: [channels, each, kh, kw],
        received: weight.shape,
        hint: "the weight is [channels, out / groups, ...kernel] and channels a multiple of groups",
      },
    );
  }
  const stride = perAxis(op, "stride", options.stride ?? 1, 2, 1);
  const dilation = perAxis(op, "dilation", options.dilation ?? 1, 2, 1);
  const cut = perAxis(op, "padding", options.padding ?? 0, 2, 0);
  const extra = perAxis(op, "outputPadding", options.outputPadding ?? 0, 2, 0);
  const size = [kh, kw];
  const full = [height, width].map((length, i) => (length - 1) * stride[i]! + (size[i]! - 1) * dilation[i]! + 1);
  const lengths = full.map((length, i) => length + extra[i]! - 2 * cut[i]!);
  if (lengths.some((length) => length < 1)) {
    throw new ShapeError(op, `padding [${cut.join(", ")}] leaves nothing of ${showShape(full)}`, {
      received: cut,
      hint: "use less padding",
    });
  }
  const spots = batch * height * width;
  const pixels = primitive.permute(
    primitive.reshape(x, [batch, groups, channels / groups, height, width]),
    [1, 0, 3, 4, 2],
  );
  const stamps = primitive.dot(
    primitive.reshape(pixels, [groups, spots, channels / groups]),
    primitive.reshape(weight, [groups, channels / groups, each * kh * kw]),
  );
  // [G, N, H, W, O, KH, KW] → [N, G, O, H, W, KH, KW]
  const placed = primitive.permute(
    primitive.reshape(stamps, [groups, batch, height, width, each, kh, kw]),
    [1, 0, 4, 2, 3, 5, 6],
  );
  const folded = primitive.fold(
    primitive.reshape(placed, [batch, groups * each, height, width, kh, kw]),
    size,
    stride,
    dilation,
    full,
  );
  const zeros = [0, 0, 0, 0];
  const longer = primitive.pad(folded, zeros, [0, 0, ...extra], zeros);
  const y = primitive.slice(longer, [0, 0, ...cut], [1, 1, 1, 1], [batch, groups * each, ...lengths]);
  return withBias(op, y, bias);
}
