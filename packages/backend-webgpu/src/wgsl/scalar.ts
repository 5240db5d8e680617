/**
 * Scalar expressions as WGSL statements: one `let` for each value of the DAG, in the order in which they are needed.
 * Owns the arithmetic of every dtype; loops are the business of the generators.
 */
import type { DType } from "@dormouse/tensor";
import type { Condition, Scalar, ScalarOp } from "@dormouse/tensor/graph";
import { roundTo } from "@dormouse/tensor/graph";
import { type Shader, affineText, typeOf } from "./shader.ts";

/** Operands of a scalar, index expressions of loads included. */
function operandsOf(scalar: Scalar): readonly Scalar[] {
  if (scalar.op === "load") return scalar.indirect?.map(({ index }) => index) ?? [];
  return "sources" in scalar ? scalar.sources : [];
}

/** Every scalar under `roots` once, after its operands. Iterative: a fused expression may be thousands deep. */
export function scalarOrder(roots: readonly Scalar[]): Scalar[] {
  const order: Scalar[] = [];
  const seen = new Set<Scalar>();
  const stack = roots.toReversed().map((scalar) => ({ scalar, ready: false }));
  while (stack.length > 0) {
    const { scalar, ready } = stack.pop()!;
    if (ready) {
      order.push(scalar);
      continue;
    }
    if (seen.has(scalar)) continue;
    seen.add(scalar);
    stack.push({ scalar, ready: true });
    for (const operand of operandsOf(scalar).toReversed()) stack.push({ scalar: operand, ready: false });
  }
  return order;
}

/** What surrounds an expression. */
export interface Surroundings {
  readonly shader: Shader;
  /** Name of the index along each axis; null where it is 0. */
  readonly index: readonly (string | null)[];
  /** Names of the results of stages. */
  readonly results: ReadonlyMap<number, string>;
  /** Names of scalars that the surroundings have computed. */
  readonly given?: ReadonlyMap<Scalar, string>;
}

/** Statements that compute `roots`, and the expression of each. */
export function emitScalars(
  roots: readonly Scalar[],
  { shader, index, results, given }: Surroundings,
): { readonly lines: string[]; readonly values: readonly string[] } {
  const lines: string[] = [];
  const names = new Map<Scalar, string>();
  const nameOf = (scalar: Scalar): string => names.get(scalar)!;
  const hold = (scalar: Scalar, value: string): void => {
    const name = shader.fresh();
    lines.push(`let ${name} = ${value};`);
    names.set(scalar, name);
  };
  const isFixed = ({ strides }: Condition): boolean => strides.every((stride, axis) => stride === 0 || (index[axis] ?? null) === null);
  /** The conditions that depend on an index, as a test; "false" where one that does not fails. */
  const holds = (conditions: readonly Condition[]): string => {
    if (conditions.some((each) => isFixed(each) && !(each.offset >= 0 && each.offset < each.below))) return "false";
    const moving = conditions.filter((each) => !isFixed(each));
    return moving.map((each) => `u32(${affineText(each, index)}) < ${each.below}u`).join(" && ") || "true";
  };

  for (const scalar of scalarOrder(roots)) {
    const name = given?.get(scalar);
    if (name !== undefined) {
      names.set(scalar, name);
      continue;
    }
    switch (scalar.op) {
      case "const":
        names.set(scalar, literal(shader, scalar.dtype, scalar.value));
        break;
      case "index":
        hold(scalar, affineText(scalar.at, index));
        break;
      case "valid":
        hold(scalar, holds(scalar.conditions));
        break;
      case "result":
        names.set(scalar, results.get(scalar.stage)!);
        break;
      case "load": {
        const moves = (scalar.indirect ?? []).map(
          ({ index: at, stride, size }) => ` + ${clamped(at.dtype, nameOf(at), size)} * ${stride}`,
        );
        const value = shader.load(scalar.arg, affineText(scalar.at, index) + moves.join(""));
        const fill = literal(shader, scalar.dtype, scalar.fill ?? 0);
        const test = holds(scalar.valid ?? []);
        if (value === null || test === "false") hold(scalar, fill);
        else if (test === "true") hold(scalar, value);
        else {
          const name = shader.fresh();
          lines.push(`var ${name} = ${fill};`, `if (${test}) { ${name} = ${value}; }`);
          names.set(scalar, name);
        }
        break;
      }
      default: {
        const operands = scalar.sources.map(nameOf);
        // The compiler evaluates what is constant, and an overflow there is an error: one operand becomes a value.
        if (scalar.sources.every(({ op }) => op === "const")) {
          const name = shader.fresh();
          lines.push(`var ${name} = ${operands[0]!};`);
          operands[0] = name;
        }
        const hidden = hideFrom(scalar);
        if (hidden !== null) operands[hidden] = shader.call("opaque", operands[hidden]!);
        hold(scalar, operation(shader, scalar.op, scalar.dtype, scalar.sources[0]!.dtype, operands));
      }
    }
  }
  return { lines, values: roots.map(nameOf) };
}

/**
 * The operand that a compiler must not look through: to it, x·0 and x - x are 0 and x/x is 1, and NaN and infinities
 * would be lost. Null where there is none.
 */
function hideFrom(scalar: Extract<Scalar, { readonly sources: readonly Scalar[] }>): number | null {
  if (scalar.dtype !== "float32") return null;
  const [a, b] = scalar.sources;
  const isZero = (x: Scalar): boolean => x.op === "const" && x.value === 0;
  const negates = (x: Scalar, y: Scalar): boolean => x.op === "neg" && x.sources[0] === y;
  switch (scalar.op) {
    case "mul":
      return isZero(a!) ? 0 : isZero(b!) ? 1 : null;
    case "sub":
    case "div":
      return a === b || isZero(a!) ? 0 : null;
    case "add":
      return negates(a!, b!) ? 1 : negates(b!, a!) ? 0 : null;
    default:
      return null;
  }
}

/** An index brought into [0, size), as an i32. */
function clamped(dtype: DType, value: string, size: number): string {
  if (dtype === "int32") return `clamp(${value}, 0, ${size - 1})`;
  return dtype === "bool" ? `min(i32(${value}), ${size - 1})` : `i32(min(${value}, ${size - 1}u))`;
}

/** A constant of a dtype; integers wrap, as in arithmetic. */
export function literal(shader: Shader, dtype: DType, given: number): string {
  switch (dtype) {
    case "int32": {
      const value = Number.isInteger(given) ? given | 0 : roundTo(dtype, given);
      return value === -2147483648 ? "i32(-2147483648)" : `${value}i`;
    }
    case "uint32":
      return `${Number.isInteger(given) ? given >>> 0 : roundTo(dtype, given)}u`;
    case "uint8":
      return `${Number.isInteger(given) ? given & 255 : roundTo(dtype, given)}u`;
    case "bool":
      return given === 0 ? "false" : "true";
    default:
      return floatLiteral(shader, Math.fround(given));
  }
}

function floatLiteral(shader: Shader, value: number): string {
  if (Number.isNaN(value)) return shader.call("not_a_number");
  if (!Number.isFinite(value)) return `${value < 0 ? "-" : ""}${shader.call("infinity")}`;
  // Compilers lose the sign of a zero that is written out, and may refuse what is subnormal.
  if (Object.is(value, -0) || (value !== 0 && Math.abs(value) < 2 ** -126)) {
    return `bitcast<f32>(0x${new Uint32Array(Float32Array.of(value).buffer)[0]!.toString(16)}u)`;
  }
  const digits = [6, 7, 8, 9].find((count) => Math.fround(Number(value.toPrecision(count))) === value) ?? 9;
  return `${Number(value.toPrecision(digits))}f`;
}

/** One operation on values of `from`, giving a value of `dtype`. */
function operation(shader: Shader, op: ScalarOp, dtype: DType, from: DType, operands: readonly string[]): string {
  const [a, b, c] = operands as readonly [string, string, string];
  switch (op) {
    case "cast":
      return castText(shader, from, dtype, a);
    case "where":
      return `select(${c}, ${b}, ${a})`;
    case "threefry":
      return shader.call("threefry", ...operands);
    case "less":
    case "lessEqual":
    case "equal":
      return comparison(shader, op, from, a, b);
    case "add":
    case "sub":
    case "mul":
    case "div":
    case "max":
    case "min":
    case "pow":
    case "and":
    case "or":
      return arithmetic(shader, op, dtype, a, b);
    case "neg":
      if (dtype === "bool") return a;
      return dtype === "float32" || dtype === "int32" ? `-${a}` : toByte(dtype, `0u - ${a}`);
    case "abs":
      return dtype === "float32" || dtype === "int32" ? `abs(${a})` : a;
    case "not":
      return dtype === "bool" ? `!${a}` : toByte(dtype, `~${a}`);
    case "floor":
    case "round":
      return `${op}(${a})`;
    default:
      return shader.call(`${op}_f32`, a);
  }
}

/** The low 8 bits, where that is all the dtype has. */
const toByte = (dtype: DType, value: string): string => (dtype === "uint8" ? `(${value}) & 255u` : value);

function comparison(shader: Shader, op: "less" | "lessEqual" | "equal", from: DType, a: string, b: string): string {
  if (from === "float32") {
    return shader.call({ less: "less_f32", lessEqual: "less_equal_f32", equal: "equal_f32" }[op], a, b);
  }
  if (from === "bool") return { less: `!${a} && ${b}`, lessEqual: `!${a} || ${b}`, equal: `${a} == ${b}` }[op];
  return `${a} ${{ less: "<", lessEqual: "<=", equal: "==" }[op]} ${b}`;
}

type Arithmetic = "add" | "sub" | "mul" | "div" | "max" | "min" | "pow" | "and" | "or";

const signs: Readonly<Partial<Record<Arithmetic, string>>> = { add: "+", sub: "-", mul: "*", div: "/", and: "&", or: "|" };
/** What is left of arithmetic where anything that is not 0 is 1. */
const logic: Readonly<Record<Arithmetic, (a: string, b: string) => string>> = {
  add: (a, b) => `${a} || ${b}`,
  sub: (a, b) => `${a} != ${b}`,
  mul: (a, b) => `${a} && ${b}`,
  div: (a, b) => `${a} && ${b}`,
  max: (a, b) => `${a} || ${b}`,
  min: (a, b) => `${a} && ${b}`,
  pow: (a, b) => `${a} || !${b}`,
  and: (a, b) => `${a} && ${b}`,
  or: (a, b) => `${a} || ${b}`,
};

/** A binary operation within one dtype. */
export function arithmetic(shader: Shader, op: Arithmetic, dtype: DType, a: string, b: string): string {
  if (dtype === "bool") return logic[op](a, b);
  const type = typeOf[dtype];
  if (op === "max" || op === "min") return dtype === "float32" ? shader.call(`${op}_f32`, a, b) : `${op}(${a}, ${b})`;
  if (op === "pow" || (op === "div" && dtype !== "float32")) return toByte(dtype, shader.call(`${op}_${type}`, a, b));
  return toByte(dtype, `${a} ${signs[op]!} ${b}`);
}

/** To float16 rounds; float to integer saturates, NaN to 0; between integers bits are kept; anything to bool is "not 0". */
function castText(shader: Shader, from: DType, to: DType, value: string): string {
  if (from === to || from === "float16") return value;
  if (to === "float16") return shader.call("round_half", value);
  if (to === "bool") {
    if (from === "float32") return `(bitcast<u32>(${value}) & 0x7fffffffu) != 0u`;
    return from === "int32" ? `${value} != 0` : `${value} != 0u`;
  }
  if (from === "float32") {
    if (to === "uint8") return `u32(${shader.call("f32_to_i32", value)}) & 255u`;
    return shader.call(to === "int32" ? "f32_to_i32" : "f32_to_u32", value);
  }
  return toByte(to, `${typeOf[to]}(${value})`);
}
