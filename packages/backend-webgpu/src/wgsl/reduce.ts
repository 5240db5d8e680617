/**
 * How values are combined: within one invocation, then among the invocations that share a row through workgroup
 * memory. Owns the neutral element and the order of ties; the loops around it are in `loop.ts`.
 */
import type { DType } from "@dormouse/tensor";
import type { ReduceStage } from "@dormouse/tensor/graph";
import { arithmetic, literal } from "./scalar.ts";
import { LANES, type Shader, indented, typeOf } from "./shader.ts";

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
export function combinerOf(shader: Shader, { combine, dtype }: ReduceStage, from: DType, stage: number): Combiner {
  const value = `value${stage}`;
  if (combine === "argmax") return argmaxOf(shader, from, value, `at${stage}`);
  const neutral = combine === "sum" ? literal(shader, dtype, 0) : lowest(shader, dtype);
  const join = (a: string, b: string): string => arithmetic(shader, combine === "sum" ? "add" : "max", dtype, a, b);
  const memory = sharedMemory(shader, typeOf[dtype]);
  return {
    declare: [`var ${value} = ${neutral};`],
    take: (body) => `${value} = ${join(value, body)};`,
    together: (lanes, stride, first, member) => [
      `${memory}[lane] = ${value};`,
      ...tree(lanes, stride, member, (other) => [`${memory}[lane] = ${join(`${memory}[lane]`, `${memory}[${other}]`)};`]),
      `${value} = ${memory}[${first}];`,
      "workgroupBarrier();",
    ],
    result: value,
  };
}

function argmaxOf(shader: Shader, from: DType, value: string, at: string): Combiner {
  const beats = (a: string, b: string): string => {
    if (from !== "float32") return from === "bool" ? `(${a} && !${b})` : `(${a} > ${b})`;
    return `(!${shader.call("is_nan", b)} && (${shader.call("is_nan", a)} || ${a} > ${b}))`;
  };
  const values = sharedMemory(shader, typeOf[from]);
  const positions = sharedMemory(shader, "i32", "positions");
  return {
    declare: [`var ${value} = ${literal(shader, from, 0)};`, `var ${at} = -1;`],
    take: (body, position) => `if (${at} < 0 || ${beats(body, value)}) { ${value} = ${body}; ${at} = ${position}; }`,
    together: (lanes, stride, first, member) => [
      `${values}[lane] = ${value};`,
      `${positions}[lane] = ${at};`,
      ...tree(lanes, stride, member, (other) => {
        const [mine, theirs] = [`${values}[lane]`, `${values}[${other}]`];
        const [here, there] = [`${positions}[lane]`, `${positions}[${other}]`];
        const earlier = `!${beats(mine, theirs)} && ${there} < ${here}`;
        return [
          `if (${there} >= 0 && (${here} < 0 || ${beats(theirs, mine)} || (${earlier}))) {`,
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
