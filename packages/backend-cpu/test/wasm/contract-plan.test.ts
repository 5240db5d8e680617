import { describe, expect, test } from "vitest";
import type { ContractKernel, Scalar } from "@dormouse/tensor/graph";
import { planContract } from "../../src/wasm/contract-plan.ts";
import { linear, offsetAt, uniformStride } from "../../src/wasm/views.ts";
import { i32 } from "../../src/wasm/encoder.ts";
import { ModuleBuilder } from "../../src/wasm/module.ts";

const tile = { rows: 6, vectors: 2, unroll: 8 };
const load = (arg: number, strides: readonly number[]): Scalar => ({
  op: "load",
  dtype: "float32",
  arg,
  at: { offset: 0, strides },
});

function product(
  sizes: Pick<ContractKernel, "batch" | "m" | "n" | "k">,
  lhs: readonly number[],
  rhs: readonly number[],
  out: readonly number[],
): ContractKernel {
  const argument = { dtype: "float32", length: 1 << 20, access: "read" } as const;
  return {
    kind: "contract",
    dtype: "float32",
    args: [argument, argument, argument],
    ...sizes,
    lhs: load(0, lhs),
    rhs: load(1, rhs),
    stores: [{ arg: 2, at: { offset: 0, strides: out }, body: { op: "result", dtype: "float32", stage: 0 } }],
  };
}

const square = (size: number): ContractKernel =>
  product({ batch: [], m: [size], n: [size], k: [size] }, [size, 0, 1], [0, 1, size], [size, 1, 0]);

describe("plans", () => {
  test("a row-major product is written directly", () => {
    const plan = planContract(square(1024), tile);
    expect(plan.direct).toMatchObject({ arg: 2, rowStride: 1024 });
    expect(plan.blocks).toEqual({ rows: 174, columns: 1024, depth: 256, resident: true });
    expect([plan.divide, plan.shared]).toEqual(["n", false]);
  });

  test("threads divide rows, and pack the right operand together, where rows are many or stores update", () => {
    const sized = (m: number, n: number): ContractKernel =>
      product({ batch: [], m: [m], n: [n], k: [64] }, [64, 0, 1], [0, 1, n], [n, 1, 0]);
    const updating = (kernel: ContractKernel): ContractKernel => {
      const { arg, at, body } = kernel.stores[0]!;
      const old: Scalar = { op: "load", dtype: "float32", arg, at };
      return { ...kernel, stores: [{ arg, at, body: { op: "add", dtype: "float32", sources: [old, body] } }] };
    };
    const divisions = [sized(300, 200), sized(200, 300), updating(sized(200, 300)), updating(sized(10, 1568))].map(
      (kernel) => {
        const { divide, shared } = planContract(kernel, tile);
        return `${divide} ${shared}`;
      },
    );
    expect(divisions).toEqual(["m true", "n false", "m true", "n false"]);
  });

  test("threads pack for themselves what each of many small products needs", () => {
    const plan = planContract(
      product({ batch: [32], m: [128], n: [32], k: [128] }, [16384, 128, 0, 1], [4096, 0, 1, 32], [4096, 32, 1, 0]),
      tile,
    );
    expect([plan.divide, plan.shared]).toEqual(["m", false]);
  });

  test("a column-major product exchanges its operands", () => {
    const plan = planContract(
      product({ batch: [], m: [30], n: [20], k: [10] }, [10, 0, 1], [0, 1, 20], [1, 30, 0]),
      tile,
    );
    expect([plan.m, plan.n]).toEqual([20, 30]);
    expect(plan.kernel.lhs).toMatchObject({ arg: 1, at: { strides: [1, 0, 20] } });
    expect(plan.direct?.rowStride).toBe(30);
  });

  test("a single column becomes a single row", () => {
    const plan = planContract(product({ batch: [], m: [30], n: [1], k: [10] }, [10, 0, 1], [0, 1, 1], [1, 1, 0]), tile);
    expect([plan.m, plan.n]).toEqual([1, 30]);
  });

  test("a batch that shares its right operand becomes rows", () => {
    const plan = planContract(
      product({ batch: [4], m: [8], n: [16], k: [32] }, [256, 32, 0, 1], [0, 0, 1, 16], [128, 16, 1, 0]),
      tile,
    );
    expect([plan.batch, plan.m, plan.n]).toEqual([1, 32, 16]);
    expect(plan.direct?.rowStride).toBe(16);
  });

  test("a shared operand stays a batch where rows would not be evenly spaced", () => {
    const plan = planContract(
      product({ batch: [4], m: [8], n: [16], k: [32] }, [256, 32, 0, 1], [0, 0, 1, 16], [1000, 16, 1, 0]),
      tile,
    );
    expect([plan.batch, plan.m]).toEqual([4, 8]);
  });

  test("two stores, a computed store or spread columns go through a block", () => {
    const plain = square(64);
    const [store] = plain.stores;
    const twice: ContractKernel = { ...plain, stores: [store!, store!] };
    const computed: ContractKernel = {
      ...plain,
      stores: [{ ...store!, body: { op: "neg", dtype: "float32", sources: [store!.body] } }],
    };
    const spread = product({ batch: [], m: [64], n: [64], k: [64] }, [64, 0, 1], [0, 1, 64], [128, 2, 0]);
    for (const kernel of [twice, computed, spread]) expect(planContract(kernel, tile).direct).toBeUndefined();
  });

  test("very deep products stream their right operand", () => {
    const plan = planContract(
      product({ batch: [], m: [16], n: [300], k: [100_000] }, [100_000, 0, 1], [0, 1, 300], [300, 1, 0]),
      tile,
    );
    expect(plan.blocks.resident).toBe(false);
    expect(plan.blocks.depth).toBeLessThanOrEqual(264);
  });
});

describe("linear functions of a flattened index", () => {
  test("axes merge where their strides allow it", () => {
    expect(linear([2, 3, 4], [12, 4, 1])).toEqual({ sizes: [24], strides: [1] });
    expect(linear([2, 1, 4], [12, 99, 1])).toEqual({ sizes: [2, 4], strides: [12, 1] });
    expect(linear([2, 3], [0, 0])).toEqual({ sizes: [6], strides: [0] });
    expect(uniformStride(linear([1, 1], [5, 6]))).toBe(0);
    expect(uniformStride(linear([2, 3], [4, 1]))).toBeUndefined();
  });

  test("the generated offset is the sum over axes", () => {
    const [sizes, strides] = [
      [2, 3, 5],
      [100, 7, -2],
    ];
    const module = new ModuleBuilder();
    module.function({ name: "at", parameters: { i: "i32" }, result: "i32", export: true }, (_, { i }) =>
      i32.add(offsetAt(linear(sizes, strides), i, 4), i32.const(0)),
    );
    const at = new WebAssembly.Instance(new WebAssembly.Module(module.bytes())).exports["at"] as (i: number) => number;
    for (let i = 0; i < 30; i++) {
      expect(at(i)).toBe(4 * (Math.floor(i / 15) * 100 + (Math.floor(i / 5) % 3) * 7 + (i % 5) * -2));
    }
  });
});
