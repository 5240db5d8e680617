/**
 * The text of shaders, which needs no GPU: one kernel of each shape, as WGSL. A change of a generator shows here; look at
 * it, then accept it with `vitest run packages/backend-webgpu/test/shaders.test.ts --update`.
 */
import type { Kernel } from "@dormouse/tensor/graph";
import { expect, test } from "vitest";
import { affine, apply, argument, constant, dense, indirect, load, mapKernel } from "../../backend-cpu/test/support.ts";
import { bindStep } from "../src/bindings.ts";
import { describeKernel, generate } from "../src/kernels.ts";
import { planRows } from "../src/wgsl/loop.ts";
import { type Target, plainTarget } from "../src/wgsl/shader.ts";
import { type TileName, chooseTile, partsOf, tiles } from "../src/wgsl/tiles.ts";

/** The shaders of a kernel whose arguments are buffers of their own. */
function shadersOf(kernel: Kernel, target: Target = plainTarget, tile: TileName | null = null): string {
  const slots = kernel.args.map((_, index) => ({ space: "input", index }) as const);
  const program = {
    key: "", inputs: kernel.args, outputs: [], kernels: [kernel], steps: [{ kernel: 0, slots }], temporaryBytes: 0,
  };
  const { layout } = bindStep(program, kernel, slots, 12);
  return generate(kernel, layout, target, () => tile)
    .dispatches.map(({ wgsl, groups }) => `// ${describeKernel(kernel)}: ${groups} workgroups\n${wgsl}`)
    .join("\n");
}

const x = load(0, dense(5, 67));
const result = (stage: number) => ({ op: "result", dtype: "float32", stage }) as const;
const kernels: Record<string, Kernel> = {
  map: mapKernel(
    [argument(35), argument(35, "read", "uint8"), argument(35, "write", "bool")],
    [5, 7],
    apply("less", [load(0, affine([1, 5])), apply("cast", [load(1, dense(5, 7), "uint8")], "float32")], "bool"),
  ),
  padding: mapKernel(
    [argument(5), argument(9, "write")],
    [9],
    load(0, affine([1], -2), "float32", { valid: [{ offset: -2, strides: [1], below: 5 }], fill: -Infinity }),
  ),
  softmax: {
    kind: "loop", args: [argument(335), argument(335, "write")], outer: [5], inner: [67],
    stages: [
      { kind: "reduce", combine: "max", dtype: "float32", body: x },
      { kind: "reduce", combine: "sum", dtype: "float32", body: apply("exp", [apply("sub", [x, result(0)])]) },
      {
        kind: "store", level: "inner", arg: 1, at: dense(5, 67),
        body: apply("div", [apply("exp", [apply("sub", [x, result(0)])]), result(1)]),
      },
    ],
  },
  argmax: {
    kind: "loop", args: [argument(35), argument(5, "write", "int32")], outer: [5], inner: [7],
    stages: [
      { kind: "reduce", combine: "argmax", dtype: "int32", body: load(0, dense(5, 7)) },
      { kind: "store", level: "outer", arg: 1, at: affine([1, 0]), body: { op: "result", dtype: "int32", stage: 0 } },
    ],
  },
  product: {
    kind: "contract", args: [argument(64 * 48), argument(48 * 40), argument(64 * 40, "write")], dtype: "float32",
    batch: [], m: [64], n: [40], k: [48],
    lhs: load(0, affine([48, 0, 1])), rhs: load(1, affine([0, 1, 40])),
    stores: [{ arg: 2, at: affine([40, 1, 0]), body: apply("max", [result(0), constant(0)]) }],
  },
  scatter: {
    kind: "scatter", args: [argument(12), argument(4, "read", "int32"), argument(27, "write")],
    axes: [4, 3], arg: 2, at: affine([0, 1]), indirect: [indirect(load(1, affine([1, 0]), "int32"), 3, 9)],
    body: load(0, dense(4, 3)),
  },
  argsort: { kind: "routine", name: "argsort", args: [argument(35), argument(35, "write", "int32")], outer: 5, length: 7, inner: 1, reverse: false },
};

test.each(Object.entries(kernels))("%s", async (name, kernel) => {
  await expect(shadersOf(kernel)).toMatchFileSnapshot(`shaders/${name}.wgsl`);
});

/** A large GPU. */
const large: Target = { maxBindings: 9, subgroups: 32, workgroupBytes: 49_152 };
const quads = load(0, dense(100, 1024));
const product = (m: number, n: number, k: number): Kernel => ({
  kind: "contract", args: [argument(m * k), argument(k * n), argument(m * n, "write")], dtype: "float32",
  batch: [], m: [m], n: [n], k: [k],
  lhs: load(0, affine([k, 0, 1])), rhs: load(1, affine([0, 1, n])),
  stores: [{ arg: 2, at: affine([n, 1, 0]), body: result(0) }],
});
const halves = load(0, dense(37, 24), "float16");

test.each<[string, Kernel, TileName | null]>([
  ["map-quads", mapKernel(
    [argument(888, "read", "float16"), argument(24), argument(888, "write", "float16")],
    [37, 24],
    apply("cast", [apply("mul", [apply("cast", [halves], "float32"), load(1, affine([0, 1]))])], "float16"),
  ), null],
  ["rows-quads", {
    kind: "loop", args: [argument(102_400), argument(102_400, "write")], outer: [100], inner: [1024],
    stages: [
      { kind: "reduce", combine: "sum", dtype: "float32", body: apply("mul", [quads, quads]) },
      { kind: "store", level: "inner", arg: 1, at: dense(100, 1024), body: apply("div", [quads, result(0)]) },
    ],
  }, null],
  ["product-tile", product(256, 256, 64), "128x128"],
  ["product-parts", product(132, 72, 2051), "64x32"],
])("%s, for a large GPU", async (name, kernel, tile) => {
  await expect(shadersOf(kernel, large, tile)).toMatchFileSnapshot(`shaders/${name}.wgsl`);
});

test("a large scatter adds atomically, a small one in order", () => {
  const scatter = kernels["scatter"] as Extract<Kernel, { kind: "scatter" }>;
  const large: Kernel = {
    ...scatter, args: [argument(3 << 14), argument(1 << 14, "read", "int32"), argument(3 << 14, "write")], axes: [1 << 14, 3],
    indirect: [indirect(load(1, affine([1, 0]), "int32"), 3, 1 << 14)],
  };
  expect(shadersOf(scatter)).not.toContain("atomic");
  expect(shadersOf(large)).toContain("atomicCompareExchangeWeak");
});

test("rows have the lanes that their length pays for", () => {
  const rows = (outer: number, inner: number, strides: readonly number[]) => {
    const kernel = {
      kind: "loop", args: [argument(outer * inner), argument(outer, "write")], outer: [outer], inner: [inner],
      stages: [
        { kind: "reduce", combine: "sum", dtype: "float32", body: load(0, affine(strides)) },
        { kind: "store", level: "outer", arg: 1, at: affine([1, 0]), body: result(0) },
      ],
    } as const;
    return planRows(kernel, outer, inner);
  };
  expect(rows(5, 7, [7, 1])).toEqual({ lanes: 1, rows: 256, innerFirst: false });
  expect(rows(5, 100_000, [100_000, 1])).toEqual({ lanes: 256, rows: 1, innerFirst: true });
  // Along columns, neighbors belong to neighboring rows.
  expect(rows(1000, 4096, [1, 1000])).toEqual({ lanes: 8, rows: 32, innerFirst: false });
  expect(rows(100_000, 4096, [1, 100_000]).lanes).toBe(1);
});

test("few long rows are shared by several workgroups", () => {
  const rows = (outer: number, inner: number, body = load(0, dense(outer, inner))): Kernel => ({
    kind: "loop", args: [argument(outer * inner), argument(outer, "write")], outer: [outer], inner: [inner],
    stages: [
      { kind: "reduce", combine: "sum", dtype: "float32", body },
      { kind: "store", level: "outer", arg: 1, at: affine([1, 0]), body: result(0) },
    ],
  });
  const groups = (kernel: Kernel): string[] => shadersOf(kernel).match(/: \d+ workgroups/g)!;
  expect(groups(rows(1, 1_000_000))).toEqual([": 245 workgroups", ": 1 workgroups"]);
  expect(groups(rows(300, 20_000))).toEqual([": 300 workgroups"]);
  expect(groups(rows(1, 8000))).toEqual([": 1 workgroups"]);
});

test("tiles of a product are as large as leaves a GPU enough of them", () => {
  const tile = (m: number, n: number, k: number, batch = 1) => chooseTile({ batch, m, n, k });
  expect(tile(4096, 4096, 4096)).toBe("128x128");
  expect(tile(64, 10, 64)).toBe("16x16");
  expect(tile(512, 512, 512)).toBe("64x32");
  expect(tile(8192, 16, 512)).toBe("128x16");
  expect(tile(64, 64, 64, 1024)).toBe("64x64");
});

test("few tiles with long sums share each sum among workgroups, the more the longer it is", () => {
  const parts = (m: number, n: number, k: number) => {
    const sizes = { batch: 1, m, n, k };
    return partsOf(sizes, tiles[chooseTile(sizes)]);
  };
  expect(parts(4096, 4096, 4096)).toBe(1);
  expect(parts(128, 64, 512)).toBe(1);
  expect(parts(256, 256, 65_536)).toBeGreaterThan(8);
  expect(parts(784, 128, 60_000)).toBeGreaterThan(8);
});
