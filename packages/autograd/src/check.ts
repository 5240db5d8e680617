/**
 * Trust in derivatives: what the transforms compute against central differences, both in float64. A tool for tests of
 * models, losses and custom rules; slow on purpose, two evaluations for every number.
 */
import { DTypeError, TransformError, add, cast, mul, namedLeaves, sum, tensor } from "@dormouse/tensor";
import { type Tensor, isFloat, sizeOf, stridesOf } from "@dormouse/tensor/graph";
import { leavesOf, resultOf } from "./arguments.ts";
import { jvp } from "./jvp.ts";
import { vjp } from "./vjp.ts";

/** Options of `checkGrads`. */
export interface CheckOptions {
  /** Allowed difference as a part of the numerical derivative. Default 1e-5. */
  readonly relative?: number;
  /** Allowed difference beside it. Default 1e-7. */
  readonly absolute?: number;
  /** Step of the differences, as a part of max(1, |x|). Default 1e-5: rounding and truncation are about 1e-11 each. */
  readonly step?: number;
}

/** One element of an argument and its derivative, computed twice. */
export interface CheckedEntry {
  /** `argument 0.hidden.weight[3, 1]`. */
  readonly path: string;
  readonly analytic: number;
  readonly numeric: number;
  /** |analytic − numeric| as a multiple of what is allowed. */
  readonly excess: number;
}

/** What `checkGrads` found. */
export interface CheckReport {
  /** How many elements were checked. */
  readonly checked: number;
  /** The element that departs most; null where nothing was checked. */
  readonly worst: CheckedEntry | null;
}

/**
 * Checks the gradient of a function at a point, element by element, against (f(x + h) − f(x − h)) / 2h, and forward
 * mode against reverse mode. Float arguments are cast to float64 and the function is evaluated there; a result that
 * is not a scalar is summed with fixed weights. Returns the report; needs a device with float64.
 *
 * Throws `TransformError` where a derivative departs by more than absolute + relative·|numeric|, naming the worst
 * element, `DTypeError` where the function brings float32 tensors of its own.
 *
 * ```ts
 * const { worst } = await checkGrads((x: Tensor) => mySoftsign(x), [tensor([-1, 0.5, 2])]);
 * ```
 */
export async function checkGrads<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  args: NoInfer<A>,
  { relative = 1e-5, absolute = 1e-7, step = 1e-5 }: CheckOptions = {},
): Promise<CheckReport> {
  const point = await pointOf(args);
  const floats = point.leaves.flatMap(({ values }, k) => (values ? [k] : []));
  const value = (...trees: readonly unknown[]): Tensor => weigh(f(...(trees as unknown as A)));

  const primals = point.trees(point.tensors());
  const [output, pullback] = vjp(value, ...primals);
  if (output.dtype !== "float64") throw notFloat64(output);
  const one = tensor(1, { dtype: "float64" });
  const cotangents = pullback(one);
  const pulled = primals.flatMap((primal, k) => leavesOf(primal).match("checkGrads", "gradient", cotangents[k]));
  const gradients = await Promise.all(floats.map(async (k) => Float64Array.from(await pulled[k]!.data())));

  const entries: CheckedEntry[] = [];
  const compare = (path: string, analytic: number, numeric: number): void => {
    const difference = Object.is(analytic, numeric) ? 0 : Math.abs(analytic - numeric);
    const excess = difference / (absolute + relative * Math.abs(numeric));
    entries.push({ path, analytic, numeric, excess: Number.isNaN(excess) ? Infinity : excess });
  };
  for (const [order, k] of floats.entries()) {
    const { values, name, shape } = point.leaves[k]!;
    for (let at = 0; at < values!.length; at++) {
      const h = step * Math.max(1, Math.abs(values![at]!));
      const shifted = async (x: number): Promise<number> => {
        const moved = point.tensors(k, values!.with(at, x));
        using result = value(...point.trees(moved));
        return await result.item();
      };
      const [up, down] = [values![at]! + h, values![at]! - h];
      const numeric = ((await shifted(up)) - (await shifted(down))) / (up - down);
      compare(`${name}${showIndex(at, shape)}`, gradients[order]![at]!, numeric);
    }
  }
  const report = judge(entries);
  await compareModes(value, point, floats, gradients, { relative, absolute });
  return report;
}

/** ⟨∇f, v⟩ from reverse mode against the tangent of forward mode, along one direction in all arguments. */
async function compareModes(
  value: (...trees: readonly unknown[]) => Tensor,
  point: Point,
  floats: readonly number[],
  gradients: readonly Float64Array[],
  { relative, absolute }: { readonly relative: number; readonly absolute: number },
): Promise<void> {
  const directions = gradients.map((gradient) => gradient.map((_, at) => Math.sin(at + 1)));
  const along = point.leaves.map(({ original, shape }, k) => {
    const order = floats.indexOf(k);
    return order < 0 ? original : tensor(directions[order]!, { shape, dtype: "float64" });
  });
  const [, tangent] = jvp(value, point.trees(point.tensors()), point.trees(along));
  const forward = await tangent.item();
  const products = gradients.flatMap((gradient, order) => [...gradient.map((g, at) => g * directions[order]![at]!)]);
  const reverse = products.reduce((total, product) => total + product, 0);
  const scale = products.reduce((total, product) => total + Math.abs(product), 0);
  if (Math.abs(forward - reverse) <= absolute + relative * scale) return;
  throw new TransformError("checkGrads", `forward mode gives ${forward} along a direction and reverse mode ${reverse}`, {
    expected: reverse,
    received: forward,
    hint: "a custom rule is not linear, or its two modes are not transposes of each other",
  });
}

/** The report, or the error that names the worst element. */
function judge(entries: readonly CheckedEntry[]): CheckReport {
  const worst = entries.reduce<CheckedEntry | null>(
    (most, entry) => (most === null || entry.excess > most.excess ? entry : most),
    null,
  );
  const wrong = entries.filter(({ excess }) => excess > 1).length;
  if (worst === null || wrong === 0) return { checked: entries.length, worst };
  const { path, analytic, numeric } = worst;
  throw new TransformError(
    "checkGrads",
    `the derivative by ${path} is ${analytic} and central differences give ${numeric} (${wrong} of ${entries.length} elements differ)`,
    { expected: numeric, received: analytic, hint: "correct the custom rule, or check away from kinks" },
  );
}

/** Where derivatives are checked: the leaves of all arguments, float ones as float64. */
interface Point {
  readonly leaves: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly original: Tensor;
    /** Elements of a float leaf; null for others. */
    readonly values: Float64Array | null;
  }[];
  /** The leaves as new tensors, one of them with other elements. */
  tensors(replaced?: number, values?: Float64Array): Tensor[];
  trees(leaves: readonly Tensor[]): readonly unknown[];
}

async function pointOf(args: readonly unknown[]): Promise<Point> {
  const flat = args.map((arg) => leavesOf(arg));
  const leaves = await Promise.all(
    args.flatMap((arg, position) =>
      namedLeaves(arg).map(async ([path, leaf]) => ({
        name: `argument ${position}${path && `.${path}`}`,
        shape: leaf.shape,
        original: leaf,
        values: isFloat(leaf.dtype) ? Float64Array.from(await leaf.data()) : null,
      })),
    ),
  );
  return {
    leaves,
    tensors: (replaced, other) =>
      leaves.map(({ shape, original, values }, k) =>
        values ? tensor(k === replaced ? other! : values, { shape, dtype: "float64" }) : original,
      ),
    trees(tensors) {
      let from = 0;
      return flat.map(({ leaves: own, rebuild }) => rebuild(tensors.slice(from, (from += own.length))));
    },
  };
}

/** A scalar that depends on every element of a result: Σ cos(i)·yᵢ over its float leaves. */
function weigh(result: unknown): Tensor {
  const parts = resultOf("checkGrads", result)
    .leaves.filter(({ dtype }) => isFloat(dtype))
    .map((leaf) => {
      const weights = Float64Array.from({ length: sizeOf(leaf.shape) }, (_, i) => Math.cos(i));
      return sum(mul(leaf, cast(tensor(weights, { shape: leaf.shape, dtype: "float64" }), leaf.dtype)));
    });
  if (parts.length > 0) return parts.reduce((total, part) => add(total, part));
  throw new TransformError("checkGrads", "the function returned integers or bools, which have no derivative", {
    hint: "return a float",
  });
}

const notFloat64 = (output: Tensor): DTypeError =>
  new DTypeError("checkGrads", `the function returned ${output.dtype} for float64 arguments`, {
    expected: "float64",
    received: output.dtype,
    hint: "keep the dtype of the arguments: differences of float32 say nothing",
  });

/** `[3, 1]` for a position in row-major order; nothing for a scalar. */
const showIndex = (at: number, shape: readonly number[]): string =>
  shape.length === 0 ? "" : `[${stridesOf(shape).map((stride, axis) => Math.floor(at / stride) % shape[axis]!).join(", ")}]`;
