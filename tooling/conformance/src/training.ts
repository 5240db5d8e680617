/**
 * Training runs on optical digits (`train-digits`): the same data, first parameters and batches as the run of the
 * case, so that in float64 the curve of losses, the first gradient and the last parameters have to agree. Layers,
 * losses and optimizers are the library's, and the step is compiled.
 */
import { valueAndGrad } from "@dormouse/autograd";
import { crossEntropy } from "@dormouse/losses";
import { BatchNorm, gelu, replace } from "@dormouse/nn";
import { cosineDecay } from "@dormouse/optim";
import {
  type Tensor, argmax, cast, compile, conv2d, equal, key, linear, maxPool2d, mean, relu, reshape, tanh, tensor,
} from "@dormouse/tensor";
import type { Arrays, Case, CaseFile } from "./case.ts";
import { Checks, type FloatType, specOf, toTensors } from "./checks.ts";
import { readTable } from "./data.ts";
import { type Configuration, optimizers, optionsOf } from "./optimizers/trajectory.ts";

/** A run: what it starts from and what comes out. */
export interface TrainingCase extends Omit<Case, "tol"> {
  readonly optimiser: Configuration & { readonly name: string };
  readonly schedule?: { readonly name: "cosine"; readonly T_max: number; readonly eta_min: number };
  readonly batches: readonly (readonly number[])[];
  readonly init: Arrays;
  readonly init_buffers?: Arrays;
  readonly loss: readonly number[];
  readonly grad_step0: Arrays;
  readonly final: Arrays;
  readonly final_buffers?: Arrays;
  readonly test: { readonly accuracy: number; readonly loss: number };
  readonly tol: {
    readonly f64: { readonly loss: number; readonly params: number };
    readonly f32: { readonly loss: number; readonly test_accuracy: number };
  };
}

/** The file of the group, which names the data. */
export interface TrainingFile extends CaseFile {
  readonly data: { readonly train: string; readonly test: string };
}

type Named = Readonly<Record<string, Tensor>>;

/** Logits, and the buffers after a training step. Without `trains`, buffers are used and stay. */
type Network = (params: Named, buffers: Named, x: Tensor, trains: boolean) => readonly [logits: Tensor, buffers: Named];

const perceptron =
  (activation: (x: Tensor) => Tensor): Network =>
  ({ w1, b1, w2, b2 }, buffers, x) => [linear(activation(linear(x, w1!, b1!)), w2!, b2!), buffers];

/** Networks by the names of the cases, which describe them. */
const networks: Readonly<Record<string, Network>> = {
  mlp_relu_sgd: perceptron(relu),
  mlp_tanh_adam: perceptron(tanh),
  mlp_gelu_adamw_cosine: perceptron((x) => gelu(x)),
  softmax_regression_sgd: ({ w, b }, buffers, x) => [linear(x, w!, b!), buffers],
  cnn_adam: ({ cw, cb, w, b }, buffers, x) => {
    const images = reshape(x, [x.shape[0]!, 1, 8, 8]);
    const pooled = maxPool2d(relu(conv2d(images, cw!, { bias: cb!, padding: 1 })), 2);
    return [linear(reshape(pooled, [x.shape[0]!, -1]), w!, b!), buffers];
  },
  mlp_batchnorm_sgd: ({ w1, b1, gamma, beta, w2, b2 }, { running_mean, running_var }, x, trains) => {
    const dtype = x.dtype as FloatType;
    const norm = replace(new BatchNorm(gamma!.size, { dtype }), {
      weight: gamma!, bias: beta!, runningMean: running_mean!, runningVariance: running_var!,
    });
    const hidden = linear(x, w1!, b1!);
    const [normalized, next] = trains ? norm.forward(hidden, { key: key(0) }) : [norm.forward(hidden), norm];
    return [
      linear(relu(normalized), w2!, b2!),
      { running_mean: next.runningMean, running_var: next.runningVariance },
    ];
  },
};

interface Examples {
  readonly pixels: readonly number[][];
  readonly labels: readonly number[];
}

const examplesOf = (folder: string, file: string): Examples => {
  const rows = readTable(folder, file).map((row) => row.map(Number));
  return { pixels: rows.map((row) => row.slice(0, 64).map((pixel) => pixel / 16)), labels: rows.map((row) => row[64]!) };
};

function batchOf({ pixels, labels }: Examples, rows: readonly number[], dtype: FloatType): readonly [Tensor, Tensor] {
  const chosen = rows.flatMap((row) => pixels[row]!);
  const elements = dtype === "float64" ? Float64Array.from(chosen) : Float32Array.from(chosen);
  return [
    tensor(elements, { shape: [rows.length, 64] }),
    tensor(Int32Array.from(rows, (row) => labels[row]!), { shape: [rows.length] }),
  ];
}

/** Checks a run, or returns null where there is no data or the network is unknown. */
export function checkTraining(
  each: TrainingCase,
  dtype: FloatType,
  file: TrainingFile,
  data: string | null,
): Promise<readonly string[]> | null {
  const network = networks[each.op];
  const make = optimizers[each.optimiser.name];
  return data && network && make ? train(each, dtype, file, data, network, make) : null;
}

async function train(
  each: TrainingCase,
  dtype: FloatType,
  file: TrainingFile,
  data: string,
  network: Network,
  make: (typeof optimizers)[string],
): Promise<readonly string[]> {
  const { f64, f32 } = each.tol;
  const losses = new Checks({ f64: { rtol: f64.loss, atol: f64.loss }, f32: { rtol: f32.loss, atol: f32.loss } }, dtype);
  const parameters = new Checks({ f64: { rtol: f64.params, atol: f64.params } }, "float64");
  const { name: _, ...configuration } = each.optimiser;
  const options = optionsOf(configuration);
  const optimizer = make(
    each.schedule
      ? { ...options, learningRate: cosineDecay(each.optimiser.lr!, each.schedule.T_max, { final: each.schedule.eta_min }) }
      : options,
  );
  const step = compile((params: Named, buffers: Named, state: ReturnType<typeof optimizer.init>, x: Tensor, y: Tensor) => {
    const [loss, gradient, next] = valueAndGrad(
      (moving: Named) => {
        const [logits, after] = network(moving, buffers, x, true);
        return [crossEntropy(logits, y), after] as const;
      },
      { hasAux: true },
    )(params);
    return [loss, gradient, next, ...optimizer.update(gradient, state, params)] as const;
  });

  const training = examplesOf(data, file.data.train);
  let params: Named = toTensors(each.init, dtype);
  let buffers: Named = toTensors(each.init_buffers ?? {}, dtype);
  let state = optimizer.init(params);
  each.batches.forEach((rows, t) => {
    const [loss, gradient, nextBuffers, nextParams, nextState] = step(params, buffers, state, ...batchOf(training, rows, dtype));
    losses.add(`loss at step ${t}`, "out", loss, specOf(each.loss[t]!));
    if (t === 0 && dtype === "float64") parameters.addAll("first gradient", "grad", gradient, each.grad_step0);
    [params, buffers, state] = [nextParams, nextBuffers, nextState];
  });
  if (dtype === "float64") {
    parameters.addAll("last parameters", "out", params, each.final);
    parameters.addAll("last buffers", "out", buffers, each.final_buffers ?? {});
  }

  const test = examplesOf(data, file.data.test);
  const [x, y] = batchOf(test, [...test.labels.keys()], dtype);
  const [logits] = network(params, buffers, x, false);
  losses.add("test loss", "out", crossEntropy(logits, y), specOf(each.test.loss));
  const accuracy = await mean(cast(equal(argmax(logits, { axis: 1 }), y), dtype)).item();
  const slack = dtype === "float64" ? 1e-12 : f32.test_accuracy;
  losses.within("test accuracy", accuracy, each.test.accuracy - slack, each.test.accuracy + slack);
  return [...(await losses.settle()), ...(await parameters.settle())];
}
