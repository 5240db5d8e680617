/**
 * Shaders in which a workgroup works on one matrix: where the matrix lies, memory to work in, and sums that several
 * invocations share. Owns these; the algorithms are in `matrices.ts` and `jacobi.ts`.
 *
 * A barrier stands only where the numbers of the kernel, or what `workgroupUniformLoad` gave, decide: WGSL refuses it
 * anywhere else, since invocations that went different ways would wait for each other.
 */
import type { FactorRoutine, KernelArgument, TriangularSolveRoutine } from "@dormouse/tensor/graph";
import { bytesOf } from "@dormouse/tensor/graph";
import { type Dispatch, type Layout, LANES, MOST_GROUPS, Shader, indented } from "./shader.ts";

export type MatrixRoutine = FactorRoutine | TriangularSolveRoutine;

/** The invocations of a workgroup for so many pieces of work that can be done at once. */
export const lanesFor = (work: number): number => Math.min(LANES, Math.max(8, 2 ** Math.ceil(Math.log2(work))));

/** A loop over the positions from `from` to below `below`, shared out to the lanes. */
export const shared = (lanes: number, name: string, from: string, below: string, lines: readonly string[]): string[] => [
  `for (var ${name} = ${from} + lane; ${name} < ${below}; ${name} += ${lanes}u) {`,
  ...indented(lines),
  "}",
];

/** One shader of a routine, being written. */
export class MatrixShader {
  readonly lanes: number;
  /** The memory to work in, as an argument behind those of the kernel. */
  readonly #scratch: number;
  readonly #shader: Shader;

  /** For each matrix: `work` elements of memory to work in, `lengths` of each argument. */
  constructor({ args }: MatrixRoutine, layout: Layout, lanes: number, work: number, lengths: readonly number[]) {
    this.lanes = lanes;
    this.#scratch = args.length;
    const extra: KernelArgument = { dtype: "float32", length: Math.max(1, work), access: "readwrite" };
    this.#shader =
      work === 0
        ? new Shader(args, layout)
        : new Shader([...args, extra], {
            bindingOf: [...layout.bindingOf, layout.writable.length],
            baseOf: [...layout.baseOf, 0],
            writable: [...layout.writable, true],
          });
    this.declare("/** Which matrix of the batch it is. */\nvar<private> matrix: u32;");
    lengths.forEach((length, arg) => {
      const isLast = arg === args.length - 1;
      this.#access(isLast ? "result" : arg === 0 ? "given" : "right", arg, length, isLast);
    });
    if (work > 0) this.#access("work", args.length, work, true);
  }

  #access(name: string, arg: number, length: number, writes: boolean): void {
    const at = `matrix * ${length}u + at`;
    this.declare(`fn ${name}(at: u32) -> f32 { return ${this.#shader.load(arg, at)!}; }`);
    if (writes) this.declare(`fn set_${name}(at: u32, value: f32) { ${this.#shader.store(arg, at, "value")!} }`);
  }

  declare(text: string): void {
    this.#shader.declare(text);
  }

  call(name: string, ...operands: readonly string[]): string {
    return this.#shader.call(name, ...operands);
  }

  /** The sum of what the `size` lanes of a team have in `value`; every lane of the workgroup must call it. */
  sum(value: string, size = this.lanes, type: "f32" | "vec3f" = "f32"): string {
    if (size === 1) return value;
    const memory = `team_${type}`;
    const name = `sum_${type}_${size}`;
    this.declare(`var<workgroup> ${memory}: array<${type}, ${this.lanes}>;`);
    this.declare(
      [
        `fn ${name}(lane: u32, value: ${type}) -> ${type} {`,
        `  ${memory}[lane] = value;`,
        "  workgroupBarrier();",
        `  for (var half = ${size / 2}u; half > 0u; half /= 2u) {`,
        `    if (lane % ${size}u < half) { ${memory}[lane] += ${memory}[lane + half]; }`,
        "    workgroupBarrier();",
        "  }",
        `  let sum = ${memory}[lane - lane % ${size}u];`,
        "  workgroupBarrier();",
        "  return sum;",
        "}",
      ].join("\n"),
    );
    return `${name}(lane, ${value})`;
  }

  /** The `value` of the first lane, for all of them: conditions on it may hold barriers. */
  agree(value: string): string {
    this.declare("var<workgroup> agreed: u32;");
    this.declare(`fn agree(lane: u32, value: u32) -> u32 {
  if (lane == 0u) { agreed = value; }
  return workgroupUniformLoad(&agreed);
}`);
    return `agree(lane, ${value})`;
  }

  /**
   * Declares `exponent_of_largest`: the power of two, as an exponent with its bias, that brings the largest of `count`
   * elements of `given` between 1 and 4, or 255 where an element is not finite. Dividing by it is exact and keeps
   * squares in range; 254 is left out because 1/2^127 is not a normal number.
   */
  exponent(count: number): string {
    this.declare("var<workgroup> largest: atomic<u32>;");
    this.declare(
      [
        "fn exponent_of_largest(lane: u32) -> u32 {",
        "  var mine = 0u;",
        ...indented(shared(this.lanes, "e", "0u", `${count}u`, ["mine = max(mine, bitcast<u32>(given(e)) & 0x7fffffffu);"])),
        "  atomicMax(&largest, mine);",
        "  workgroupBarrier();",
        "  let exponent = atomicLoad(&largest) >> 23u;",
        "  workgroupBarrier();",
        "  if (exponent == 255u) { return 255u; }",
        "  return select(min(exponent, 253u), 127u, exponent == 0u);",
        "}",
        "fn scale_of(exponent: u32) -> f32 { return bitcast<f32>(exponent << 23u); }",
        "fn inverse_scale_of(exponent: u32) -> f32 { return bitcast<f32>((254u - exponent) << 23u); }",
      ].join("\n"),
    );
    return "exponent_of_largest(lane)";
  }

  /** A workgroup for each of `groups`; `matrix` is the group divided by `pieces`. */
  finish(groups: number, body: readonly string[], pieces = 1): Dispatch {
    const start = [
      // A folded grid has more groups than there are matrices.
      ...(groups > MOST_GROUPS ? [`if (group >= ${groups}u) { return; }`] : []),
      `matrix = ${pieces === 1 ? "group" : `group / ${pieces}u`};`,
    ];
    const dispatch = this.#shader.finish(groups, [...start, ...body], this.lanes);
    return {
      ...dispatch,
      bindings: dispatch.bindings.map((bound) => (bound.memory === this.#scratch ? { ...bound, memory: "scratch" } : bound)),
    };
  }
}

/** Bytes of float32 elements. */
export const floatBytes = (length: number): number => length * bytesOf("float32");
