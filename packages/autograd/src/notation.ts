/**
 * Graphs as text: one operation as an expression of its operands' texts, in the notation of textbooks where there is
 * one (`x * sin(x)`, `a @ b`) and as a function call otherwise. Owns spelling only; what gets a name and what is
 * written in place is decided by `explain.ts` and `evaluation-trace.ts`.
 */
import type { DType } from "@dormouse/tensor";
import { type Params, type Primitive, type Shape, type Value, showShape } from "@dormouse/tensor/graph";

/** An operation on expressions: a value of a lowered region or a node of a graph. */
export interface Expression {
  readonly op: Primitive | Value["op"];
  readonly sources: readonly Expression[];
  readonly shape: Shape;
  readonly dtype: DType;
  readonly params: object;
}

/** Text, and how strongly its outermost operator binds. */
interface Text {
  readonly text: string;
  readonly strength: number;
}
const [COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM] = [1, 2, 3, 4, 5, 6];
const atom = (text: string): Text => ({ text, strength: ATOM });

/** The shortest decimal number that rounds to `value` in `dtype`. */
export function showNumber(value: number, dtype: DType): string {
  if (dtype === "bool") return value === 0 ? "false" : "true";
  if (Object.is(value, -0)) return "-0";
  if (dtype !== "float32" || !Number.isFinite(value)) return String(value);
  for (let digits = 1; digits < 17; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return String(short);
  }
  return String(value);
}

/** The number that all elements of an expression are, if it is a constant. */
export function numberOf(x: Expression): string | null {
  if (x.op === "broadcast") return numberOf(x.sources[0]!);
  return x.op === "constant" ? showNumber((x.params as Params["constant"]).value, x.dtype) : null;
}

const operators: Partial<Record<Expression["op"], readonly [symbol: string, strength: number]>> = {
  less: ["<", COMPARISON],
  lessEqual: ["<=", COMPARISON],
  equal: ["==", COMPARISON],
  add: ["+", SUM],
  mul: ["*", PRODUCT],
  div: ["/", PRODUCT],
  dot: ["@", PRODUCT],
};

/** What calls are named after, where the primitive's own name says less. */
const functions: Partial<Record<Expression["op"], string>> = { max: "maximum", gather: "take" };

/** Writes expressions; those that `nameOf` knows are written as their names. */
export class Notation {
  readonly #nameOf: (x: Expression) => string | undefined;
  readonly #known = new Map<Expression, Text>();

  constructor(nameOf: (x: Expression) => string | undefined) {
    this.#nameOf = nameOf;
  }

  /** An expression as a name or in place. */
  text(x: Expression): string {
    return this.#of(x).text;
  }

  /** An expression in terms of its operands, even if it has a name. */
  definition(x: Expression): string {
    return this.#spell(x).text;
  }

  #of(x: Expression): Text {
    const name = this.#nameOf(x);
    if (name !== undefined) return atom(name);
    let text = this.#known.get(x);
    if (!text) this.#known.set(x, (text = this.#spell(x)));
    return text;
  }

  /** An operand, in parentheses where its operator binds less than `strength`. */
  #operand(x: Expression, strength: number): string {
    const { text, strength: own } = this.#of(x);
    return own < strength ? `(${text})` : text;
  }

  #spell(x: Expression): Text {
    const number = numberOf(x);
    if (number !== null) return { text: number, strength: number.startsWith("-") ? SIGN : ATOM };
    const [a, b] = x.sources as [Expression, Expression];
    const operator = operators[x.op];
    if (operator) {
      const [symbol, strength] = operator;
      if (x.op === "add" && this.#isNegation(b)) return this.#difference(a, b.sources[0]!);
      if (x.op === "add" && this.#isNegation(a)) return this.#difference(b, a.sources[0]!);
      // a + (b + c) and a · (b · c) need no parentheses in mathematics, but are other sums and products here.
      return { text: `${this.#operand(a, strength)} ${symbol} ${this.#operand(b, strength + 1)}`, strength };
    }
    if (x.op === "neg") return { text: `-${this.#operand(a, SIGN)}`, strength: SIGN };
    if (x.op === "pow") return { text: `${this.#operand(a, ATOM)} ** ${this.#operand(b, POWER)}`, strength: POWER };
    const operands = x.sources.map((source) => this.text(source));
    return atom(`${this.#function(x)}(${[...operands, ...parametersOf(x)].join(", ")})`);
  }

  #isNegation(x: Expression): boolean {
    return x.op === "neg" && this.#nameOf(x) === undefined;
  }

  #difference(a: Expression, b: Expression): Text {
    return { text: `${this.#operand(a, SUM)} - ${this.#operand(b, PRODUCT)}`, strength: SUM };
  }

  #function(x: Expression): string {
    if (x.op === "reduce") return (x.params as Params["reduce"]).combine;
    if (x.op === "call") return (x.params as Params["call"]).name;
    if (x.op === "cast") return x.dtype;
    if (x.op === "identity" && (x.params as Params["identity"]).tag === "stop") return "stopGradient";
    if (x.op === "permute" && isTranspose((x.params as Params["permute"]).permutation)) return "transpose";
    return functions[x.op] ?? x.op;
  }
}

const isTranspose = (permutation: Shape): boolean => {
  const rank = permutation.length;
  return permutation.every((from, to) => from === (to < rank - 2 ? to : 2 * rank - 3 - to));
};

/** The parameters of an operation, as further arguments. */
function parametersOf(x: Expression): string[] {
  switch (x.op) {
    case "cast":
    case "call":
    case "input":
    case "barrier":
    case "identity":
      return [];
    case "reshape":
      return [showShape(x.shape)];
    case "broadcast": {
      const { axes } = x.params as Params["broadcast"];
      const aligned = axes.every((axis, i) => axis === x.shape.length - axes.length + i);
      return aligned ? [showShape(x.shape)] : [showShape(x.shape), `axes ${showShape(axes)}`];
    }
    case "permute": {
      const { permutation } = x.params as Params["permute"];
      return isTranspose(permutation) ? [] : [showShape(permutation)];
    }
    case "slice": {
      const { start, step, lengths } = x.params as Params["slice"];
      const ranges = start.map((from, axis) => {
        const by = step[axis]!;
        return `${from}:${from + by * lengths[axis]!}${by === 1 ? "" : `:${by}`}`;
      });
      return [`[${ranges.join(", ")}]`];
    }
    case "reduce":
      return [`axes ${showShape((x.params as Params["reduce"]).axes)}`];
    default:
      return Object.entries(x.params)
        .filter(([, value]) => value !== undefined && value !== false)
        .map(([name, value]) => `${name} ${Array.isArray(value) ? showShape(value) : String(value)}`);
  }
}

/** Lines of cells, padded so that the columns stand under each other. */
export function table(rows: readonly (readonly string[])[], indent = "  "): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows.map((row) => (indent + row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ")).trimEnd());
}

/** `float32[2, 3]`. */
export const showType = ({ dtype, shape }: { readonly dtype: DType; readonly shape: Shape }): string =>
  `${dtype}${showShape(shape)}`;
