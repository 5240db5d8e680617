/**
 * What a model looks like: its layers in the order in which they are called, the shapes they give and the parameters
 * they hold. Runs `forward` on a copy of the model whose tensors are constants, and computes nothing.
 */
import { type DType, Tensor, mapTree, namedLeaves, zeros } from "@dormouse/tensor";
import { type ForwardContext, type Module, isParameter, parameterCount } from "./module.ts";

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
  const copy = mapTree((tensor) => zeros(tensor.shape, { dtype: tensor.dtype }), model);
  const counted = new Set<Tensor>();
  observe(copy, "", (path, module, output) => {
    const own = ownTensors(module).filter(([name, tensor]) => isParameter(name, tensor) && !counted.has(tensor));
    for (const [, tensor] of own) counted.add(tensor);
    rows.push({ path, layer: nameOf(module), output: output.shape, parameters: own.reduce((sum, [, { size }]) => sum + size, 0) });
  });
  copy.forward(zeros(inputShape, { dtype }));
  const held = rows.filter(({ path, parameters }) => parameters > 0 || !rows.some((other) => isInside(other.path, path)));
  return new Table(held, parameterCount(model));
}

const isInside = (path: string, outer: string): boolean => path !== outer && (outer === "" || path.startsWith(`${outer}.`));

const nameOf = (module: object): string => {
  const { constructor } = module as { readonly constructor?: { readonly name?: string } };
  return constructor?.name || "Module";
};

const isModule = (value: unknown): value is Module & Record<string, unknown> =>
  typeof value === "object" && value !== null && !(value instanceof Tensor) && typeof (value as Partial<Module>).forward === "function";

/** Puts a `forward` of its own on every module of a tree, which reports and then goes on as before. */
function observe(value: unknown, path: string, report: (path: string, module: object, output: Tensor) => void): void {
  if (typeof value !== "object" || value === null || value instanceof Tensor) return;
  for (const [name, child] of Object.entries(value)) observe(child, path === "" ? name : `${path}.${name}`, report);
  if (!isModule(value)) return;
  const forward = value.forward.bind(value) as Module["forward"];
  const observed = (x: Tensor, context?: ForwardContext): ReturnType<Module["forward"]> => {
    const result = forward(x, context);
    report(path, value, (Array.isArray(result) ? result[0] : result) as Tensor);
    return result;
  };
  Object.defineProperty(value, "forward", { value: observed });
}

/** Tensors of a module that belong to no module inside it. */
function ownTensors(module: object): [name: string, tensor: Tensor][] {
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
    const cells = [
      ["layer", "output", "parameters"],
      ...this.rows.map(({ path, layer, output, parameters }) => [
        path === "" ? layer : `${path} (${layer})`,
        `[${output.join(", ")}]`,
        grouped(parameters),
      ]),
      ["total", "", grouped(this.parameters)],
    ];
    const widths = [0, 1, 2].map((column) => Math.max(...cells.map((row) => row[column]!.length)));
    const line = ([layer, output, parameters]: string[]): string =>
      `${layer!.padEnd(widths[0]!)}  ${output!.padEnd(widths[1]!)}  ${parameters!.padStart(widths[2]!)}`;
    const rule = widths.map((width) => "-".repeat(width)).join("  ");
    return [line(cells[0]!), rule, ...cells.slice(1, -1).map(line), rule, line(cells.at(-1)!)].join("\n");
  }
}
