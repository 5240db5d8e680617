/**
 * Dense linear algebra in float32: which shader makes which factorization, and triangular solves. A workgroup takes a
 * matrix of the batch and its lanes share rows, columns or elements. Algorithms are those of Golub and Van Loan, "Matrix
 * Computations" (4th ed.), with sections named where they are used; those of Jacobi are in `jacobi.ts`.
 *
 * A factorization has phases, and most of them are a number of like steps. Small matrices are one dispatch. Systems take
 * a GPU away from a program that keeps it for seconds, so the steps of large ones are spread over several dispatches,
 * which count them in scratch memory.
 */
import type { FactorRoutine, TriangularSolveRoutine } from "@dormouse/tensor/graph";
import { factorLength } from "@dormouse/tensor/graph";
import { eighPhases, eighScratch, svdPhases, svdScratch } from "./jacobi.ts";
import { type MatrixBody, clearing, once, partOfPhase, wholePhase } from "./phases.ts";
import { type Dispatch, type GeneratedKernel, type Layout, LANES, MATRIX_LANES, Shader } from "./shader.ts";

/** Updates of elements in one dispatch, for one matrix: less than a second of a slow GPU, or of software. */
const MOST_WORK = 2 ** 26;
/** Matrices that a slow GPU works on at the same time. */
const TOGETHER = 16;

/** Makes the shaders of a factorization or of a triangular solve; a dispatch does at most so much of a factorization. */
export function generateMatrixRoutine(
  kernel: FactorRoutine | TriangularSolveRoutine,
  layout: Layout,
  mostWork = MOST_WORK,
): GeneratedKernel {
  if (kernel.args.at(-1)!.length === 0) return { dispatches: [], clears: [], scratchBytes: 0 };
  if (kernel.name === "triangularSolve") return triangularSolve(kernel, layout);
  const { name, batch, rows, columns } = kernel;
  const share = Math.max(1, batch / TOGETHER);
  const shaderOf = (bodyOf: (made: MatrixBody) => string, extra: number): { readonly dispatch: Dispatch; readonly made: MatrixBody } => {
    const shader = new Shader(kernel.args, layout);
    const length = factorLength(name, rows, columns);
    shader.declare(`const m = ${rows};\nconst n = ${columns};`);
    shader.declare(`fn given(at: i32) -> f32 { return ${shader.load(0, "at")!}; }`);
    shader.declare(`fn made(at: i32) -> f32 { return ${shader.load(1, "at")!}; }`);
    shader.declare(`fn make(at: i32, value: f32) { ${shader.store(1, "at", "value")!} }`);
    const made = factorizations[name](shader, rows, columns);
    const scratch = made.scratch + extra;
    if (scratch > 0) shader.useScratch();
    if (extra > 0) shader.declare("var<workgroup> counted: i32;");
    const body = [
      "let me = i32(lane);",
      `let a = i32(group) * ${rows * columns};`,
      `let out = i32(group) * ${length};`,
      ...(scratch > 0 ? [`let own = i32(group) * ${scratch};`] : []),
      ...bodyOf(made).split("\n"),
    ];
    return { dispatch: shader.finish(batch, body, MATRIX_LANES), made };
  };
  const whole = shaderOf(({ phases }) => phases.map(wholePhase).join("\nstorageBarrier();\n"), 0);
  const { phases, scratch } = whole.made;
  if (share * phases.reduce((sum, { steps, work }) => sum + steps * work, 0) <= mostWork) {
    return { dispatches: [whole.dispatch], clears: [], scratchBytes: 4 * scratch * batch };
  }
  // For each phase, the step that is next and what it carries.
  const extra = 2 * phases.length;
  const dispatches = phases.flatMap(({ steps, work }, i) => {
    const atOnce = Math.min(steps, Math.max(1, Math.floor(mostWork / (share * work))));
    const { dispatch } = shaderOf((made) => `${i === 0 ? clearing(made.scratch, extra) : ""}${partOfPhase(made.phases[i]!, made.scratch + 2 * i, atOnce)}`, extra);
    return Array.from({ length: Math.ceil(steps / atOnce) }, () => dispatch);
  });
  return { dispatches, clears: [], scratchBytes: 4 * (scratch + extra) * batch };
}

const factorizations: Readonly<Record<FactorRoutine["name"], (shader: Shader, m: number, n: number) => MatrixBody>> = {
  /** Outer products (4.2.6). */
  cholesky: (shader, _, n) => ({
    scratch: 0,
    phases: [
      once(n * n, `for (var e = me; e < n * n; e += ${MATRIX_LANES}) {
  let i = e / n;
  let j = e % n;
  make(out + e, select(0.0f, 0.5f * given(a + e) + 0.5f * given(a + j * n + i), j <= i));
}`),
      {
        steps: n,
        work: n * n,
        text: `let k = step;
if (me == 0) {
  let rest = made(out + k * n + k);
  make(out + k * n + k, select(${shader.call("not_a_number")}, sqrt(max(rest, 0.0f)), ${shader.call("less_f32", "0.0f", "rest")}));
}
storageBarrier();
let pivot = made(out + k * n + k);
for (var i = k + 1 + me; i < n; i += ${MATRIX_LANES}) { make(out + i * n + k, made(out + i * n + k) / pivot); }
storageBarrier();
let left = n - k - 1;
for (var e = me; e < left * left; e += ${MATRIX_LANES}) {
  let i = k + 1 + e / max(left, 1);
  let j = k + 1 + e % max(left, 1);
  if (j <= i) { make(out + i * n + j, made(out + i * n + j) - made(out + i * n + k) * made(out + j * n + k)); }
}
storageBarrier();`,
      },
    ],
  }),

  /** Gaussian elimination with partial pivoting (3.4). */
  lu(shader, _, n) {
    shader.declare("var<workgroup> chosen: i32;");
    const start = `for (var e = me; e < n * n; e += ${MATRIX_LANES}) { make(out + e, given(a + e)); }
for (var i = me; i < n; i += ${MATRIX_LANES}) { make(out + n * n + i, f32(i)); }`;
    const text = `let k = step;
if (me == 0) {
  chosen = k;
  for (var i = k + 1; i < n; i++) {
    if (${shader.call("less_f32", "abs(made(out + chosen * n + k))", "abs(made(out + i * n + k))")}) { chosen = i; }
  }
}
let pivot = workgroupUniformLoad(&chosen);
if (pivot != k) {
  // The last column is the row's number, which is stored apart.
  for (var j = me; j <= n; j += ${MATRIX_LANES}) {
    let here = out + select(k * n + j, n * n + k, j == n);
    let there = out + select(pivot * n + j, n * n + pivot, j == n);
    let moved = made(here);
    make(here, made(there));
    make(there, moved);
  }
}
storageBarrier();
let head = made(out + k * n + k);
let vanishes = ${shader.call("equal_f32", "head", "0.0f")};
for (var i = k + 1 + me; i < n; i += ${MATRIX_LANES}) {
  if (!vanishes) { make(out + i * n + k, made(out + i * n + k) / head); }
}
storageBarrier();
let left = n - k - 1;
for (var e = me; e < left * left; e += ${MATRIX_LANES}) {
  let i = k + 1 + e / max(left, 1);
  let j = k + 1 + e % max(left, 1);
  if (!vanishes) { make(out + i * n + j, made(out + i * n + j) - made(out + i * n + k) * made(out + k * n + j)); }
}
storageBarrier();`;
    return { scratch: 0, phases: [once(n * n, start), { steps: n, work: n * n, text }] };
  },

  /** Householder reflections (5.2), then the signs of the rows of r turned. */
  qr(shader, m, n) {
    declareScale(shader);
    // The columns, then the diagonal of r, the squares of the reflections and the scale.
    const [diagonal, squares, scale] = [m * n, m * n + n, m * n + 2 * n];
    const start = `let scale = scale_of(lane, a);
for (var e = me; e < m * n; e += ${MATRIX_LANES}) { scratch[own + e] = given(a + e) / scale; }
if (me == 0) { scratch[own + ${scale}] = scale; }`;
    const reflect = `let k = step;
if (me == 0) {
  var square = 0.0f;
  for (var i = k; i < m; i++) { square += scratch[own + i * n + k] * scratch[own + i * n + k]; }
  let length = sqrt(square);
  let head = scratch[own + k * n + k];
  let turned = select(length, -length, head > 0.0f);
  scratch[own + ${diagonal} + k] = turned;
  scratch[own + k * n + k] = head - turned;
  // |x - turned·e|² without the cancellation that the sign of turned avoids.
  scratch[own + ${squares} + k] = 2.0f * length * (length + abs(head));
}
storageBarrier();
let square = scratch[own + ${squares} + k];
for (var j = k + 1 + me; j < n; j += ${MATRIX_LANES}) {
  if (square > 0.0f || ${shader.call("is_nan", "square")}) {
    var share = 0.0f;
    for (var i = k; i < m; i++) { share += scratch[own + i * n + k] * scratch[own + i * n + j]; }
    let factor = 2.0f * share / square;
    for (var i = k; i < m; i++) { scratch[own + i * n + j] -= factor * scratch[own + i * n + k]; }
  }
}
storageBarrier();`;
    const unit = `for (var e = me; e < m * n; e += ${MATRIX_LANES}) { make(out + e, select(0.0f, 1.0f, e / n == e % n)); }`;
    const form = `let j = step * ${MATRIX_LANES} + me;
if (j < n) {
  let sign = select(1.0f, -1.0f, scratch[own + ${diagonal} + j] < 0.0f);
  for (var k = n - 1; k >= 0; k--) {
    let square = scratch[own + ${squares} + k];
    if (square > 0.0f || ${shader.call("is_nan", "square")}) {
      var share = 0.0f;
      for (var i = k; i < m; i++) { share += scratch[own + i * n + k] * made(out + i * n + j); }
      let factor = 2.0f * share / square;
      for (var i = k; i < m; i++) { make(out + i * n + j, made(out + i * n + j) - factor * scratch[own + i * n + k]); }
    }
  }
  for (var i = 0; i < m; i++) { make(out + i * n + j, made(out + i * n + j) * sign); }
}`;
    const finish = `let scale = scratch[own + ${scale}];
for (var e = me; e < n * n; e += ${MATRIX_LANES}) {
  let i = e / n;
  let j = e % n;
  let sign = select(1.0f, -1.0f, scratch[own + ${diagonal} + i] < 0.0f);
  let value = select(scratch[own + i * n + j], scratch[own + ${diagonal} + i], i == j);
  make(out + m * n + e, select(0.0f, value * sign * scale, i <= j));
}`;
    return {
      scratch: m * n + 2 * n + 1,
      phases: [
        once(m * n, start),
        { steps: n, work: 2 * m * n, text: reflect },
        once(m * n, unit),
        { steps: Math.ceil(n / MATRIX_LANES), work: 2 * m * n * Math.min(n, MATRIX_LANES), text: form },
        once(n * n, finish),
      ],
    };
  },

  eigh(shader, m, n) {
    declareScale(shader);
    return { phases: eighPhases(shader, n), scratch: eighScratch(m) };
  },

  svd(shader, m, n) {
    declareScale(shader);
    return { phases: svdPhases(shader, m, n), scratch: svdScratch(m, n) };
  },
};

/**
 * `scale_of`: the largest power of two that is at most the largest magnitude. Dividing by it is exact, and keeps squares
 * in range. 1 where an element is not finite.
 */
function declareScale(shader: Shader): void {
  shader.declare(`var<workgroup> largest_bits: array<u32, ${MATRIX_LANES}>;\nvar<workgroup> scale_bits: u32;`);
  shader.declare(`fn scale_of(lane: u32, a: i32) -> f32 {
  var largest = 0u;
  for (var e = i32(lane); e < m * n; e += ${MATRIX_LANES}) { largest = max(largest, bitcast<u32>(given(a + e)) & 0x7fffffffu); }
  largest_bits[lane] = largest;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < ${MATRIX_LANES}u; i++) { largest = max(largest, largest_bits[i]); }
    // Up to 2^125, so that a driver may multiply by the inverse.
    let exponent = min(largest & 0x7f800000u, 0x7e000000u);
    scale_bits = select(exponent, 0x3f800000u, largest >= 0x7f800000u || exponent == 0u);
  }
  return bitcast<f32>(workgroupUniformLoad(&scale_bits));
}`);
}

/** Substitution (3.1): one invocation for each column. */
function triangularSolve({ args, batch, rows, columns, lower, unit }: TriangularSolveRoutine, layout: Layout): GeneratedKernel {
  const shader = new Shader(args, layout);
  const all = batch * columns;
  const row = (step: string): string => (lower ? step : `${rows - 1} - ${step}`);
  const at = (i: string): string => `x + (${i}) * ${columns}`;
  const body = [
    `let column = group * ${LANES}u + lane;`,
    `if (column >= ${all}u) { return; }`,
    `let a = i32(column / ${columns}u) * ${rows * rows};`,
    `let x = i32(column / ${columns}u) * ${rows * columns} + i32(column % ${columns}u);`,
    `for (var step = 0; step < ${rows}; step++) {`,
    `  let i = ${row("step")};`,
    `  var rest = ${shader.load(1, at("i"))!};`,
    "  for (var before = 0; before < step; before++) {",
    `    let j = ${row("before")};`,
    `    rest -= ${shader.load(0, `a + i * ${rows} + j`)!} * ${shader.load(2, at("j"))!};`,
    "  }",
    `  ${shader.store(2, at("i"), unit ? "rest" : `rest / ${shader.load(0, `a + i * ${rows} + i`)!}`)!}`,
    "}",
  ];
  return { dispatches: [shader.finish(Math.ceil(all / LANES), body)], clears: [], scratchBytes: 0 };
}
