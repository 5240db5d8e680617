/** Dense linear algebra: `linalg.solve(a, b)`. Matrices are the last two axes, all others are a batch. */
export { type Eigh, type LU, type QR, type SVD, cholesky, eigh, lu, qr, singularValues, svd } from "./factorizations.ts";
export {
  type SignedLogDeterminant, type SolveOptions, type TriangularOptions, det, inv, slogdet, solve, solveTriangular,
} from "./solve.ts";
export { type LeastSquares, type RankOptions, lstsq, matrixRank, pinv } from "./least-squares.ts";
export { type MatrixNorm, type MatrixNormOptions, cond, matrixNorm, matrixPower, trace } from "./measures.ts";
