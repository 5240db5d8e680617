/**
 * Eigenvalues and singular values by Jacobi's rotations (Golub and Van Loan, 8.5 and 8.6.3). A sweep is a tournament:
 * in every round each row meets one other, so that n/2 rotations are made at once (8.5.6).
 *
 * A sweep is a dispatch of its own, which does nothing once a sweep has turned nothing: no dispatch runs for so long
 * that a system takes the GPU away, and nothing is read back to decide what comes next.
 */
import type { FactorRoutine } from "@dormouse/tensor/graph";
import { factorLength } from "@dormouse/tensor/graph";
import { type GeneratedKernel, type Layout, indented } from "./shader.ts";
import { MatrixShader, floatBytes, lanesFor, shared } from "./team.ts";

/** The distance from 1 to the next float32. */
const EPSILON = 2 ** -23;
/** 5 to 9 sweeps are enough; the bound is there to end rounding that goes in circles. */
const MOST_SWEEPS = 24;
/** The square of a scaled length that counts as 0: below, squares lose digits to underflow. */
const NOTHING = "1e-30f";

/** Where the state of a matrix lies, behind `start` elements of work: the exponent of its scale, and whether to go on. */
const stateAt = (start: number): { readonly exponent: number; readonly isActive: number } => ({
  exponent: start,
  isActive: start + 1,
});

/** The pairs of a round; where the number of rows is odd, one of them meets row n, which is none. */
function declarePairs(shader: MatrixShader, n: number): { readonly rounds: number; readonly pairs: number } {
  const last = n + (n % 2) - 1;
  shader.declare([
    "fn pair_of(round: u32, k: u32) -> vec2u {",
    `  let x = select((round + k) % ${last}u, ${last}u, k == 0u);`,
    `  let y = (round + ${last}u - k) % ${last}u;`,
    "  return vec2u(min(x, y), max(x, y));",
    "}",
  ].join("\n"));
  return { rounds: last, pairs: (last + 1) / 2 };
}

/**
 * `rotation_of(a, coupling, b)`: sine, tan(angle/2) and tangent of the rotation that makes the coupling of
 * [[a, coupling], [coupling, b]] vanish. In `rotated`, errors of both are multiplied by the sine, so that many small
 * rotations keep lengths better than a cosine does, which WGSL may round by several units.
 */
function declareRotation(shader: MatrixShader): void {
  shader.declare(`fn rotation_of(a: f32, coupling: f32, b: f32) -> vec3f {
  let theta = (b - a) / (2.0f * coupling);
  let size = abs(theta);
  let root = select(sqrt(fma(size, size, 1.0f)), size, size > 1e8f);
  let tangent = select(1.0f, -1.0f, theta < 0.0f) / (size + root);
  let cosine = 1.0f / sqrt(fma(tangent, tangent, 1.0f));
  let sine = tangent * cosine;
  return vec3f(sine, sine / (1.0f + cosine), tangent);
}
fn rotated(pair: vec2f, sine: f32, half: f32) -> vec2f {
  return vec2f(fma(-sine, fma(half, pair.x, pair.y), pair.x), fma(sine, fma(-half, pair.y, pair.x), pair.y));
}`);
}

interface Jacobi {
  readonly kernel: FactorRoutine;
  readonly layout: Layout;
  readonly lanes: number;
  /** Elements of memory to work in, without the state. */
  readonly work: number;
  readonly begin: (shader: MatrixShader) => string[];
  readonly round: (shader: MatrixShader, pairs: number) => string[];
  readonly end: (shader: MatrixShader, scale: string) => string[];
}

/** The dispatches of a method: `begin` fills the memory, `round` sets `turned`, `end` writes the results. */
function dispatchesOf({ kernel, layout, lanes, work, begin, round, end }: Jacobi): GeneratedKernel {
  const { batch, rows: m, columns: n, name } = kernel;
  const { exponent, isActive } = stateAt(work);
  const length = factorLength(name, m, n);
  const make = (): MatrixShader => new MatrixShader(kernel, layout, lanes, work + 2, [m * n, length]);

  const first = make();
  const start = [
    `let exponent = ${first.agree(first.exponent(m * n))};`,
    `if (lane == 0u) { set_work(${exponent}u, f32(exponent)); set_work(${isActive}u, select(1.0f, 0.0f, exponent == 255u)); }`,
    "if (exponent == 255u) { return; }",
    "let scale = inverse_scale_of(exponent);",
    ...begin(first),
  ];

  const middle = make();
  const { rounds, pairs } = declarePairs(middle, n);
  declareRotation(middle);
  middle.declare("var<workgroup> turned: atomic<u32>;");
  const sweep = [
    `if (${middle.agree(`u32(work(${isActive}u))`)} == 0u) { return; }`,
    `for (var round = 0u; round < ${rounds}u; round++) {`,
    ...indented([...round(middle, pairs), "storageBarrier();"]),
    "}",
    "workgroupBarrier();",
    `if (lane == 0u) { set_work(${isActive}u, f32(atomicLoad(&turned))); }`,
  ];

  const last = make();
  const stop = [
    `let exponent = ${last.agree(`u32(work(${exponent}u))`)};`,
    "if (exponent == 255u) {",
    ...indented([...shared(lanes, "e", "0u", `${length}u`, [`set_result(e, ${last.call("not_a_number")});`]), "return;"]),
    "}",
    ...end(last, "bitcast<f32>(exponent << 23u)"),
  ];
  const sweepDispatch = middle.finish(batch, sweep);
  return {
    dispatches: [
      first.finish(batch, start),
      ...(n > 1 ? Array.from({ length: MOST_SWEEPS }, () => sweepDispatch) : []),
      last.finish(batch, stop),
    ],
    clears: [],
    scratchBytes: floatBytes(batch * (work + 2)),
  };
}

/** Rotates rows and columns of a symmetric matrix until it is diagonal. */
export function generateEigen(kernel: FactorRoutine, layout: Layout): GeneratedKernel {
  const n = kernel.rows;
  const lanes = lanesFor(Math.ceil(n / 2) ** 2);
  const half = Math.ceil(n / 2);
  // The matrix, the vectors one after the other, and the rotations of a round.
  const [vectors, rotations] = [n * n, 2 * n * n];
  const rotation = (k: string): string => `${rotations}u + 3u * ${k}`;
  const declarePut = (shader: MatrixShader): string => {
    shader.declare(`/** Writes an element and its mirror image. */
fn put(i: u32, j: u32, value: f32) {
  set_work(i * ${n}u + j, value);
  set_work(j * ${n}u + i, value);
}`);
    return "put";
  };
  return dispatchesOf({
    kernel, layout, lanes,
    work: rotations + 3 * half,
    begin: () => [
      ...shared(lanes, "e", "0u", `${n * n}u`, [
        "set_work(e, given(e) * scale);",
        `set_work(${vectors}u + e, select(0.0f, 1.0f, e / ${n}u == e % ${n}u));`,
      ]),
      "storageBarrier();",
      // Not in one step: a compiler may take the scale out of a sum, which then overflows.
      ...shared(lanes, "e", "0u", `${n * n}u`, [
        `let i = e / ${n}u;`,
        `let j = e % ${n}u;`,
        "if (j >= i) { continue; }",
        `let mean = 0.5f * (work(e) + work(j * ${n}u + i));`,
        "set_work(e, mean);",
        `set_work(j * ${n}u + i, mean);`,
      ]),
    ],
    round: (shader, pairs, put = declarePut(shader)) => [
      ...shared(lanes, "k", "0u", `${pairs}u`, [
        "let pair = pair_of(round, k);",
        "var rotation = vec3f(0.0f);",
        `if (pair.y < ${n}u) {`,
        `  let a = work(pair.x * ${n + 1}u);`,
        `  let b = work(pair.y * ${n + 1}u);`,
        `  let coupling = work(pair.x * ${n}u + pair.y);`,
        `  if (coupling * coupling > ${EPSILON ** 2}f * max(abs(a * b), ${EPSILON ** 2}f)) {`,
        "    rotation = rotation_of(a, coupling, b);",
        "    atomicStore(&turned, 1u);",
        "  }",
        "}",
        `set_work(${rotation("k")}, rotation.x);`,
        `set_work(${rotation("k")} + 1u, rotation.y);`,
        `set_work(${rotation("k")} + 2u, rotation.z);`,
      ]),
      "storageBarrier();",
      // Where two pairs cross lie four elements, and their mirror images.
      ...shared(lanes, "e", "0u", `${pairs * pairs}u`, [
        `let k = e / ${pairs}u;`,
        `let l = e % ${pairs}u;`,
        "if (l < k) { continue; }",
        "let p = pair_of(round, k);",
        `let sine = work(${rotation("k")});`,
        "if (l == k) {",
        "  if (sine == 0.0f) { continue; }",
        `  let shift = work(${rotation("k")} + 2u) * work(p.x * ${n}u + p.y);`,
        `  set_work(p.x * ${n + 1}u, work(p.x * ${n + 1}u) - shift);`,
        `  set_work(p.y * ${n + 1}u, work(p.y * ${n + 1}u) + shift);`,
        `  set_work(p.x * ${n}u + p.y, 0.0f);`,
        `  set_work(p.y * ${n}u + p.x, 0.0f);`,
        "  continue;",
        "}",
        "let q = pair_of(round, l);",
        `let other = work(${rotation("l")});`,
        "if (sine == 0.0f && other == 0.0f) { continue; }",
        `let hasRow = p.y < ${n}u;`,
        `let hasColumn = q.y < ${n}u;`,
        // A row or column that is not there counts as zeros.
        "var lower = vec2f(0.0f);",
        `var left = vec2f(work(p.x * ${n}u + q.x), 0.0f);`,
        "var right = vec2f(0.0f);",
        `if (hasRow) { left.y = work(p.y * ${n}u + q.x); }`,
        `if (hasColumn) { right.x = work(p.x * ${n}u + q.y); }`,
        `if (hasRow && hasColumn) { right.y = work(p.y * ${n}u + q.y); }`,
        `left = rotated(left, sine, work(${rotation("k")} + 1u));`,
        `right = rotated(right, sine, work(${rotation("k")} + 1u));`,
        `let upper = rotated(vec2f(left.x, right.x), other, work(${rotation("l")} + 1u));`,
        `lower = rotated(vec2f(left.y, right.y), other, work(${rotation("l")} + 1u));`,
        `${put}(p.x, q.x, upper.x);`,
        `if (hasColumn) { ${put}(p.x, q.y, upper.y); }`,
        `if (hasRow) { ${put}(p.y, q.x, lower.x); }`,
        `if (hasRow && hasColumn) { ${put}(p.y, q.y, lower.y); }`,
      ]),
      ...shared(lanes, "e", "0u", `${pairs * n}u`, [
        `let k = e / ${n}u;`,
        `let i = e % ${n}u;`,
        `let sine = work(${rotation("k")});`,
        "if (sine == 0.0f) { continue; }",
        "let p = pair_of(round, k);",
        `let first = ${vectors}u + p.x * ${n}u + i;`,
        `let second = ${vectors}u + p.y * ${n}u + i;`,
        `let turn = rotated(vec2f(work(first), work(second)), sine, work(${rotation("k")} + 1u));`,
        "set_work(first, turn.x);",
        "set_work(second, turn.y);",
      ]),
    ],
    // The place of an eigenvalue is the number of those that come before it.
    end: (_, scale) =>
      shared(lanes, "j", "0u", `${n}u`, [
        `let mine = work(j * ${n + 1}u);`,
        "var place = 0u;",
        `for (var i = 0u; i < ${n}u; i++) {`,
        `  let other = work(i * ${n + 1}u);`,
        "  if (other < mine || (other == mine && i < j)) { place++; }",
        "}",
        `set_result(place, mine * ${scale});`,
        `for (var i = 0u; i < ${n}u; i++) { set_result(${n}u + i * ${n}u + place, work(${vectors}u + j * ${n}u + i)); }`,
      ]),
  });
}

/** One-sided rotations: makes the images of the right vectors, which begin as the columns, orthogonal. */
export function generateSingular(kernel: FactorRoutine, layout: Layout): GeneratedKernel {
  const { rows: m, columns: n } = kernel;
  const lanes = lanesFor(m * Math.ceil(n / 2));
  const team = Math.max(1, lanes / 2 ** Math.ceil(Math.log2(Math.max(1, n / 2))));
  const teams = lanes / team;
  // The images and the vectors, one after the other; lengths, their order, and shares of vectors in another.
  const [vectors, values, order] = [m * n, m * n + n * n, m * n + n * n + n];
  const members = (below: number, lines: readonly string[]): string[] => [
    `for (var i = lane % ${team}u; i < ${below}u; i += ${team}u) {`,
    ...indented(lines),
    "}",
  ];
  const countPositive = (shader: MatrixShader): string => {
    shader.declare("var<workgroup> positive: atomic<u32>;");
    return "atomicAdd(&positive, 1u);";
  };
  const turn = (start: number, length: number): string[] =>
    members(length, [
      `let first = ${start}u + p.x * ${length}u + i;`,
      `let second = ${start}u + p.y * ${length}u + i;`,
      "let pair = rotated(vec2f(work(first), work(second)), rotation.x, rotation.y);",
      "set_work(first, pair.x);",
      "set_work(second, pair.y);",
    ]);
  return dispatchesOf({
    kernel, layout, lanes,
    work: order + n,
    begin: () => [
      ...shared(lanes, "e", "0u", `${m * n}u`, [`set_work(e, given(e % ${m}u * ${n}u + e / ${m}u) * scale);`]),
      ...shared(lanes, "e", "0u", `${n * n}u`, [`set_work(${vectors}u + e, select(0.0f, 1.0f, e / ${n}u == e % ${n}u));`]),
    ],
    round: (shader, pairs) => [
      `for (var start = 0u; start < ${pairs}u; start += ${teams}u) {`,
      ...indented([
        `let k = start + lane / ${team}u;`,
        `let p = pair_of(round, min(k, ${pairs - 1}u));`,
        `let isPair = k < ${pairs}u && p.y < ${n}u;`,
        "var parts = vec3f(0.0f);",
        "if (isPair) {",
        ...indented(
          members(m, [
            `let first = work(p.x * ${m}u + i);`,
            `let second = work(p.y * ${m}u + i);`,
            "parts = fma(vec3f(first, second, first), vec3f(first, second, second), parts);",
          ]),
        ),
        "}",
        `let sums = ${shader.sum("parts", team, "vec3f")};`,
        `let limit = ${EPSILON * Math.sqrt(m)}f * sqrt(sums.x) * sqrt(sums.y);`,
        `if (isPair && min(sums.x, sums.y) >= ${NOTHING} && abs(sums.z) > limit) {`,
        ...indented(["let rotation = rotation_of(sums.x, sums.z, sums.y);", "atomicStore(&turned, 1u);", ...turn(0, m), ...turn(vectors, n)]),
        "}",
      ]),
      "}",
    ],
    end: (shader, scale) => [
      ...shared(lanes, "j", "0u", `${n}u`, [
        "var square = 0.0f;",
        `for (var i = 0u; i < ${m}u; i++) { square = fma(work(j * ${m}u + i), work(j * ${m}u + i), square); }`,
        `set_work(${values}u + j, select(sqrt(square), 0.0f, square < ${NOTHING}));`,
      ]),
      "storageBarrier();",
      ...shared(lanes, "j", "0u", `${n}u`, [
        `let mine = work(${values}u + j);`,
        "var place = 0u;",
        `for (var i = 0u; i < ${n}u; i++) {`,
        `  let other = work(${values}u + i);`,
        "  if (other > mine || (other == mine && i < j)) { place++; }",
        "}",
        `set_work(${order}u + place, f32(j));`,
        `set_result(${m * n}u + place, mine * ${scale});`,
        `if (mine > 0.0f) { ${countPositive(shader)} }`,
      ]),
      "storageBarrier();",
      "workgroupBarrier();",
      ...shared(lanes, "e", "0u", `${m * n}u`, [
        `let j = u32(work(${order}u + e % ${n}u));`,
        `let value = work(${values}u + j);`,
        `if (value > 0.0f) { set_result(e, work(j * ${m}u + e / ${n}u) / value); }`,
      ]),
      ...shared(lanes, "e", "0u", `${n * n}u`, [
        `let j = u32(work(${order}u + e % ${n}u));`,
        `set_result(${m * n + n}u + e, work(${vectors}u + j * ${n}u + e / ${n}u));`,
      ]),
      `for (var j = ${shader.agree("atomicLoad(&positive)")}; j < ${n}u; j++) {`,
      ...indented(complement(shader, m, n, order)),
      "}",
    ],
  });
}

/** Left vector `j` at right angles to the vectors before it, from the coordinate axis that they cover least. */
function complement(shader: MatrixShader, m: number, n: number, shares: number): string[] {
  const { lanes } = shader;
  shader.declare(`var<workgroup> least: array<f32, ${lanes}>;`);
  shader.declare(`var<workgroup> least_at: array<u32, ${lanes}>;`);
  const sum = shader.sum("square");
  return [
    "storageBarrier();",
    "var covered = 4.0f;",
    "var axis = 0u;",
    ...shared(lanes, "i", "0u", `${m}u`, [
      "var sum = 0.0f;",
      `for (var o = 0u; o < j; o++) { sum = fma(result(i * ${n}u + o), result(i * ${n}u + o), sum); }`,
      "if (sum < covered) { covered = sum; axis = i; }",
    ]),
    "least[lane] = covered;",
    "least_at[lane] = axis;",
    "workgroupBarrier();",
    `for (var other = 0u; other < ${lanes}u; other++) {`,
    "  if (least[other] < covered || (least[other] == covered && least_at[other] < axis)) { covered = least[other]; axis = least_at[other]; }",
    "}",
    ...shared(lanes, "i", "0u", `${m}u`, [`set_result(i * ${n}u + j, select(0.0f, 1.0f, i == axis));`]),
    "storageBarrier();",
    // Twice is enough (Kahan and Parlett).
    "for (var again = 0u; again < 2u; again++) {",
    ...indented([
      ...shared(lanes, "o", "0u", "j", [
        "var share = 0.0f;",
        `for (var i = 0u; i < ${m}u; i++) { share = fma(result(i * ${n}u + o), result(i * ${n}u + j), share); }`,
        `set_work(${shares}u + o, share);`,
      ]),
      "storageBarrier();",
      ...shared(lanes, "i", "0u", `${m}u`, [
        `var value = result(i * ${n}u + j);`,
        `for (var o = 0u; o < j; o++) { value = fma(-work(${shares}u + o), result(i * ${n}u + o), value); }`,
        `set_result(i * ${n}u + j, value);`,
      ]),
      "storageBarrier();",
    ]),
    "}",
    "var square = 0.0f;",
    ...shared(lanes, "i", "0u", `${m}u`, [`square = fma(result(i * ${n}u + j), result(i * ${n}u + j), square);`]),
    `let length = sqrt(${sum});`,
    ...shared(lanes, "i", "0u", `${m}u`, [`set_result(i * ${n}u + j, result(i * ${n}u + j) / length);`]),
  ];
}
