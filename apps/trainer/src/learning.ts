/**
 * How the weights of a network are found: by gradients (`fit`), by a formula (least squares, ridge), by Newton's method
 * (logistic regression), or one mistake at a time (perceptron). Whatever the way, the loop is that of `fit`, so that
 * checkpoints, logs and reports are made by the same code. The mathematics is in `@dormouse/optim` and `@dormouse/nn`.
 */
import { type Dataset, bootstrap } from "@dormouse/data";
import { type Linear, Perceptron, Sequential } from "@dormouse/nn";
import { type LinearFit, leastSquares, logisticRegression, ridge, sgd } from "@dormouse/optim";
import { type Tensor, ValueError, cast, evaluate, reshape, tensor, transpose } from "@dormouse/tensor";
import { type Callback, type Example, type FitOptions, type Run, fit } from "@dormouse/train";
import { onAccelerator } from "./device.ts";
import { Failure } from "./failure.ts";
import { Member, Network, prepare } from "./models.ts";
import type { Task } from "./schema.ts";
import type { Settings } from "./settings.ts";

/** What `fit` takes, of examples that can be drawn from at will. */
export type LearningOptions = FitOptions<Network> & { readonly data: { readonly train: Dataset<Example> } };

type Kind = Settings["model"]["kind"];

/** Whether a model is found without a gradient step, so that learning rates and schedules mean nothing to it. */
export const isSolved = (kind: Kind, task: Task): boolean =>
  kind === "ridge" || kind === "logistic" || kind === "perceptron" || (kind === "linear" && task.kind === "regression");

/** Trains a network. The one given is spent. */
export async function trainNetwork(network: Network, { model, seed }: Pick<Settings, "model" | "seed">, task: Task, options: LearningOptions): Promise<Run<Network>> {
  const { train } = options.data;
  if (isSolved(model.kind, task)) return fit(network, await solving(network, model, seed, options));
  const data = { ...options.data, train: model.norm === "batch" ? withoutSingle(train, options.batch ?? 32) : train };
  return onAccelerator(network, (own) => fit(own, { ...options, data }), (run) => run.model, (run, own) => ({ ...run, model: own }));
}

/**
 * A loop whose gradient steps change nothing: weights change between its epochs, by a formula that is done after one
 * epoch, or by the mistakes of a perceptron.
 */
async function solving(network: Network, model: Settings["model"], seed: number, options: LearningOptions): Promise<LearningOptions> {
  const { train } = options.data;
  // The members of an ensemble differ by their samples, as the way to the weights has no chance in it (Breiman, 1996).
  const samples = network.members.map((_, i) => (network.members.length === 1 ? train : sampleOf(train, seed + i)));
  const examples = samples.map((sample) => everything(sample, network));
  const epochs = model.kind === "perceptron" ? (options.epochs ?? 10) : 1;
  const pass = async (current: Network): Promise<{ readonly model: Network; readonly done: boolean }> => {
    const members = await Promise.all(current.members.map((member, i) => solveMember(member, model, examples[i]!)));
    return { model: new Network(current.task, members.map(({ member }) => member)), done: members.every(({ done }) => done) };
  };
  const solver: Callback<Network> = {
    async start({ model: current, history, step }) {
      // Within an epoch the pass has been made: what follows it is only counting.
      if (step > 0 || history.length === epochs) return undefined;
      return { model: (await pass(history.length === 0 ? zeroed(current) : current)).model };
    },
    async epoch({ epoch }, progress) {
      if (epoch + 1 === epochs) return undefined;
      const { model: next, done } = await pass(progress.model);
      return done ? "stop" : { model: next };
    },
  };
  // An average would mix what was solved with the random weights of the beginning.
  const { averaging: _none, ...rest } = options;
  // The solver comes last, so that a checkpoint holds the weights of the epoch whose scores it knows.
  return { ...rest, epochs, optimizer: still, callbacks: [...(options.callbacks ?? []), solver] };
}

/** Changes nothing. */
const still = sgd({ learningRate: 0 });

/** Batch statistics need two examples: one that would be alone in the last batch of an epoch is left out. */
const withoutSingle = (train: Dataset<Example>, batch: number): Dataset<Example> =>
  batch > 1 && train.length > batch && train.length % batch === 1 ? train.take(train.length - 1) : train;

const sampleOf = (train: Dataset<Example>, seed: number): Dataset<Example> => train.subset(bootstrap(train.length, { seed }).sample);

interface AllExamples {
  /** [n, inputs], float64. */
  readonly x: Tensor;
  /** [n]: standardized values in float64, or class numbers. */
  readonly y: Tensor;
}

function everything(train: Dataset<Example>, { members: [member] }: Network): AllExamples {
  const { x, y } = train.batch(Uint32Array.from({ length: train.length }, (_, row) => row), 0);
  const prepared = { x: cast(prepare(member!.preparation, x), "float64"), y: cast(reshape(y, [train.length]), "float64") };
  evaluate(prepared);
  return prepared;
}

/** One epoch of the way to the weights; the ways that are formulas are done after it. */
async function solveMember(member: Member, { kind, penalty }: Settings["model"], { x, y }: AllExamples): Promise<{ member: Member; done: boolean }> {
  const linear = member.layers.layers[0] as Linear;
  const solved = (weights: Tensor, intercept: Tensor, done = true) => ({ member: new Member(member.preparation, new Sequential(withWeights(linear, weights, intercept))), done });
  switch (kind) {
    case "linear": {
      const { weights, intercept } = leastSquares(x, y, { intercept: true });
      return solved(weights, intercept);
    }
    case "ridge": {
      const { weights, intercept } = ridge(x, y, { lambda: penalty, intercept: true });
      return solved(weights, intercept);
    }
    case "logistic": {
      const { weights, intercept } = await logistic(x, y, penalty);
      return solved(weights, intercept);
    }
    case "perceptron": {
      const before = new Perceptron(Array.from(await linear.weight.data()), (await linear.bias!.data())[0]!, { errors: [], converged: false });
      const after = before.fit((await x.array()) as number[][], Array.from(await y.data()), { epochs: 1 });
      return solved(tensor([...after.weights]), tensor(after.bias!), after.converged);
    }
    case "softmax":
    case "mlp":
    case "cnn":
      throw new Error(`unreachable: ${kind} is learned by gradients`);
  }
}

/** Newton's method, which finds nothing where the best weights are infinite. */
async function logistic(x: Tensor, y: Tensor, penalty: number): Promise<LinearFit> {
  try {
    return await logisticRegression(x, y, { l2: penalty, intercept: true });
  } catch (error) {
    if (error instanceof ValueError) throw new Failure("usage", `--model logistic: ${error.message.replace(/^\w+: |;.*$/g, "")}; give a --penalty above 0`);
    throw error;
  }
}

/** The layer with other weights, in its dtype and shapes. */
function withWeights(linear: Linear, weights: Tensor, intercept: Tensor): Linear {
  const copy = Object.create(Object.getPrototypeOf(linear) as object) as Linear;
  const weight = reshape(transpose(reshape(cast(weights, "float32"), [-1, 1])), linear.weight.shape);
  const bias = reshape(cast(intercept, "float32"), linear.bias!.shape);
  evaluate([weight, bias]);
  return Object.assign(copy, linear, { weight, bias });
}

/** Weights of 0, where a perceptron begins; the others do not care. */
function zeroed(network: Network): Network {
  const members = network.members.map(({ preparation, layers }) => {
    const linear = layers.layers[0] as Linear;
    return new Member(preparation, new Sequential(withWeights(linear, tensor(new Float64Array(linear.weight.size)), tensor(0))));
  });
  return new Network(network.task, members);
}
