/** Dormouse, as its users write it: functions of trees, compiled, with the state donated from step to step. */
import { valueAndGrad } from "@dormouse/autograd";
import { adam } from "@dormouse/optim";
import {
  type Tensor, add, argmax, compile, conv2d, div, evaluate, exp, linear, logSoftmax, logsumexp, matmul, maxPool2d, mean, mul, neg,
  permute, relu, reshape, scope, setDevice, sigmoid, softmax, sqrt, square, sub, sum, tanh, tensor, transpose, treeLeaves,
  variance,
} from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import {
  type Batch, type Values, adamOptions, affine, blockInput, blockParameters, cnnBatches, cnnParameters, epsilon,
  geluConstants, mlpBatches, mlpLayers, permuted, uniform,
} from "../works/data.ts";
import type { Activation, Attention, Cnn, Mlp, RowFunction, Task, Work } from "../works/work.ts";
import { ofRegisters } from "./registers.ts";
import { type Prepared, type System, type SystemName, checkedSteps } from "./system.ts";
import { versionOf } from "./version.ts";

/** @param threads those of the device */
export function dormouse(name: SystemName, device: Device, threads: number): System {
  setDevice(device);
  return {
    name,
    version: `${versionOf("@dormouse/tensor")} on ${device.name}`,
    threads,
    prepare: (work: Work) => Promise.resolve(prepare(work.task)),
  };
}

function prepare(task: Task): Prepared {
  switch (task.kind) {
    case "registers":
      return ofRegisters(task);
    case "multiply-adds":
    case "copy":
      throw new Error("is a work for a GPU");
    case "gemm": {
      const { m, n, k, transA, transB } = task;
      const a = tensor(uniform(m * k, 1, -1, 1), { shape: transA ? [k, m] : [m, k] });
      const b = tensor(uniform(k * n, 2, -1, 1), { shape: transB ? [n, k] : [k, n] });
      const turned = (x: Tensor, yes: boolean): Tensor => (yes ? transpose(x) : x);
      return ofFunction((p: Tensor, q: Tensor) => [matmul(turned(p, transA), turned(q, transB))], [a, b]);
    }
    case "elementwise":
      return ofFunction(
        (x: Tensor) => [activations[task.activation](x)],
        [tensor(uniform(task.length, 1, -3, 3))],
      );
    case "rows": {
      const x = tensor(uniform(task.rows * task.columns, 1, -3, 3), { shape: [task.rows, task.columns] });
      return ofFunction((rows: Tensor) => [rowFunctions[task.name](rows)], [x]);
    }
    case "mlp":
      return ofTraining(mlpModel(task), mlpForward, mlpBatches(task), task.eager);
    case "cnn": {
      const model = cnnModel(task);
      if (task.mode === "training") return ofTraining(model, cnnForward, cnnBatches(task));
      return ofFunction((m: CnnModel, x: Tensor) => [cnnForward(m, x)], [model, toTensor(cnnBatches(task)[0]!.x)]);
    }
    case "attention":
      return ofBlock(task);
  }
}

const toTensor = ({ data, shape }: Values): Tensor => tensor(data, { shape });
/** A product's matrix, [out, in] as `linear` takes it. */
const toWeight = ({ data, shape: [inputs, outputs] }: Values): Tensor =>
  tensor(permuted(data, [inputs!, outputs!], [1, 0]), { shape: [outputs!, inputs!] });

/** A compiled function of fixed arguments. */
function ofFunction<A extends readonly unknown[]>(f: (...args: A) => readonly Tensor[], args: A): Prepared {
  const compiled = compile(f);
  return {
    check: async () => Promise.all(compiled(...args).map((result) => result.data())),
    run() {
      for (const result of compiled(...args)) result.dispose();
    },
    settle: () => Promise.resolve(),
    dispose() {
      for (const leaf of treeLeaves(args)) leaf.dispose();
    },
  };
}

/** A whole training step as one compiled function. */
function ofTraining<M>(
  start: M,
  forward: (model: M, x: Tensor) => Tensor,
  batches: readonly Batch[],
  eager = false,
): Prepared {
  const lossOf = (model: M, x: Tensor, y: Tensor): Tensor =>
    neg(mean(sum(mul(y, logSoftmax(forward(model, x))), { axis: -1 })));
  const { learningRate, beta1, beta2, eps } = adamOptions;
  const optimizer = adam({ learningRate, betas: [beta1, beta2], eps });
  const once = (model: M, state: typeof optimizerState, x: Tensor, y: Tensor) => {
    const [loss, gradient] = valueAndGrad((m: M) => lossOf(m, x, y))(model);
    const [next, nextState] = optimizer.update(gradient, state, model);
    return [next, nextState, loss] as const;
  };
  const step = eager
    ? (model: M, state: typeof optimizerState, x: Tensor, y: Tensor) => {
        const results = scope(() => {
          const made = once(model, state, x, y);
          evaluate(made);
          return made;
        });
        // What a step passes on as it was, as a constant rate, is in both.
        const kept = new Set(treeLeaves(results));
        for (const leaf of treeLeaves([model, state, loss])) if (!kept.has(leaf)) leaf.dispose();
        return results;
      }
    : compile(once, { donate: [0, 1] });
  const data = batches.map(({ x, y }) => ({ x: toTensor(x), y: toTensor(y) }));
  let model = start;
  let optimizerState = optimizer.init(model);
  let loss: Tensor | null = null;
  let steps = 0;
  const run = (): void => {
    const { x, y } = data[steps++ % data.length]!;
    [model, optimizerState, loss] = step(model, optimizerState, x, y);
  };
  return {
    async check() {
      const losses: number[] = [];
      for (let i = 0; i < checkedSteps; i++) {
        run();
        losses.push(await loss!.item());
      }
      return [losses];
    },
    run,
    async settle() {
      await loss?.item();
    },
    dispose() {
      for (const leaf of treeLeaves([model, optimizerState, data])) leaf.dispose();
    },
  };
}

type MlpModel = readonly { readonly weight: Tensor; readonly bias: Tensor }[];

const mlpModel = (task: Mlp): MlpModel =>
  mlpLayers(task).map(({ weight, bias }) => ({ weight: toWeight(weight), bias: toTensor(bias) }));

const mlpForward = (layers: MlpModel, x: Tensor): Tensor =>
  layers.reduce((input, { weight, bias }, i) => {
    const output: Tensor = linear(input, weight, bias);
    return i + 1 < layers.length ? relu(output) : output;
  }, x);

type CnnModel = ReturnType<typeof cnnModel>;

function cnnModel(task: Cnn) {
  const { filter1, bias1, filter2, bias2, weight, bias } = cnnParameters(task);
  return {
    filter1: toTensor(filter1),
    bias1: toTensor(bias1),
    filter2: toTensor(filter2),
    bias2: toTensor(bias2),
    weight: toWeight(weight),
    bias: toTensor(bias),
  };
}

function cnnForward({ filter1, bias1, filter2, bias2, weight, bias }: CnnModel, x: Tensor): Tensor {
  const first = maxPool2d(relu(conv2d(x, filter1, { bias: bias1, padding: 1 })), 2);
  const second = maxPool2d(relu(conv2d(first, filter2, { bias: bias2, padding: 1 })), 2);
  return linear(reshape(second, [x.shape[0]!, weight.shape[1]!]), weight, bias);
}

function gelu(z: Tensor): Tensor {
  const { scale, cubic } = geluConstants;
  const inner = mul(add(z, mul(mul(mul(z, z), z), cubic)), scale);
  return mul(mul(z, 0.5), add(tanh(inner), 1));
}

const activations: Record<Activation, (x: Tensor) => Tensor> = {
  gelu: (x) => gelu(add(mul(x, affine.a), affine.b)),
  tanh,
  exp,
  sigmoid,
};

function standardized(x: Tensor): Tensor {
  const centered = sub(x, mean(x, { axis: -1, keepDims: true }));
  return div(centered, sqrt(add(mean(square(centered), { axis: -1, keepDims: true }), epsilon)));
}

const rowFunctions: Record<RowFunction, (x: Tensor) => Tensor> = {
  "sum axis 0": (x) => sum(x, { axis: 0 }),
  "sum axis 1": (x) => sum(x, { axis: 1 }),
  argmax: (x) => argmax(x, { axis: 1 }),
  variance: (x) => variance(x, { axis: 1, correction: 0 }),
  softmax: (x) => softmax(x, { axis: 1 }),
  logsumexp: (x) => logsumexp(x, { axis: 1 }),
  "layer norm": standardized,
};

function ofBlock(task: Attention): Prepared {
  const { batch, sequence, width, heads } = task;
  const p = blockParameters(task);
  const model = {
    gain1: toTensor(p.gain1), shift1: toTensor(p.shift1), query: toWeight(p.query), key: toWeight(p.key),
    value: toWeight(p.value), output: toWeight(p.output), gain2: toTensor(p.gain2), shift2: toTensor(p.shift2),
    widen: toWeight(p.widen), widenBias: toTensor(p.widenBias), narrow: toWeight(p.narrow),
    narrowBias: toTensor(p.narrowBias),
  };
  const split = (x: Tensor): Tensor => permute(reshape(x, [batch, sequence, heads, width / heads]), [0, 2, 1, 3]);
  const norm = (x: Tensor, gain: Tensor, shift: Tensor): Tensor => add(mul(standardized(x), gain), shift);
  const lossOf = (m: typeof model, x: Tensor): Tensor => {
    const rested = norm(x, m.gain1, m.shift1);
    const project = (weight: Tensor): Tensor => split(linear(rested, weight));
    const [q, k, v] = [project(m.query), project(m.key), project(m.value)];
    const scores = mul(matmul(q, permute(k, [0, 1, 3, 2])), 1 / Math.sqrt(width / heads));
    const mixed = reshape(permute(matmul(softmax(scores), v), [0, 2, 1, 3]), [batch, sequence, width]);
    const attended = add(x, linear(mixed, m.output));
    const hidden = gelu(linear(norm(attended, m.gain2, m.shift2), m.widen, m.widenBias));
    return mean(square(add(attended, linear(hidden, m.narrow, m.narrowBias))));
  };
  const derive = valueAndGrad((both: { model: typeof model; x: Tensor }) => lossOf(both.model, both.x));
  const prepared = ofFunction(
    (m: typeof model, x: Tensor) => {
      const [loss, gradient] = derive({ model: m, x });
      return [loss, gradient.x, ...Object.values(gradient.model)];
    },
    [model, toTensor(blockInput(task))],
  );
  const shapes = [null, null, ...Object.values(p)] as readonly (Values | null)[];
  return {
    ...prepared,
    // Gradients of products are [out, in] here and [in, out] elsewhere.
    check: async () =>
      (await prepared.check()).map((values, i) => {
        const shape = shapes[i]?.shape;
        return shape?.length === 2 ? permuted(Float32Array.from(values), [shape[1]!, shape[0]!], [1, 0]) : values;
      }),
  };
}
