/**
 * The works of the suite for GPUs: ceilings first, then what is judged against them. A GPU in software is given smaller
 * ones, so that it is done within minutes. Operations and bytes are the least that a work can do, not what it does.
 */
import { SUMS } from "../gpu/ceilings.ts";
import type { Activation, Attention, Cnn, Mlp, RowFunction, Work } from "./work.ts";

/** How much of everything. */
export type GpuSize = "small" | "full";

/** Built-in functions of WGSL, which some libraries take, are loose. */
const TOLERANCE = 1e-4;
const MEBI = 2 ** 20;

interface Lengths {
  readonly multiplyAdds: { readonly invocations: number; readonly turns: number };
  readonly copied: number;
  readonly products: readonly number[];
  readonly elements: number;
  readonly rows: number;
  readonly rowFunctions: readonly RowFunction[];
  readonly networks: readonly Pick<Mlp, "dims" | "batch">[];
  readonly images: number;
  readonly blocks: readonly Omit<Attention, "kind">[];
}

const lengths: Readonly<Record<GpuSize, Lengths>> = {
  small: {
    multiplyAdds: { invocations: 1 << 14, turns: 64 },
    copied: 16 * MEBI,
    products: [256],
    elements: MEBI,
    rows: 512,
    rowFunctions: ["sum axis 1", "softmax"],
    networks: [{ dims: [784, 256, 128, 10], batch: 128 }],
    images: 8,
    blocks: [{ batch: 2, sequence: 32, width: 64, heads: 2 }],
  },
  full: {
    multiplyAdds: { invocations: 1 << 21, turns: 512 },
    copied: 256 * MEBI,
    products: [256, 512, 1024, 2048, 4096],
    // Four times what the largest caches of today hold.
    elements: 64 * MEBI,
    rows: 65_536,
    rowFunctions: ["sum axis 0", "sum axis 1", "variance", "argmax", "softmax", "layer norm"],
    networks: [{ dims: [784, 256, 128, 10], batch: 128 }, { dims: [784, 1024, 1024, 10], batch: 512 }],
    images: 64,
    blocks: [{ batch: 8, sequence: 128, width: 128, heads: 4 }, { batch: 8, sequence: 512, width: 512, heads: 8 }],
  },
};

const work = (name: string, task: Work["task"], unit: Work["unit"], amount: number): Work => ({
  suite: "gpu", name, task, unit, amount, tolerance: TOLERANCE,
});

/** The peak that the GFLOP/s of other works are shares of. */
export const peakOfOperations = "multiply-adds on registers";
/** The peak that the GB/s of other works are shares of. */
export const peakOfBytes = "copy by a kernel";

export const coldNetwork = (size: GpuSize): Mlp => ({ kind: "mlp", ...lengths[size].networks[0]! });

export function gpuWorks(size: GpuSize): readonly Work[] {
  const { multiplyAdds, copied, products, elements, rows, rowFunctions, networks, images, blocks } = lengths[size];
  const columns = 1000;
  const bytesOfRows = (each: RowFunction): number => 4 * rows * columns * (each === "softmax" || each === "layer norm" ? 2 : 1);
  const cnn = (mode: Cnn["mode"]): Work =>
    work(
      `CNN ${mode}, batch ${images}`,
      { kind: "cnn", mode, batch: images, side: 28, channels: [16, 32], classes: 10 },
      mode === "training" ? "steps/s" : "runs/s",
      1,
    );
  return [
    work(
      peakOfOperations,
      { kind: "multiply-adds", ...multiplyAdds },
      "GFLOP/s",
      multiplyAdds.invocations * multiplyAdds.turns * SUMS * 4 * 2,
    ),
    // Read once and written once.
    work("copy by a command", { kind: "copy", by: "command", bytes: copied }, "GB/s", 2 * copied),
    work(peakOfBytes, { kind: "copy", by: "kernel", bytes: copied }, "GB/s", 2 * copied),
    ...products.map((n) =>
      work(`product, ${n} cubed`, { kind: "gemm", m: n, n, k: n, transA: false, transB: false }, "GFLOP/s", 2 * n ** 3),
    ),
    ...(["gelu", "exp"] as const).map((activation: Activation) =>
      work(activation === "gelu" ? "gelu(a·x + b)" : activation, { kind: "elementwise", activation, length: elements }, "GB/s", 8 * elements),
    ),
    ...rowFunctions.map((name) =>
      work(`${name}, ${rows}×${columns}`, { kind: "rows", name, rows, columns }, "GB/s", bytesOfRows(name)),
    ),
    ...networks.map(({ dims, batch }) =>
      work(`MLP ${dims.join("-")}, batch ${batch}`, { kind: "mlp", dims, batch }, "steps/s", 1),
    ),
    cnn("inference"),
    cnn("training"),
    ...blocks.map(({ batch, sequence, width, heads }) =>
      work(`attention ${batch}×${sequence}×${width}`, { kind: "attention", batch, sequence, width, heads }, "runs/s", 1),
    ),
  ];
}

/** Works whose dispatches and submissions are counted, too. */
export const isCounted = ({ task: { kind } }: Work): boolean => kind === "mlp" || kind === "cnn" || kind === "attention";

/** Works that say what the GPU can do, whoever asks. */
export const isCeiling = ({ task }: Work): boolean => task.kind === "multiply-adds" || task.kind === "copy";
