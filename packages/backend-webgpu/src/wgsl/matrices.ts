/**
 * Dense linear algebra: triangular solves and the direct factorizations, one workgroup for each matrix of a batch, in
 * float32 throughout. The algorithms are those of Golub and Van Loan, "Matrix Computations" (4th ed.), ordered so that
 * a step updates all that is left of a matrix at once. Eigenvalues and singular values are in `jacobi.ts`.
 */
import type { FactorRoutine, TriangularSolveRoutine } from "@dormouse/tensor/graph";
import { factorLength } from "@dormouse/tensor/graph";
import { generateEigen, generateSingular } from "./jacobi.ts";
import { type GeneratedKernel, type Layout, LANES, indented } from "./shader.ts";
import { type MatrixRoutine, MatrixShader, floatBytes, lanesFor, shared } from "./team.ts";

/** Makes the shaders of a factorization or of a triangular solve. */
export function generateMatrixRoutine(kernel: MatrixRoutine, layout: Layout): GeneratedKernel {
  const { batch, rows, columns, name } = kernel;
  if (batch * rows * columns === 0) return { dispatches: [], clears: [], scratchBytes: 0 };
  switch (name) {
    case "triangularSolve":
      return triangularSolve(kernel as TriangularSolveRoutine, layout);
    case "cholesky":
      return cholesky(kernel as FactorRoutine, layout);
    case "lu":
      return lu(kernel as FactorRoutine, layout);
    case "qr":
      return qr(kernel as FactorRoutine, layout);
    case "eigh":
      return generateEigen(kernel as FactorRoutine, layout);
    case "svd":
      return generateSingular(kernel as FactorRoutine, layout);
  }
}

/** Right-hand sides that a workgroup solves for. */
const SIDES = 16;

/** Substitution by columns (3.1.3): what is found is subtracted from all rows that are left. */
function triangularSolve(kernel: TriangularSolveRoutine, layout: Layout): GeneratedKernel {
  const { batch, rows, columns, lower, unit } = kernel;
  const lanes = lanesFor(rows * Math.min(columns, SIDES));
  const shader = new MatrixShader(kernel, layout, lanes, 0, [rows * rows, rows * columns, rows * columns]);
  const pieces = Math.ceil(columns / SIDES);
  const divide = `set_result(j * ${columns}u + first + c, result(j * ${columns}u + first + c) / given(j * ${rows + 1}u));`;
  const body = [
    `let first = group % ${pieces}u * ${SIDES}u;`,
    `let width = min(${SIDES}u, ${columns}u - first);`,
    ...shared(lanes, "e", "0u", `${rows}u * width`, [
      `let at = e / width * ${columns}u + first + e % width;`,
      "set_result(at, right(at));",
    ]),
    "storageBarrier();",
    `for (var step = 0u; step < ${rows}u; step++) {`,
    ...indented([
      `let j = ${lower ? "step" : `${rows - 1}u - step`};`,
      ...(unit ? [] : [...shared(lanes, "c", "0u", "width", [divide]), "storageBarrier();"]),
      ...shared(lanes, "e", "0u", `(${rows - 1}u - step) * width`, [
        `let i = ${lower ? "j + 1u + " : ""}e / width;`,
        "let c = first + e % width;",
        `let at = i * ${columns}u + c;`,
        `set_result(at, fma(-given(i * ${rows}u + j), result(j * ${columns}u + c), result(at)));`,
      ]),
      "storageBarrier();",
    ]),
    "}",
  ];
  return { dispatches: [shader.finish(batch * pieces, body, pieces)], clears: [], scratchBytes: 0 };
}

/** Steps from the first column to the last, in the memory of the result. */
function inPlace(
  kernel: FactorRoutine,
  layout: Layout,
  make: (shader: MatrixShader, n: number) => string[],
): GeneratedKernel {
  const { batch, rows: n, name } = kernel;
  const shader = new MatrixShader(kernel, layout, lanesFor(n * n), 0, [n * n, factorLength(name, n, n)]);
  return { dispatches: [shader.finish(batch, make(shader, n))], clears: [], scratchBytes: 0 };
}

/** The lines that subtract a column times a row from all that is below and to the right of element (k, k). */
const updateRest = (lanes: number, n: number, row: string, isLower: boolean): string[] => [
  `let rest = ${n - 1}u - k;`,
  ...shared(lanes, "e", "0u", "rest * rest", [
    "let i = k + 1u + e / rest;",
    "let j = k + 1u + e % rest;",
    `${isLower ? "if (j <= i) { " : ""}set_result(i * ${n}u + j, fma(-result(i * ${n}u + k), ${row}, result(i * ${n}u + j)));${isLower ? " }" : ""}`,
  ]),
];

/** By outer products (4.2.5), on the lower triangle. */
const cholesky = (kernel: FactorRoutine, layout: Layout): GeneratedKernel =>
  inPlace(kernel, layout, (shader, n) => [
    ...shared(shader.lanes, "e", "0u", `${n * n}u`, [
      `let i = e / ${n}u;`,
      `let j = e % ${n}u;`,
      `set_result(e, select(0.0f, 0.5f * given(e) + 0.5f * given(j * ${n}u + i), j <= i));`,
    ]),
    "storageBarrier();",
    `for (var k = 0u; k < ${n}u; k++) {`,
    ...indented([
      `let pivot = result(k * ${n + 1}u);`,
      `let isPositive = ${shader.call("less_f32", "0.0f", "pivot")};`,
      `let diagonal = select(${shader.call("not_a_number")}, ${shader.call("sqrt_f32", "pivot")}, isPositive);`,
      "storageBarrier();",
      `if (lane == 0u) { set_result(k * ${n + 1}u, diagonal); }`,
      ...shared(shader.lanes, "i", "k + 1u", `${n}u`, [`set_result(i * ${n}u + k, result(i * ${n}u + k) / diagonal);`]),
      "storageBarrier();",
      ...updateRest(shader.lanes, n, `result(j * ${n}u + k)`, true),
      "storageBarrier();",
    ]),
    "}",
  ]);

/** Gaussian elimination with partial pivoting, by outer products (3.4). */
const lu = (kernel: FactorRoutine, layout: Layout): GeneratedKernel =>
  inPlace(kernel, layout, (shader, n) => {
    shader.declare("var<workgroup> largest: atomic<u32>;");
    shader.declare("var<workgroup> place: atomic<u32>;");
    // NaN is a pivot only where it is met first, as in a search by comparisons.
    shader.declare(`fn size(i: u32, k: u32) -> u32 {
  let x = result(i * ${n}u + k);
  return select(bitcast<u32>(x) & 0x7fffffffu, select(0u, 0xffffffffu, i == k), ${shader.call("is_nan", "x")});
}`);
    return [
      ...shared(shader.lanes, "e", "0u", `${n * n}u`, ["set_result(e, given(e));"]),
      ...shared(shader.lanes, "i", "0u", `${n}u`, [`set_result(${n * n}u + i, f32(i));`]),
      "storageBarrier();",
      `for (var k = 0u; k < ${n}u; k++) {`,
      ...indented([
        `if (lane == 0u) { atomicStore(&largest, 0u); atomicStore(&place, ${n}u); }`,
        "workgroupBarrier();",
        ...shared(shader.lanes, "i", "k", `${n}u`, ["atomicMax(&largest, size(i, k));"]),
        "workgroupBarrier();",
        ...shared(shader.lanes, "i", "k", `${n}u`, ["if (size(i, k) == atomicLoad(&largest)) { atomicMin(&place, i); }"]),
        "workgroupBarrier();",
        "let pivot = atomicLoad(&place);",
        // The column behind the last stands for the list of rows.
        ...shared(shader.lanes, "j", "0u", `${n + 1}u`, [
          `let here = select(k * ${n}u + j, ${n * n}u + k, j == ${n}u);`,
          `let there = select(pivot * ${n}u + j, ${n * n}u + pivot, j == ${n}u);`,
          "let kept = result(here);",
          "set_result(here, result(there));",
          "set_result(there, kept);",
        ]),
        "storageBarrier();",
        "workgroupBarrier();",
        `let diagonal = result(k * ${n + 1}u);`,
        "let isUseful = (bitcast<u32>(diagonal) & 0x7fffffffu) != 0u;",
        "if (isUseful) {",
        ...indented(shared(shader.lanes, "i", "k + 1u", `${n}u`, [`set_result(i * ${n}u + k, result(i * ${n}u + k) / diagonal);`])),
        "}",
        "storageBarrier();",
        "if (isUseful) {",
        ...indented(updateRest(shader.lanes, n, `result(k * ${n}u + j)`, false)),
        "}",
        "storageBarrier();",
      ]),
      "}",
    ];
  });

/** A square of a scaled length below this counts as 0: its inverse would leave the range of float32. */
const NOTHING = "1e-36f";

/** Householder reflections (5.2), then the signs of the rows of r turned. */
function qr(kernel: FactorRoutine, layout: Layout): GeneratedKernel {
  const { batch, rows: m, columns: n } = kernel;
  const lanes = lanesFor(m * n);
  // The columns of a, which become those of r above the vectors of the reflections; the columns of q.
  const [q, factors, diagonals, work] = [m * n, 2 * m * n, 2 * m * n + n, 2 * m * n + 2 * n];
  const shader = new MatrixShader(kernel, layout, lanes, work, [m * n, factorLength("qr", m, n)]);
  const team = Math.min(LANES, lanes / Math.min(lanes, 2 ** Math.ceil(Math.log2(n))));
  const teams = lanes / team;
  const members = (lines: string): string => `for (var i = k + member; i < ${m}u; i += ${team}u) { ${lines} }`;
  const sum = shader.sum("part", team);
  shader.declare([
    "/** Reflects columns from `first` on in the vector of step k. */",
    "fn reflect(lane: u32, k: u32, columns: u32, first: u32) {",
    `  let member = lane % ${team}u;`,
    `  for (var start = first; start < ${n}u; start += ${teams}u) {`,
    `    let j = start + lane / ${team}u;`,
    `    let column = columns + j * ${m}u;`,
    "    var part = 0.0f;",
    `    if (j < ${n}u) { ${members(`part = fma(work(k * ${m}u + i), work(column + i), part);`)} }`,
    `    let share = ${sum} * work(${factors}u + k);`,
    `    if (j < ${n}u) { ${members(`set_work(column + i, fma(-share, work(k * ${m}u + i), work(column + i)));`)} }`,
    "  }",
    "  storageBarrier();",
    "}",
  ].join("\n"));
  const body = [
    `let found = ${shader.exponent(m * n)};`,
    // What is not finite stays so without a scale.
    "let exponent = select(found, 127u, found == 255u);",
    ...shared(lanes, "e", "0u", `${m * n}u`, [
      `let j = e / ${m}u;`,
      `let i = e % ${m}u;`,
      `set_work(e, given(i * ${n}u + j) * inverse_scale_of(exponent));`,
      `set_work(${q}u + e, select(0.0f, 1.0f, i == j));`,
    ]),
    "storageBarrier();",
    `for (var k = 0u; k < ${n}u; k++) {`,
    ...indented([
      "var part = 0.0f;",
      ...shared(lanes, "i", "k", `${m}u`, [`part = fma(work(k * ${m}u + i), work(k * ${m}u + i), part);`]),
      `let head = work(k * ${m + 1}u);`,
      `let length = ${shader.call("sqrt_f32", shader.sum("part"))};`,
      "if (lane == 0u) {",
      "  let diagonal = select(length, -length, head > 0.0f);",
      "  let square = 2.0f * length * (length + abs(head));",
      `  set_work(k * ${m + 1}u, head - diagonal);`,
      `  set_work(${diagonals}u + k, diagonal);`,
      `  set_work(${factors}u + k, select(2.0f / square, 0.0f, square < ${NOTHING}));`,
      "}",
      "storageBarrier();",
      "reflect(lane, k, 0u, k + 1u);",
    ]),
    "}",
    `for (var step = 1u; step <= ${n}u; step++) { reflect(lane, ${n}u - step, ${q}u, ${n}u - step); }`,
    ...shared(lanes, "e", "0u", `${m * n}u`, [
      `let j = e % ${n}u;`,
      `let value = work(${q}u + j * ${m}u + e / ${n}u);`,
      `set_result(e, select(value, -value, work(${diagonals}u + j) < 0.0f));`,
    ]),
    ...shared(lanes, "e", "0u", `${n * n}u`, [
      `let i = e / ${n}u;`,
      `let j = e % ${n}u;`,
      `let diagonal = work(${diagonals}u + i);`,
      `var value = select(0.0f, diagonal, i == j);`,
      `if (i < j) { value = work(j * ${m}u + i); }`,
      `set_result(${m * n}u + e, select(value, -value, diagonal < 0.0f) * scale_of(exponent));`,
    ]),
  ];
  return { dispatches: [shader.finish(batch, body)], clears: [], scratchBytes: floatBytes(batch * work) };
}
