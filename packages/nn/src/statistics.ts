/**
 * What happens inside a model, to see gradients vanish or explode and units die: the outputs of its layers, their
 * moments, units that are always 0, and norms of gradients by layer.
 */
import {
  type DType, type Key, type Tensor, abs, all, cast, div, equal, max, mean, mul, namedLeaves, reshape, sqrt, square,
  stack, sub, sum, where, zeros,
} from "@dormouse/tensor";
import { type Layer, type Module, isParameter } from "./module.ts";
import { isModule, layerName } from "./modules.ts";
import { observed } from "./observe.ts";
import { isInside, ownTensors } from "./summary.ts";
import { tableText } from "./table.ts";

/** One call of one layer. */
export interface Activation {
  /** Where the layer is in the model, such as `layers.0`; the empty string for the model itself. */
  readonly path: string;
  /** Name of the class, or of the function. */
  readonly layer: string;
  readonly output: Tensor;
}

/** What a forward pass gave, and what it gave on the way. */
export interface Recording {
  readonly output: Tensor;
  /** In the order in which layers finished; those that only hold others are left out. */
  readonly activations: readonly Activation[];
}

export interface RecordOptions {
  /** With a key the model is called as in training. Its new state is not kept. */
  readonly key?: Key;
}

/**
 * Calls a model and keeps what every layer gives, functions such as `relu` included. The outputs are part of one
 * graph: nothing is computed before it is read, and derivatives go through.
 *
 * ```ts
 * const { output, activations } = recordActivations(model, x);
 * activations.map(({ path }) => path);   // ["layers.0", "layers.1", "layers.2"]
 * ```
 */
export function recordActivations(model: Module, x: Tensor, { key }: RecordOptions = {}): Recording {
  const calls = record(model, x, key);
  return {
    output: calls.at(-1)!.output,
    activations: ofLeaves(calls).map(({ path, layer, output }) => ({ path, layer: layerName(layer), output })),
  };
}

interface Call {
  readonly path: string;
  readonly layer: Layer;
  readonly output: Tensor;
}

function record(model: Module, x: Tensor, key: Key | undefined): Call[] {
  const calls: Call[] = [];
  observed(model, (path, layer, output) => calls.push({ path, layer, output })).forward(x, key ? { key } : {});
  return calls;
}

const parametersOf = (layer: Layer): [name: string, parameter: Tensor][] =>
  isModule(layer) ? ownTensors(layer).filter(([name, tensor]) => isParameter(name, tensor)) : [];

/** Without the layers that hold others and have no parameters of their own. */
const ofLeaves = (calls: readonly Call[]): Call[] =>
  calls.filter(
    ({ path, layer }) => parametersOf(layer).length > 0 || !calls.some((other) => isInside(other.path, path)),
  );

/**
 * Norms of a gradient, `√Σ g²`, by the path of the parameter. Cheap enough for every step, and part of its graph.
 *
 * ```ts
 * gradientNorms(grad(loss)(model))["layers.0.weight"];
 * ```
 */
export const gradientNorms = (gradient: unknown): Readonly<Record<string, Tensor>> =>
  Object.fromEntries(
    namedLeaves(gradient).flatMap(([path, leaf]): [string, Tensor][] =>
      isParameter(path, leaf) ? [[path, lengthOf(leaf)]] : [],
    ),
  );

/** `√Σ x²` of numbers divided by the largest: squares of gradients that vanish are 0 in float32 from 10⁻²³ down. */
function lengthOf(x: Tensor): Tensor {
  if (x.size === 0) return zeros([], { dtype: x.dtype });
  const largest = max(abs(x));
  const scale = where(equal(largest, 0), 1, largest);
  return mul(scale, sqrt(sum(square(div(x, scale)))));
}

/** One call of one layer, in numbers. */
export interface LayerStatisticsRow {
  readonly path: string;
  readonly layer: string;
  readonly output: readonly number[];
  /** Of all elements of the output. */
  readonly mean: number;
  /** Standard deviation of all elements of the output. */
  readonly std: number;
  /** Elements that the output has per example. */
  readonly units: number;
  /** How many of them are 0 for every example: no gradient reaches what is behind them. */
  readonly dead: number;
  /** Of the layer's own parameters; null where it has none, or where no gradient was given. */
  readonly gradientNorm: number | null;
}

/** A table of layers; as text, it is one to print. */
export interface LayerStatistics {
  readonly rows: readonly LayerStatisticsRow[];
  toString(): string;
}

export interface LayerStatisticsOptions extends RecordOptions {
  /** A gradient with respect to the model, as `grad` returns it. */
  readonly gradient?: unknown;
}

/**
 * Means, deviations and dead units of all layers of a model for a batch `[N, ..]`, and norms of gradients where a
 * gradient is given. Deviations that shrink from layer to layer, and gradients that shrink toward the first one, tell
 * of vanishing; both growing, of exploding (Glorot and Bengio 2010).
 *
 * ```ts
 * const gradient = grad((m: typeof model) => crossEntropy(m.forward(x), y))(model);
 * console.log(String(await layerStatistics(model, x, { gradient })));
 * ```
 */
export async function layerStatistics(
  model: Module,
  x: Tensor,
  { key, gradient }: LayerStatisticsOptions = {},
): Promise<LayerStatistics> {
  const calls = ofLeaves(record(model, x, key));
  const norms = new Map(Object.entries(gradientNorms(gradient)));
  const numbers = calls.map(({ path, layer, output }) => ({
    moments: momentsOf(output),
    norms: parametersOf(layer).flatMap(([name]) => norms.get(path === "" ? name : `${path}.${name}`) ?? []),
  }));
  const values = await valuesOf(numbers.flatMap((each) => [...each.moments, ...each.norms]));
  let at = 0;
  const next = (count: number): number[] => values.slice(at, (at += count));
  const rows = calls.map(({ path, layer, output }, i): LayerStatisticsRow => {
    const [average, variance, dead] = next(3) as [number, number, number];
    const own = next(numbers[i]!.norms.length);
    const [, ...rest] = output.shape;
    return {
      path,
      layer: layerName(layer),
      output: output.shape,
      mean: average,
      std: Math.sqrt(variance),
      units: rest.reduce((units, length) => units * length, 1),
      dead,
      gradientNorm: own.length > 0 ? Math.hypot(...own) : null,
    };
  });
  return new Table(rows);
}

/** Scalars of several dtypes, read at once. */
async function valuesOf(scalars: readonly Tensor[]): Promise<number[]> {
  if (scalars.length === 0) return [];
  const dtype: DType = scalars.some((scalar) => scalar.dtype === "float64") ? "float64" : "float32";
  return Array.from(await stack(scalars.map((scalar) => cast(scalar, dtype))).data());
}

/** Mean, variance and number of dead units, as scalars. */
function momentsOf(output: Tensor): [mean: Tensor, variance: Tensor, dead: Tensor] {
  const isFloat = output.dtype === "float32" || output.dtype === "float64";
  const x: Tensor = isFloat ? output : cast(output, "float32");
  const average = mean(x);
  const examples = x.shape[0] ?? 1;
  const isDead = all(equal(reshape(x, [examples, x.size / Math.max(examples, 1)]), 0), { axis: 0 });
  return [average, mean(square(sub(x, average))), sum(cast(isDead, "float32"))];
}

const shown = (value: number | null): string => (value === null ? "" : value === 0 ? "0" : value.toExponential(2));

class Table implements LayerStatistics {
  readonly rows: readonly LayerStatisticsRow[];

  constructor(rows: readonly LayerStatisticsRow[]) {
    this.rows = rows;
  }

  toString(): string {
    const rows = this.rows.map(({ path, layer, output, mean: average, std, dead, units, gradientNorm }) => [
      path === "" ? layer : `${path} (${layer})`,
      `[${output.join(", ")}]`,
      shown(average),
      shown(std),
      `${dead}/${units}`,
      shown(gradientNorm),
    ]);
    return tableText(["layer", "output", "mean", "std", "dead", "gradient"], rows);
  }
}
