/** Matrix products (`ops-matmul`) and dense linear algebra (`ops-linalg`). */
import { add, einsum, linalg, linear, matmul, mul, outer, trace, transpose } from "@dormouse/tensor";
import type { Table } from "../table.ts";

/** Products. */
export const products: Table = {
  matmul: ({ a, b }) => matmul(a, b),
  linear: ({ x, w, b }) => linear(x, w, b),
  outer: ({ a, b }) => outer(a, b),
  addmm: ({ c, a, b }, { alpha, beta }) => add(mul(c, beta), mul(matmul(a, b), alpha)),
  matmul_transposed: ({ a, b }) => matmul(transpose(a), transpose(b)),
  self_gram: ({ x }) => matmul(x, transpose(x)),
  einsum: (inputs, { equation }) => einsum(equation, ...Object.values(inputs)),
};

/** Linear algebra. */
export const linearAlgebra: Table = {
  trace: ({ a }) => trace(a),
  inverse: ({ a }) => linalg.inv(a),
  solve: ({ a, b }) => linalg.solve(a, b),
  det: ({ a }) => linalg.det(a),
  slogdet({ a }) {
    const { sign, logAbsDet } = linalg.slogdet(a);
    return { sign, logabsdet: logAbsDet };
  },
  cholesky: ({ a }) => linalg.cholesky(a),
};
