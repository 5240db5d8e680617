/**
 * The works of every suite. Tolerances allow for another order of summation and another polynomial, not for another
 * formula.
 */
import type { Activation, Attention, Cnn, Registers, RowFunction, Suite, Work } from "./work.ts";

function gemm(m: number, n: number, k: number, layout: "nn" | "tn" | "nt"): Work {
  return {
    suite: "gemm",
    name: m === n && n === k ? `${m} ${layout}` : `${m}×${k}·${k}×${n} ${layout}`,
    task: { kind: "gemm", m, n, k, transA: layout === "tn", transB: layout === "nt" },
    unit: "GFLOP/s",
    amount: 2 * m * n * k,
    tolerance: 1e-5,
  };
}

function elementwise(activation: Activation): Work {
  const length = 4 * 2 ** 20;
  const name = activation === "gelu" ? "gelu(a·x + b)" : activation;
  return {
    suite: "elementwise", name, task: { kind: "elementwise", activation, length }, unit: "ns/element", amount: length,
    tolerance: 1e-5,
  };
}

function rows(name: RowFunction): Work {
  const task = { kind: "rows", name, rows: 4096, columns: 1000 } as const;
  return { suite: "reduce", name, task, unit: "ms", amount: 1, tolerance: 1e-5 };
}

function mlp(suite: Suite, dims: readonly number[], batch: number, eager = false): Work {
  return {
    suite, name: `${dims.join("-")}, batch ${batch}${eager ? ", eager" : ""}`,
    task: { kind: "mlp", dims, batch, eager }, unit: "steps/s", amount: 1, tolerance: 1e-4,
  };
}

function cnn(mode: Cnn["mode"]): Work {
  return {
    suite: "cnn",
    name: `${mode}, batch 64`,
    task: { kind: "cnn", mode, batch: 64, side: 28, channels: [16, 32], classes: 10 },
    unit: mode === "training" ? "steps/s" : "runs/s",
    amount: 1,
    tolerance: 1e-4,
  };
}

const block: Attention = { kind: "attention", batch: 8, sequence: 128, width: 128, heads: 4 };

/** 12 sums in flight hide the latency of a fused multiply-add, and leave registers for its operands. */
const registers: Registers = { kind: "registers", vectors: 12, turns: 1 << 17 };

/** Every work but the cold ones, which are processes of their own. */
export const works: readonly Work[] = [
  {
    suite: "gemm", name: "registers only", task: registers, unit: "GFLOP/s",
    amount: registers.vectors * registers.turns * 8, tolerance: 0,
  },
  ...[256, 512, 1024, 2048].map((n) => gemm(n, n, n, "nn")),
  gemm(1024, 1024, 1024, "tn"),
  gemm(1024, 1024, 1024, "nt"),
  // The three products of a layer 784 → 256 at batch 128: forward, gradient by weight, gradient by input.
  gemm(128, 256, 784, "nn"),
  gemm(784, 256, 128, "tn"),
  gemm(128, 784, 256, "nt"),
  ...(["gelu", "tanh", "exp", "sigmoid"] as const).map(elementwise),
  ...(["sum axis 0", "sum axis 1", "argmax", "variance", "softmax", "logsumexp", "layer norm"] as const).map(rows),
  mlp("train", [2, 16, 16, 2], 32),
  mlp("train", [784, 256, 128, 10], 128),
  mlp("train", [784, 1024, 1024, 10], 512),
  mlp("train", [784, 256, 128, 10], 128, true),
  cnn("inference"),
  cnn("training"),
  {
    suite: "attention", name: "block, forward + backward", task: block, unit: "runs/s", amount: 1, tolerance: 1e-4,
  },
];

/** The network whose first step ends a cold start. */
export const coldWork: Work = mlp("cold", [784, 256, 128, 10], 128);
/** Steps after which the peak memory of a cold process is read. */
export const coldSteps = 300;
