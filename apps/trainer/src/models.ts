/**
 * The models that can be asked for, put together from the layers of `@dormouse/nn`. A network also knows how its input
 * arrives (bytes of images, or numbers), so that everything from raw examples to outputs is one compiled program. How
 * weights are found is the business of `learning.ts`.
 */
import { stopGradient } from "@dormouse/autograd";
import {
  BatchNorm, Conv2d, Dropout, Flatten, GroupNorm, LayerNorm, type Layer, Linear, MaxPool2d, Sequential, advance, elu, gelu,
  leakyRelu, silu,
} from "@dormouse/nn";
import {
  type Key, type Tensor, add, cast, concat, div, foldIn, key, logSigmoid, logSoftmax, logsumexp, mean, mul, neg, relu,
  reshape, sigmoid, stack, sub, tanh, treeLeaves,
} from "@dormouse/tensor";
import type { Forward } from "@dormouse/train";
import { Failure } from "./failure.ts";
import { type Schema, type Task, inputsOf, outputsOf } from "./schema.ts";
import type { Settings } from "./settings.ts";

/** How examples reach the first layer. */
export type Preparation = "numbers" | "flat pixels" | "pixels";

/** Layers, and what happens before the first of them. */
export class Member {
  readonly preparation: Preparation;
  readonly layers: Sequential;

  constructor(preparation: Preparation, layers: Sequential) {
    this.preparation = preparation;
    this.layers = layers;
  }
}

/** One model, or several whose predictions are averaged: a deep ensemble (Lakshminarayanan et al., 2017). */
export class Network {
  readonly task: Task["kind"];
  readonly members: readonly Member[];

  constructor(task: Task["kind"], members: readonly Member[]) {
    this.task = task;
    this.members = members;
  }
}

/** The members of several networks as one. */
export const combined = (networks: readonly Network[]): Network =>
  new Network(networks[0]!.task, networks.flatMap(({ members }) => members));

/**
 * The outputs of a network for raw examples, as `fit`, `evaluateModel` and `predict` take it: values [n, 1] or logits
 * [n, c]. In training the members of an ensemble do not know of each other: their outputs come one below the other,
 * [members · n, c], and the loss repeats the targets (`tasks.ts`).
 */
export const forward: Forward<Network> = ({ task, members }, x, context) => {
  const single = members.length === 1;
  const results = members.map(({ preparation, layers }, i) => {
    const own = context.key && !single ? { key: foldIn(context.key, i) } : context;
    // In mixed precision weights are float16 here, and bytes of pixels become numbers of any dtype only now.
    return advance(layers, cast(prepare(preparation, x), treeLeaves(layers)[0]!.dtype), own);
  });
  const outputs = results.map(([output]) => output);
  const next = new Network(task, members.map(({ preparation }, i) => new Member(preparation, results[i]![1])));
  const changed = members.some(({ layers }, i) => layers !== results[i]![1]);
  const all = single ? outputs[0]! : context.key ? concat(outputs.map((y) => steeper(y, members.length)), { axis: 0 }) : averaged(task, outputs);
  return changed ? [all, next] : all;
};

/** `y` with its gradient `times` as large: the mean over all members must not make each of them learn slower. */
const steeper = (y: Tensor, times: number): Tensor => add(y, mul(sub(y, stopGradient(y)), times - 1));

/**
 * One output from those of several members: the mean value, or the logits of the mean probabilities, which `softmax`
 * and `sigmoid` turn into just those.
 */
function averaged(task: Task["kind"], outputs: readonly Tensor[]): Tensor {
  switch (task) {
    case "regression":
      return mean(stack([...outputs]), { axis: 0 }) as Tensor;
    case "binary": {
      const log = (sign: (z: Tensor) => Tensor): Tensor => logsumexp(stack(outputs.map((z) => logSigmoid(sign(z)))), { axis: 0 }) as Tensor;
      return sub(log((z) => z), log(neg));
    }
    case "multiclass":
      return sub(logsumexp(stack(outputs.map((z) => logSoftmax(z, { axis: -1 }))), { axis: 0 }) as Tensor, Math.log(outputs.length));
  }
}

/** Raw examples as the first layer takes them. */
export function prepare(preparation: Preparation, x: Tensor): Tensor {
  if (preparation === "numbers") return x;
  const scaled = div(cast(x, "float32"), 255);
  const [count, height, width] = x.shape as [number, number, number];
  return preparation === "pixels" ? reshape(scaled, [count, 1, height, width]) : reshape(scaled, [count, height * width]);
}

/** Random numbers of the first weights are apart from those of training, which count from 0. */
const initialWeights = 0x696e6974;
/** And those of further members from both. */
const furtherMembers = 0x6d656d62;

/** A network with fresh weights for the inputs and outputs of a schema. */
export function buildModel({ model, seed }: Pick<Settings, "model" | "seed">, schema: Schema): Network {
  requireSuited(model.kind, schema);
  const members = Array.from({ length: model.members }, (_, i) => {
    const parent = i === 0 ? foldIn(key(seed), initialWeights) : foldIn(foldIn(key(seed), furtherMembers), i);
    return buildMember(model, schema, keysFrom(parent));
  });
  return new Network(schema.task.kind, members);
}

function buildMember(model: Settings["model"], { task, input }: Schema, keys: () => Key): Member {
  const flat = input.kind === "image" ? "flat pixels" : "numbers";
  const [inputs, outputs] = [inputsOf(input), outputsOf(task)];
  switch (model.kind) {
    case "perceptron":
    case "linear":
    case "ridge":
    case "logistic":
    case "softmax":
      return new Member(flat, new Sequential<readonly Layer[]>(new Linear(inputs, outputs, { key: keys() })));
    case "mlp":
      return new Member(flat, new Sequential<readonly Layer[]>(...dense(inputs, outputs, model, keys)));
    case "cnn": {
      const { height, width } = input as Extract<Schema["input"], { kind: "image" }>;
      return new Member("pixels", new Sequential<readonly Layer[]>(...convolutions(height, width, outputs, model, keys)));
    }
  }
}

/** Refuses a model that cannot do the task, and says which can. */
function requireSuited(kind: Settings["model"]["kind"], { task, input }: Schema): void {
  const refuse = (why: string): never => {
    throw new Failure("usage", `--model ${kind}: ${why}`);
  };
  const regression = task.kind === "regression";
  if (kind === "cnn" && input.kind !== "image") refuse("needs images; use mlp or linear for tables");
  if (kind === "ridge" && !regression) refuse(`predicts numbers, and ${task.name} is a class; use ${task.kind === "binary" ? "logistic" : "softmax"}`);
  if (kind === "softmax" && regression) refuse(`tells classes apart, and ${task.name} is a number; use linear or ridge`);
  if (kind !== "logistic" && kind !== "perceptron") return;
  if (regression) refuse(`tells two classes apart, and ${task.name} is a number; use linear or ridge`);
  if (task.kind === "multiclass") refuse(`tells two classes apart, and ${task.name} has ${task.classes.length}; use softmax`);
}

/** What can stand between two layers. */
const activations: Readonly<Record<Settings["model"]["activation"], (x: Tensor) => Tensor>> = {
  relu, leakyRelu, elu, gelu, silu, tanh, sigmoid,
};

/** The name of an activation that `buildModel` has put into a network. */
export const activationName = (layer: (x: Tensor) => Tensor): Settings["model"]["activation"] =>
  (Object.keys(activations) as Settings["model"]["activation"][]).find((name) => activations[name] === layer)!;

type Hidden = Pick<Settings["model"], "hidden" | "activation" | "norm" | "dropout">;

/** Hidden layers, each with its normalization, activation and dropout, and the output. */
function dense(inputs: number, outputs: number, { hidden, activation, norm, dropout }: Hidden, keys: () => Key): Layer[] {
  const widths = [inputs, ...hidden];
  return [
    ...hidden.flatMap((width, i) => [
      new Linear(widths[i]!, width, { key: keys() }),
      ...(norm === "batch" ? [new BatchNorm(width)] : norm === "layer" ? [new LayerNorm(width)] : []),
      activations[activation] as Layer,
      ...(dropout > 0 ? [new Dropout(dropout)] : []),
    ]),
    new Linear(widths.at(-1)!, outputs, { key: keys() }),
  ];
}

/** Filters of the two convolutions. */
const filters = [16, 32] as const;

/** conv3×3, normalization, activation, pool, twice; then dense layers. */
function convolutions(height: number, width: number, outputs: number, model: Hidden, keys: () => Key): Layer[] {
  const pixels = Math.floor(height / 4) * Math.floor(width / 4);
  if (pixels === 0) throw new Failure("usage", `--model cnn: images of ${height} x ${width} are too small; at least 4 x 4`);
  const block = (from: number, to: number): Layer[] => [
    new Conv2d(from, to, 3, { padding: 1, key: keys() }),
    // The layer norm of images is over all channels and places, with a scale per channel.
    ...(model.norm === "batch" ? [new BatchNorm(to)] : model.norm === "layer" ? [new GroupNorm(1, to)] : []),
    activations[model.activation] as Layer,
    new MaxPool2d(2),
  ];
  return [...block(1, filters[0]), ...block(filters[0], filters[1]), new Flatten(), ...dense(filters[1] * pixels, outputs, model, keys)];
}

/** One key after another. */
function keysFrom(parent: Key): () => Key {
  let count = 0;
  return () => foldIn(parent, count++);
}
