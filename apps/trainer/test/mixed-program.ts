/** What `mixed-gpu.test.ts` trains, in the runtime that finds a GPU with half precision. */
import { cpu } from "@dormouse/backend-cpu";
import { describeAdapter, webgpu } from "@dormouse/backend-webgpu";
import { digits } from "@dormouse/data";
import { crossEntropy } from "@dormouse/losses";
import { accuracy } from "@dormouse/metrics";
import { BatchNorm, Conv2d, Flatten, LayerNorm, Linear, MaxPool2d, Sequential } from "@dormouse/nn";
import { type LossScaleOptions, type State, adam, cosineDecay, lossScaleOf, skippedStepsOf } from "@dormouse/optim";
import { cast, div, foldIn, key, relu, reshape, setDevice, treeLeaves } from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { type EpochReport, fit } from "@dormouse/train";

/** How a run ended. */
export interface MixedRun {
  readonly history: readonly EpochReport[];
  readonly scale: number;
  readonly steps: number;
  readonly skipped: number;
  readonly dtypes: readonly string[];
}

export interface MixedReport {
  /** The GPU, or why there is none. */
  readonly adapter: string;
  /** Whether it has half precision; nothing is trained if not. */
  readonly hasFloat16: boolean;
  /** A network of each kind: mixed precision on the GPU, and float32 on the processor. */
  readonly runs: readonly { readonly name: string; readonly mixed: MixedRun; readonly wide: MixedRun }[];
  /** Mixed precision that begins with a scale that is far too large. */
  readonly steep: MixedRun | null;
}

const part = (n: number) => ({ key: foldIn(key(2), n) });
const models = {
  mlp: () => new Sequential(
    new Flatten(), new Linear(784, 33, part(0)), new LayerNorm(33), relu, new Linear(33, 10, part(1)),
  ),
  cnn: () => new Sequential(
    new Conv2d(1, 4, 3, { padding: 1, ...part(0) }), new BatchNorm(4), relu, new MaxPool2d(4),
    new Flatten(), new Linear(196, 10, part(1)),
  ),
};

async function trainOn(
  device: Device, name: keyof typeof models, precision: "float32" | "mixed", lossScale: LossScaleOptions = {},
): Promise<MixedRun> {
  setDevice(device);
  const examples = digits({ count: 600, seed: 0 }).map(({ x, y }) => ({
    x: reshape(div(cast(x, "float32"), 255), [-1, 1, 28, 28]), y,
  }));
  const run = await fit<Sequential>(models[name](), {
    data: { train: examples.slice(0, 400), validation: examples.slice(400) }, loss: crossEntropy, metrics: { accuracy },
    optimizer: adam({ learningRate: cosineDecay(0.02, 96) }), epochs: 6, batch: 25, precision, lossScale,
  });
  const dtypes = treeLeaves(run.model).map(({ dtype }) => dtype);
  if (precision === "float32") return { history: run.history, dtypes, scale: 1, steps: 96, skipped: 0 };
  const state = run.state as State;
  const counts = [lossScaleOf(state), state.step, skippedStepsOf(state)];
  const [scale, steps, skipped] = (await Promise.all(counts.map((each) => each.item()))) as [number, number, number];
  return { history: run.history, dtypes, scale, steps, skipped };
}

/** Trains in mixed precision on the GPU, and in float32 on the processor. */
export async function mixedProgram(): Promise<MixedReport> {
  const found = await describeAdapter();
  if (!found.available) return { adapter: found.reason, hasFloat16: false, runs: [], steep: null };
  await using gpu = await webgpu();
  const hasFloat16 = gpu.backend.capabilities.dtypes.has("float16");
  if (!hasFloat16) return { adapter: found.name, hasFloat16, runs: [], steep: null };
  await using processor = await cpu({ threads: 1 });
  const runs = [];
  for (const name of ["mlp", "cnn"] as const) {
    runs.push({ name, mixed: await trainOn(gpu, name, "mixed"), wide: await trainOn(processor, name, "float32") });
  }
  const steep = await trainOn(gpu, "mlp", "mixed", { initial: 2 ** 24, growthInterval: 30 });
  return { adapter: found.name, hasFloat16, runs, steep };
}
