/** TensorFlow.js on its wasm backend: eager, one thread in Node. Images are [N, H, W, C] there. */
import tf from "@tensorflow/tfjs";
import {
  type Batch, type Values, adamOptions, affine, blockInput, blockParameters, cnnBatches, cnnParameters, epsilon,
  geluConstants, mlpBatches, mlpLayers, permuted, uniform,
} from "../works/data.ts";
import type { Activation, Attention, Cnn, RowFunction, Task, Work } from "../works/work.ts";
import { provideGpu } from "../gpu/provide.ts";
import { type Prepared, type System, checkedSteps } from "./system.ts";
import { versionOf } from "./version.ts";

type Tensor = tf.Tensor;

export async function tfjs(name: "tfjs-wasm" | "tfjs-webgpu"): Promise<System> {
  if (name === "tfjs-webgpu") return tfjsOnGpu();
  await import("@tensorflow/tfjs-backend-wasm");
  if (!(await tf.setBackend("wasm"))) throw new Error("tfjs: its wasm backend does not start");
  await tf.ready();
  const simd = (await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT")) ? "SIMD" : "no SIMD";
  return {
    name,
    version: `${versionOf("@tensorflow/tfjs")} (${simd})`,
    threads: 1,
    prepare: (work: Work) => Promise.resolve(prepare(work.task)),
  };
}

async function tfjsOnGpu(): Promise<System> {
  await provideGpu();
  await import("@tensorflow/tfjs-backend-webgpu");
  if (!(await tf.setBackend("webgpu"))) throw new Error("tfjs: its webgpu backend does not start");
  await tf.ready();
  // It collects operations and submits them with the next read, which the GPU answers when it is done with all. What
  // has fewer than 1000 elements might be computed on the processor instead.
  const some = tf.zeros([2048]);
  const settle = async (): Promise<void> => {
    const last = tf.neg(some);
    await last.data();
    last.dispose();
  };
  return {
    name: "tfjs-webgpu",
    version: versionOf("@tensorflow/tfjs-backend-webgpu"),
    threads: 1,
    prepare: (work: Work) => Promise.resolve({ ...prepare(work.task), settle }),
  };
}

const toTensor = ({ data, shape }: Values): Tensor => tf.tensor(data, [...shape]);
const turned = ({ data, shape }: Values, axes: readonly number[]): Tensor =>
  tf.tensor(permuted(data, shape, axes), axes.map((axis) => shape[axis]!));

function prepare(task: Task): Prepared {
  switch (task.kind) {
    case "registers":
    case "multiply-adds":
    case "copy":
      throw new Error("runs nothing but its own operations");
    case "gemm": {
      const { m, n, k, transA, transB } = task;
      const a = tf.tensor(uniform(m * k, 1, -1, 1), transA ? [k, m] : [m, k]);
      const b = tf.tensor(uniform(k * n, 2, -1, 1), transB ? [n, k] : [k, n]);
      return ofFunction(() => [tf.matMul(a, b, transA, transB)], [a, b]);
    }
    case "elementwise": {
      const x = tf.tensor(uniform(task.length, 1, -3, 3));
      return ofFunction(() => [activations[task.activation](x)], [x]);
    }
    case "rows": {
      const x = tf.tensor(uniform(task.rows * task.columns, 1, -3, 3), [task.rows, task.columns]);
      return ofFunction(() => [rowFunctions[task.name](x)], [x]);
    }
    case "mlp": {
      const variables = mlpLayers(task)
        .flatMap(({ weight, bias }) => [weight, bias])
        .map((values) => tf.variable(toTensor(values)));
      return ofTraining(variables, (x) => mlp(variables, x), batchesOf(mlpBatches(task)));
    }
    case "cnn": {
      const variables = cnnVariables(task);
      const data = batchesOf(cnnBatches(task), [0, 2, 3, 1]);
      if (task.mode === "training") return ofTraining(variables, (x) => cnn(variables, x), data);
      return ofFunction(() => [cnn(variables, data[0]!.x)], [...variables, ...data.flatMap(({ x, y }) => [x, y])]);
    }
    case "attention":
      return ofBlock(task);
  }
}

function ofFunction(f: () => Tensor[], held: readonly Tensor[]): Prepared {
  return {
    async check() {
      const results = tf.tidy(f);
      const values = await Promise.all(results.map((result) => result.data()));
      tf.dispose(results);
      return values;
    },
    run() {
      tf.dispose(tf.tidy(f));
    },
    settle: () => Promise.resolve(),
    dispose: () => tf.dispose([...held]),
  };
}

interface Data {
  readonly x: Tensor;
  readonly y: Tensor;
}

const batchesOf = (batches: readonly Batch[], axes?: readonly number[]): readonly Data[] =>
  batches.map(({ x, y }) => ({ x: axes ? turned(x, axes) : toTensor(x), y: toTensor(y) }));

function ofTraining(
  variables: readonly tf.Variable[],
  forward: (x: Tensor) => Tensor,
  data: readonly Data[],
): Prepared {
  const { learningRate, beta1, beta2, eps } = adamOptions;
  const optimizer = tf.train.adam(learningRate, beta1, beta2, eps);
  let loss: Tensor | null = null;
  let steps = 0;
  const run = (): void => {
    const { x, y } = data[steps++ % data.length]!;
    loss?.dispose();
    loss = optimizer.minimize(() => tf.losses.softmaxCrossEntropy(y, forward(x)) as tf.Scalar, true, [...variables]);
  };
  return {
    async check() {
      const losses: number[] = [];
      for (let i = 0; i < checkedSteps; i++) {
        run();
        losses.push((await loss!.data())[0]!);
      }
      return [losses];
    },
    run,
    async settle() {
      await loss?.data();
    },
    dispose() {
      optimizer.dispose();
      loss?.dispose();
      tf.dispose([...variables, ...data.flatMap(({ x, y }) => [x, y])]);
    },
  };
}

function mlp(p: readonly Tensor[], x: Tensor): Tensor {
  let h = x;
  for (let i = 0; i < p.length; i += 2) {
    h = tf.add(tf.matMul(h, p[i]!), p[i + 1]!);
    if (i + 2 < p.length) h = tf.relu(h);
  }
  return h;
}

function cnnVariables(task: Cnn): tf.Variable[] {
  const { filter1, bias1, filter2, bias2, weight, bias } = cnnParameters(task);
  const side = task.side / 4;
  const channels = task.channels[1];
  // Rows of the last weight follow the image: channels come last here.
  const rows = { data: weight.data, shape: [channels, side, side, task.classes] };
  const last = turned(rows, [1, 2, 0, 3]).reshape([side * side * channels, task.classes]);
  const filters = [filter1, filter2].map((filter) => turned(filter, [2, 3, 1, 0]));
  const start = [filters[0]!, toTensor(bias1), filters[1]!, toTensor(bias2), last, toTensor(bias)];
  return start.map((value) => tf.variable(value));
}

function cnn([filter1, bias1, filter2, bias2, weight, bias]: readonly Tensor[], x: Tensor): Tensor {
  const layer = (input: Tensor, filter: Tensor, shift: Tensor): Tensor => {
    const y = tf.add(tf.conv2d(input as tf.Tensor4D, filter as tf.Tensor4D, 1, "same"), shift);
    return tf.maxPool(tf.relu(y) as tf.Tensor4D, 2, 2, "valid");
  };
  const h = layer(layer(x, filter1!, bias1!), filter2!, bias2!);
  return tf.add(tf.matMul(h.reshape([h.shape[0]!, -1]), weight!), bias!);
}

function gelu(z: Tensor): Tensor {
  const { scale, cubic } = geluConstants;
  const inner = tf.mul(tf.add(z, tf.mul(tf.mul(tf.mul(z, z), z), cubic)), scale);
  return tf.mul(tf.mul(z, 0.5), tf.add(tf.tanh(inner), 1));
}

const activations: Record<Activation, (x: Tensor) => Tensor> = {
  gelu: (x) => gelu(tf.add(tf.mul(x, affine.a), affine.b)),
  tanh: (x) => tf.tanh(x),
  exp: (x) => tf.exp(x),
  sigmoid: (x) => tf.sigmoid(x),
};

function standardized(x: Tensor): Tensor {
  const centered = tf.sub(x, tf.mean(x, -1, true));
  return tf.div(centered, tf.sqrt(tf.add(tf.mean(tf.square(centered), -1, true), epsilon)));
}

const rowFunctions: Record<RowFunction, (x: Tensor) => Tensor> = {
  "sum axis 0": (x) => tf.sum(x, 0),
  "sum axis 1": (x) => tf.sum(x, 1),
  argmax: (x) => tf.argMax(x, 1),
  variance: (x) => tf.moments(x, 1).variance,
  softmax: (x) => tf.softmax(x, 1),
  logsumexp: (x) => tf.logSumExp(x, 1),
  "layer norm": standardized,
};

function ofBlock(task: Attention): Prepared {
  const { batch, sequence, width, heads } = task;
  const args = [blockInput(task), ...(Object.values(blockParameters(task)) as Values[])].map(toTensor);
  const product = (x: Tensor, weight: Tensor): Tensor =>
    tf.matMul(x.reshape([batch * sequence, -1]), weight).reshape([batch, sequence, -1]);
  const split = (x: Tensor): Tensor => tf.transpose(x.reshape([batch, sequence, heads, width / heads]), [0, 2, 1, 3]);
  const norm = (x: Tensor, gain: Tensor, shift: Tensor): Tensor => tf.add(tf.mul(standardized(x), gain), shift);
  const lossOf = (...all: Tensor[]): tf.Scalar => {
    const [x, gain1, shift1, query, key, value, output, gain2, shift2, widen, widenBias, narrow, narrowBias] = all as [
      Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor,
    ];
    const rested = norm(x, gain1, shift1);
    const project = (weight: Tensor): Tensor => split(product(rested, weight));
    const [q, k, v] = [project(query), project(key), project(value)];
    const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(width / heads));
    const mixed = tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]).reshape([batch, sequence, width]);
    const attended = tf.add(x, product(mixed, output));
    const hidden = gelu(tf.add(product(norm(attended, gain2, shift2), widen), widenBias));
    return tf.mean(tf.square(tf.add(attended, tf.add(product(hidden, narrow), narrowBias))));
  };
  const derive = tf.valueAndGrads(lossOf);
  return ofFunction(() => {
    const { value, grads } = derive(args);
    return [value, ...grads];
  }, args);
}
