/**
 * What a model looks like: its layers in the order in which they are called, the shapes they give and the parameters
 * they hold. Runs `forward` on a copy of the model whose tensors are constants, and computes nothing.
 */
import { type DType, Tensor, mapTree, namedLeaves, zeros } from "@dormouse/tensor";
import { type Module, isParameter, parameterCount } from "./module.ts";
import { isModule, layerName } from "./modules.ts";
import { observed } from "./observe.ts";
import { tableText } from "./table.ts";

/** A layer, as it was called. */
export interface SummaryRow {
  /** Property path in the model, such as `layers.0`; the model itself is the empty string. */
  readonly path: string;
  /** Name of the class. */
  readonly layer: string;
  readonly output: readonly number[];
  /** Learned numbers that are the layer's own and not of a layer inside it; 0 where it is called again. */
  readonly parameters: number;
}

/** A table of layers; as text, it is one to print. */
export interface Summary {
  readonly rows: readonly SummaryRow[];
  /** Learned numbers in the whole model, in layers that were not called too. */
  readonly parameters: number;
  toString(): string;
}

export interface SummaryOptions {
  /** Of the input. Default float32; int32 for models that begin with an embedding. */
  readonly dtype?: DType;
}

/**
 * The layers of a model for inputs of a shape.
 *
 * ```ts
 * console.log(String(summary(model, [32, 784])));
 * ```
 */
export function summary(model: Module, inputShape: readonly number[], { dtype = "float32" }: SummaryOptions = {}): Summary {
  const rows: SummaryRow[] = [];
  const constant = mapTree((tensor) => zeros(tensor.shape, { dtype: tensor.dtype }), model);
  const counted = new Set<Tensor>();
  const copy = observed(constant, (path, module, output) => {
    if (!isModule(module)) return;
    const own = ownTensors(module).filter(([name, tensor]) => isParameter(name, tensor) && !counted.has(tensor));
    for (const [, tensor] of own) counted.add(tensor);
    const parameters = own.reduce((sum, [, { size }]) => sum + size, 0);
    rows.push({ path, layer: layerName(module), output: output.shape, parameters });
  });
  copy.forward(zeros(inputShape, { dtype }));
  const held = rows.filter(({ path, parameters }) => parameters > 0 || !rows.some((other) => isInside(other.path, path)));
  return new Table(held, parameterCount(model));
}

/** True where a path leads into what is at another one. */
export const isInside = (path: string, outer: string): boolean =>
  path !== outer && (outer === "" || path.startsWith(`${outer}.`));

/** Tensors of a module that belong to no module inside it, by their path in it. */
export function ownTensors(module: object): [name: string, tensor: Tensor][] {
  return Object.entries(module).flatMap(([name, value]): [string, Tensor][] => {
    if (value instanceof Tensor) return [[name, value]];
    if (typeof value !== "object" || value === null || isModule(value)) return [];
    return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype
      ? ownTensors(value as object).map(([inner, tensor]) => [`${name}.${inner}`, tensor])
      : namedLeaves(value).map(([inner, tensor]) => [`${name}.${inner}`, tensor]);
  });
}

const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ",");

class Table implements Summary {
  readonly rows: readonly SummaryRow[];
  readonly parameters: number;

  constructor(rows: readonly SummaryRow[], parameters: number) {
    this.rows = rows;
    this.parameters = parameters;
  }

  toString(): string {
    const rows = this.rows.map(({ path, layer, output, parameters }) => [
      path === "" ? layer : `${path} (${layer})`,
      `[${output.join(", ")}]`,
      grouped(parameters),
    ]);
    return tableText(["layer", "output", "parameters"], rows, ["total", "", grouped(this.parameters)]);
  }
}
