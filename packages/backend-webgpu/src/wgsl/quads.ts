/**
 * Expressions at four neighboring indices: what they load there is loaded at once where it lies side by side, once where
 * it is the same for all four, and else one by one. The arithmetic is a function of one index that is called four times;
 * the processors of a GPU compute one number at a time, it is only memory that wants four.
 */
import type { Affine, Scalar } from "@dormouse/tensor/graph";
import { emitScalars, scalarOrder } from "./scalar.ts";
import { type Shader, affineText, indented, typeOf } from "./shader.ts";

type Load = Extract<Scalar, { readonly op: "load" }>;

/** Four neighboring indices. */
export interface Quad {
  /** Names or expressions of the index along each axis, for each of the four; null where it is 0. */
  readonly indices: readonly (readonly (string | null)[])[];
  /** Whether an address in an argument passes four neighbors, the first at a multiple of four. */
  isQuad(arg: number, at: Affine): boolean;
  /** Where such an address starts. */
  address(at: Affine): string;
  /** Whether an address is one place. */
  isOne(at: Affine): boolean;
}

/** Four steps along an axis, from an index that is a multiple of four. */
export function quadAlong(axis: number, index: readonly (string | null)[]): Quad {
  const first = index[axis]!;
  return {
    indices: [0, 1, 2, 3].map((i) => index.with(axis, i === 0 ? first : `(${first} + ${i})`)),
    isQuad: (_, at) => isQuadAlong(at, axis),
    address: (at) => affineText(at, index),
    isOne: ({ strides }) => (strides[axis] ?? 0) === 0,
  };
}

/** Whether an address passes neighbors along an axis, and a multiple of four at every fourth step. */
export const isQuadAlong = ({ offset, strides }: Affine, axis: number): boolean =>
  strides[axis] === 1 && offset % 4 === 0 && strides.every((stride, other) => other === axis || stride % 4 === 0);

const isPlain = (scalar: Scalar): scalar is Load =>
  scalar.op === "load" && (scalar.indirect ?? []).length === 0 && (scalar.valid ?? []).length === 0;

/** Arguments of which `bodies` load quads. */
export function quadsLoaded(bodies: readonly Scalar[], isQuad: Quad["isQuad"]): number[] {
  return scalarOrder(bodies).flatMap((scalar) => (isPlain(scalar) && isQuad(scalar.arg, scalar.at) ? [scalar.arg] : []));
}

/** A named value of a stage. */
export interface Result {
  readonly name: string;
  readonly type: string;
  /** Whether it is a vector of the values at the four indices. */
  readonly isVector?: boolean;
}

/** Statements that compute `bodies` at the indices of a quad, and a vector expression for each. */
export function emitQuad(
  shader: Shader,
  bodies: readonly Scalar[],
  { indices, isQuad, isOne, address }: Quad,
  results: ReadonlyMap<number, Result>,
): { readonly lines: readonly string[]; readonly values: readonly string[] } {
  const lines: string[] = [];
  const given = new Map<Scalar, string>();
  /** What is a vector already. */
  const wholes = new Map<Scalar, string>();
  const parameters: string[] = [];
  /** Operands of the four calls. */
  const operands: string[][] = [[], [], [], []];
  const take = (type: string, of: (i: number) => string, name = shader.fresh("x")): string => {
    parameters.push(`${name}: ${type}`);
    operands.forEach((list, i) => list.push(of(i)));
    return name;
  };
  const order = scalarOrder(bodies);
  for (const scalar of order) {
    if (!isPlain(scalar) || !(isQuad(scalar.arg, scalar.at) || isOne(scalar.at))) continue;
    const { arg, at, dtype } = scalar;
    const held = shader.fresh("four");
    const value = isQuad(arg, at) ? shader.loadQuad(arg, address(at)) : shader.load(arg, affineText(at, indices[0]!))!;
    lines.push(`let ${held} = ${value};`);
    given.set(scalar, take(typeOf[dtype], (i) => (isQuad(arg, at) ? `${held}[${i}]` : held)));
    wholes.set(scalar, isQuad(arg, at) ? held : `vec4<${typeOf[dtype]}>(${held})`);
  }
  const moved = new Set(order.flatMap((scalar) => (given.has(scalar) ? [] : axesOf(scalar))));
  for (const scalar of order) {
    // Halves are computed with as they are loaded.
    const under = scalar.op === "cast" && scalar.sources[0]!.dtype === "float16" ? wholes.get(scalar.sources[0]!) : undefined;
    if (under !== undefined && scalar.dtype === "float32") wholes.set(scalar, under);
  }
  const index = indices[0]!.map((name, axis) =>
    name !== null && moved.has(axis) ? take("i32", (i) => indices[i]![axis]!, `at${axis}`) : null,
  );
  const names = new Map<number, string>();
  for (const scalar of order) {
    if (scalar.op !== "result") continue;
    const { name, type, isVector } = results.get(scalar.stage)!;
    if (isVector) wholes.set(scalar, name);
    if (names.has(scalar.stage)) continue;
    names.set(scalar.stage, take(type, (i) => (isVector ? `${name}[${i}]` : name)));
  }
  const whole = bodies.map((body) => wholes.get(body));
  if (whole.every((value) => value !== undefined)) return { lines, values: whole };
  const { lines: inside, values } = emitScalars(bodies, { shader, index, results: names, given });
  const element = shader.fresh("element");
  const types = bodies.map(({ dtype }) => typeOf[dtype]);
  const [only] = types;
  const isOnly = types.length === 1;
  if (!isOnly) shader.declare(`struct ${element}_values { ${types.map((type, i) => `value${i}: ${type}`).join(", ")} }`);
  const made = isOnly ? values[0]! : `${element}_values(${values.join(", ")})`;
  shader.declare(
    [`fn ${element}(${parameters.join(", ")}) -> ${isOnly ? only! : `${element}_values`} {`, ...indented([...inside, `return ${made};`]), "}"].join("\n"),
  );
  const calls = operands.map((list) => `${element}(${list.join(", ")})`);
  if (isOnly) {
    const name = shader.fresh("four");
    return { lines: [...lines, `let ${name} = vec4<${only!}>(${calls.join(", ")});`], values: [name] };
  }
  const held = calls.map((call) => {
    const name = shader.fresh("one");
    lines.push(`let ${name} = ${call};`);
    return name;
  });
  return { lines, values: types.map((type, i) => `vec4<${type}>(${held.map((name) => `${name}.value${i}`).join(", ")})`) };
}

/** The axes that a scalar moves along by itself, not through its sources. */
function axesOf(scalar: Scalar): number[] {
  const affines = scalar.op === "load" ? [scalar.at, ...(scalar.valid ?? [])] : scalar.op === "index" ? [scalar.at] : scalar.op === "valid" ? scalar.conditions : [];
  return affines.flatMap(({ strides }) => strides.flatMap((stride, axis) => (stride === 0 ? [] : [axis])));
}
