/**
 * How values are combined: within one invocation, then among the invocations that share a row: within a subgroup, where
 * the GPU has operations on them, and through workgroup memory. The order depends on the size of subgroups and on nothing
 * else, so that one GPU gives the same bits in every run. Owns the neutral element and the order of ties; the loops around it are in `loop.ts`.
 */
import type { DType } from "@dormouse/tensor";
import type { ReduceStage } from "@dormouse/tensor/graph";
import { arithmetic, literal } from "./scalar.ts";
import { LANES, type Shader, type Target, indented, plainTarget, typeOf } from "./shader.ts";

/** The statements of one reduction. Everything is held in `value`, and for argmax in `value` and its position `at`. */
export interface Combiner {
  readonly declare: readonly string[];
  /** Takes in the value of a body at a position (an i32), later positions after earlier ones. */
  take(body: string, position: string): string;
  /** Lines that bring together what `rows` rows of `lanes` neighbors hold; every lane of a row then has the result. */
  together(lanes: number, stride: number, first: string, member: string): readonly string[];
  readonly result: string;
}

/** The statements of a stage whose body has dtype `from`; names get the number of the stage. */
export function combinerOf(
  shader: Shader,
  { combine, dtype }: ReduceStage,
  from: DType,
  stage: number,
  { subgroups }: Target = plainTarget,
): Combiner {
  const value = `value${stage}`;
  if (combine === "argmax") return argmaxOf(shader, from, value, `at${stage}`, subgroups);
  const neutral = combine === "sum" ? literal(shader, dtype, 0) : lowest(shader, dtype);
  const join = (a: string, b: string): string => arithmetic(shader, combine === "sum" ? "add" : "max", dtype, a, b);
  const memory = sharedMemory(shader, typeOf[dtype]);
  return {
    declare: [`var ${value} = ${neutral};`],
    take: (body) => `${value} = ${join(value, body)};`,
    together: (lanes, stride, first, member) => stride === 1 && subgroups > 0 && dtype !== "bool" ? inSubgroups(shader, subgroups, lanes, first, {
      held: [[value, memory]],
      join: ([other]) => `${value} = ${join(value, other!)};`,
    }) : [
      `${memory}[lane] = ${value};`,
      ...tree(lanes, stride, member, (other) => [`${memory}[lane] = ${join(`${memory}[lane]`, `${memory}[${other}]`)};`]),
      `${value} = ${memory}[${first}];`,
      "workgroupBarrier();",
    ],
    result: value,
  };
}

function argmaxOf(shader: Shader, from: DType, value: string, at: string, subgroups: number): Combiner {
  const beats = (a: string, b: string): string => {
    if (from !== "float32") return from === "bool" ? `(${a} && !${b})` : `(${a} > ${b})`;
    return `(!${shader.call("is_nan", b)} && (${shader.call("is_nan", a)} || ${a} > ${b}))`;
  };
  /** Whether what another has found goes before: it is larger, or as large and earlier. */
  const isBetter = (mine: string, here: string, theirs: string, there: string): string =>
    `${there} >= 0 && (${here} < 0 || ${beats(theirs, mine)} || (!${beats(mine, theirs)} && ${there} < ${here}))`;
  const values = sharedMemory(shader, typeOf[from]);
  const positions = sharedMemory(shader, "i32", "positions");
  return {
    declare: [`var ${value} = ${literal(shader, from, 0)};`, `var ${at} = -1;`],
    take: (body, position) => `if (${at} < 0 || ${beats(body, value)}) { ${value} = ${body}; ${at} = ${position}; }`,
    together: (lanes, stride, first, member) => stride === 1 && subgroups > 0 && from !== "bool" ? inSubgroups(shader, subgroups, lanes, first, {
      held: [[value, values], [at, positions]],
      join: ([theirs, there]) => `if (${isBetter(value, at, theirs!, there!)}) { ${value} = ${theirs!}; ${at} = ${there!}; }`,
    }) : [
      `${values}[lane] = ${value};`,
      `${positions}[lane] = ${at};`,
      ...tree(lanes, stride, member, (other) => {
        const [mine, theirs] = [`${values}[lane]`, `${values}[${other}]`];
        const [here, there] = [`${positions}[lane]`, `${positions}[${other}]`];
        return [
          `if (${isBetter(mine, here, theirs, there)}) {`,
          `  ${values}[lane] = ${theirs};`,
          `  ${positions}[lane] = ${there};`,
          "}",
        ];
      }),
      `${at} = ${positions}[${first}];`,
      "workgroupBarrier();",
    ],
    // Of nothing, the position is 0.
    result: `max(${at}, 0)`,
  };
}

/** One element per invocation of a workgroup, shared by all reductions of a type. */
function sharedMemory(shader: Shader, type: string, name = `shared_${type}`): string {
  shader.declare(`var<workgroup> ${name}: array<${type}, ${LANES}>;`);
  return name;
}

/** Variables to bring together, each with workgroup memory for it, and a statement that takes in what another has. */
interface Held {
  readonly held: readonly (readonly [variable: string, memory: string])[];
  join(others: readonly string[]): string;
}

/**
 * Lines that bring together `lanes` neighbors: pairs within their subgroup, then the subgroups of a row one after the
 * other. Nothing is known of the size of subgroups but that it is a power of two, and that the invocations of one are
 * neighbors, which holds for workgroups of one dimension on every driver, though WGSL does not promise it.
 */
function inSubgroups(shader: Shader, smallest: number, lanes: number, first: string, { held, join }: Held): string[] {
  shader.useSubgroups();
  const others = held.map(([variable]) => `other_${variable}`);
  const pairs = [
    `for (var apart = 1u; apart < min(${lanes}u, subgroup_size); apart *= 2u) {`,
    ...indented([...held.map(([variable], i) => `let ${others[i]!} = subgroupShuffleXor(${variable}, apart);`), join(others)]),
    "}",
  ];
  if (lanes <= smallest) return pairs;
  return [
    ...pairs,
    "if (lane % subgroup_size == 0u) {",
    ...held.map(([variable, memory]) => `  ${memory}[lane / subgroup_size] = ${variable};`),
    "}",
    "workgroupBarrier();",
    `if (subgroup_size < ${lanes}u) {`,
    ...indented([
      ...held.map(([variable, memory]) => `${variable} = ${memory}[(${first}) / subgroup_size];`),
      `for (var next = (${first}) / subgroup_size + 1u; next < (${first} + ${lanes}u) / subgroup_size; next++) {`,
      `  ${join(held.map(([, memory]) => `${memory}[next]`))}`,
      "}",
    ]),
    "}",
    "workgroupBarrier();",
  ];
}

/** Halves the number of lanes until one is left. `member` is the position of a lane in its row. */
const tree = (lanes: number, stride: number, member: string, join: (other: string) => readonly string[]): string[] => [
  "workgroupBarrier();",
  // A loop and not its eight steps: SwiftShader takes twice as long to compile those, and a GPU unrolls them itself.
  `for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {`,
  ...indented([`if (${member} < half) {`, ...indented(join(stride === 1 ? "lane + half" : `lane + half * ${stride}u`)), "}", "workgroupBarrier();"]),
  "}",
];

/** The neutral element of `max`. */
const lowest = (shader: Shader, dtype: DType): string =>
  literal(shader, dtype, dtype === "float32" ? -Infinity : dtype === "int32" ? -(2 ** 31) : 0);
