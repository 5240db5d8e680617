/**
 * Factorizations and triangular solves on the GPU: against the float64 arithmetic of the reference where the result is
 * unique, by what they multiply to where it is not.
 */
import { createReferenceBackend } from "@dormouse/backend-cpu/reference";
import { type Factorization, type RoutineKernel, factorLength, sizeOf } from "@dormouse/tensor/graph";
import { expectClose } from "@dormouse/testing";
import { expect, test } from "vitest";
import { argument, execute, singleKernel, values } from "../../backend-cpu/test/support.ts";
import { generate } from "../src/kernels.ts";
import { backend, describeOnGpu } from "./gpu.ts";

const oracle = createReferenceBackend();

/** Random matrices [batch, m, n]; of full rank, and positive definite if asked for. */
function matrices(batch: number, m: number, n: number, definite = false): Float32Array {
  const raw = values(batch * m * n, m + n);
  if (!definite) return raw;
  return raw.map((_, at) => {
    const [i, j, base] = [Math.floor(at / n) % n, at % n, Math.floor(at / (m * n)) * m * n];
    let sum = i === j ? n / 4 : 0;
    for (let k = 0; k < n; k++) sum += raw[base + i * n + k]! * raw[base + j * n + k]!;
    return sum;
  });
}

const factor = (name: Factorization, batch: number, m: number, n: number): RoutineKernel => ({
  kind: "routine", name, batch, rows: m, columns: n,
  args: [argument(batch * m * n), argument(batch * factorLength(name, m, n), "write")],
});

const squares = [[3, 1], [2, 2], [5, 3], [2, 7], [1, 33], [1, 110]] as const;
const tall = [[2, 1, 1], [3, 5, 1], [2, 4, 3], [2, 7, 7], [1, 35, 33], [1, 130, 120]] as const;

/** Large enough for several dispatches of each kind of step. */
const large = [["cholesky", 420, 420], ["lu", 420, 420], ["qr", 300, 290], ["eigh", 110, 110], ["svd", 130, 120]] as const;

test.each(large)("a large %s of [%i, %i] is several dispatches that share shaders", (name, m, n) => {
  const kernel = factor(name, 1, m, n);
  const layout = { bindingOf: [0, 1], baseOf: [0, 0], writable: [false, true] };
  const { dispatches } = generate(kernel, layout);
  expect(dispatches.length).toBeGreaterThanOrEqual(3);
  const shaders = new Set(dispatches.map(({ wgsl }) => wgsl));
  expect(shaders.size).toBeLessThanOrEqual(5);
  expect(generate(factor(name, 1, 30, 30), layout).dispatches).toHaveLength(1);
});

describeOnGpu("factorizations", () => {
  test.each(squares)("cholesky and lu of %i matrices of order %i", async (batch, n) => {
    for (const [name, definite] of [["cholesky", true], ["lu", false]] as const) {
      const program = singleKernel(factor(name, batch, n, n));
      const input = matrices(batch, n, n, definite);
      const [[got], [wanted]] = await Promise.all([execute(backend, program, [input]), execute(oracle, program, [input])]);
      expectClose(got!, wanted!, { relative: 1e-3, absolute: 2e-4 * n }, name);
    }
  });

  test.each(large.filter(([name]) => name === "cholesky" || name === "qr"))("a large %s of [%i, %i], in several dispatches", async (name, m, n) => {
    const program = singleKernel(factor(name, 1, m, n));
    const input = matrices(1, m, n, name === "cholesky");
    const [[got], [wanted]] = await Promise.all([execute(backend, program, [input]), execute(oracle, program, [input])]);
    expectClose(got!, wanted!, { relative: 1e-3, absolute: 2e-4 * m }, name);
  });

  test.each(tall)("qr of %i matrices [%i, %i]", async (batch, m, n) => {
    const program = singleKernel(factor("qr", batch, m, n));
    const input = matrices(batch, m, n);
    const [[got], [wanted]] = await Promise.all([execute(backend, program, [input]), execute(oracle, program, [input])]);
    expectClose(got!, wanted!, { relative: 1e-3, absolute: 1e-4 * m }, "qr");
  });

  test.each(squares)("eigh of %i matrices of order %i", async (batch, n) => {
    const program = singleKernel(factor("eigh", batch, n, n));
    const input = matrices(batch, n, n);
    const [[got], [wanted]] = await Promise.all([execute(backend, program, [input]), execute(oracle, program, [input])]);
    const length = factorLength("eigh", n, n);
    for (let b = 0; b < batch; b++) {
      const w = got!.subarray(b * length, b * length + n);
      expectClose(w, wanted!.subarray(b * length, b * length + n), { relative: 1e-4, absolute: 1e-5 * n }, "eigenvalues");
      const v = got!.subarray(b * length + n, (b + 1) * length);
      const back = Float64Array.from({ length: n * n }, (_, at) => {
        const [i, j] = [Math.floor(at / n), at % n];
        let sum = 0;
        for (let k = 0; k < n; k++) sum += v[i * n + k]! * w[k]! * v[j * n + k]!;
        return sum;
      });
      const symmetric = back.map((_, at) => {
        const [i, j] = [Math.floor(at / n), at % n];
        return (input[b * n * n + i * n + j]! + input[b * n * n + j * n + i]!) / 2;
      });
      expectClose(back, symmetric, { relative: 1e-4, absolute: 1e-4 * n }, "v·diag(w)·vᵀ");
      expectOrthonormal(v, n, n);
    }
  });

  test.each(tall)("svd of %i matrices [%i, %i]", async (batch, m, n) => {
    const program = singleKernel(factor("svd", batch, m, n));
    const input = matrices(batch, m, n);
    const [[got], [wanted]] = await Promise.all([execute(backend, program, [input]), execute(oracle, program, [input])]);
    const length = factorLength("svd", m, n);
    for (let b = 0; b < batch; b++) {
      const [u, s, v] = partsOf(got!.subarray(b * length, (b + 1) * length), m, n);
      const [, expected] = partsOf(wanted!.subarray(b * length, (b + 1) * length), m, n);
      expectClose(s, expected, { relative: 1e-4, absolute: 1e-5 * m }, "singular values");
      const back = Float64Array.from({ length: m * n }, (_, at) => {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += u[Math.floor(at / n) * n + k]! * s[k]! * v[(at % n) * n + k]!;
        return sum;
      });
      expectClose(back, input.subarray(b * m * n, (b + 1) * m * n), { relative: 1e-4, absolute: 1e-5 * m }, "u·diag(s)·vᵀ");
      expectOrthonormal(u, m, n);
      expectOrthonormal(v, n, n);
    }
  });

  test("a matrix of rank 1 has a full set of vectors", async () => {
    const [m, n] = [5, 3];
    const input = Float32Array.from({ length: m * n }, (_, at) => (1 + Math.floor(at / n)) * ((at % n) - 1));
    const [got] = await execute(backend, singleKernel(factor("svd", 1, m, n)), [input]);
    const [u, s, v] = partsOf(got!, m, n);
    expectClose(s, [Math.sqrt(55 * 2), 0, 0], { relative: 1e-5, absolute: 1e-5 });
    expectOrthonormal(u, m, n);
    expectOrthonormal(v, n, n);
  });

  test.each([1e-30, 1e30])("sizes around %d neither vanish nor overflow", async (size) => {
    for (const name of ["qr", "eigh", "svd"] as const) {
      const input = matrices(1, 4, 4);
      const [plain] = await execute(backend, singleKernel(factor(name, 1, 4, 4)), [input]);
      const [scaled] = await execute(backend, singleKernel(factor(name, 1, 4, 4)), [input.map((x) => x * size)]);
      const at = { qr: 16, eigh: 0, svd: 16 }[name];
      expectClose(Array.from(scaled!.subarray(at, at + 4), (x) => x / size), plain!.subarray(at, at + 4), { relative: 1e-3, absolute: 1e-5 }, name);
    }
  });

  test("what has no factorization is NaN, and nothing else is", async () => {
    const [cholesky] = await execute(backend, singleKernel(factor("cholesky", 1, 3, 3)), [Float32Array.of(4, 0, 0, 0, -1, 0, 0, 0, 1)]);
    expect([...cholesky!]).toEqual([2, 0, 0, 0, NaN, 0, 0, NaN, NaN]);
    for (const name of ["eigh", "svd"] as const) {
      const [got] = await execute(backend, singleKernel(factor(name, 1, 2, 2)), [Float32Array.of(1, Infinity, 0, 1)]);
      expect(got!.every(Number.isNaN)).toBe(true);
    }
    const [lu] = await execute(backend, singleKernel(factor("lu", 1, 2, 2)), [Float32Array.of(0, 0, 0, 3)]);
    expect([...lu!]).toEqual([0, 0, 0, 3, 0, 1]);
  });

  test.each([true, false].flatMap((lower) => [true, false].map((unit) => [lower, unit] as const)))(
    "triangular solve: lower %s, unit %s",
    async (lower, unit) => {
      for (const [batch, n, k] of [[2, 1, 1], [3, 5, 4], [1, 33, 300], [2, 7, 0]] as const) {
        const shape = [batch, n, n];
        const triangle = values(sizeOf(shape), 5).map((x, at) => (Math.floor(at / n) % n === at % n ? 3 + x : x / n));
        const kernel: RoutineKernel = {
          kind: "routine", name: "triangularSolve", batch, rows: n, columns: k, lower, unit,
          args: [argument(batch * n * n), argument(batch * n * k), argument(batch * n * k, "write")],
        };
        const inputs = [triangle, values(batch * n * k, 9)];
        const [[got], [wanted]] = await Promise.all([execute(backend, singleKernel(kernel), inputs), execute(oracle, singleKernel(kernel), inputs)]);
        expectClose(got!, wanted!, { relative: 1e-4, absolute: 1e-5 });
      }
    },
  );
});

type Numbers = { subarray(start: number, end?: number): ArrayLike<number> };

const partsOf = (all: Numbers, m: number, n: number): [ArrayLike<number>, ArrayLike<number>, ArrayLike<number>] => [
  all.subarray(0, m * n), all.subarray(m * n, m * n + n), all.subarray(m * n + n),
];

/** Columns of length 1 at right angles. */
function expectOrthonormal(q: ArrayLike<number>, m: number, n: number): void {
  const products = Float64Array.from({ length: n * n }, (_, at) => {
    let sum = 0;
    for (let i = 0; i < m; i++) sum += q[i * n + Math.floor(at / n)]! * q[i * n + (at % n)]!;
    return sum;
  });
  expectClose(products, products.map((_, at) => (Math.floor(at / n) === at % n ? 1 : 0)), { absolute: 3e-6 * m + 1e-5 }, "qᵀ·q");
}
