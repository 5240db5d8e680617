/**
 * Trajectories of 20 steps on two problems against PyTorch's, for every optimizer, compiled: in float64 to the
 * tolerance of the fixture, in float32 loosely. The second step of each traces nothing.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { cpu } from "@dormouse/backend-cpu";
import { type Tensor, compile, matmul, setDevice, sub, tensor } from "@dormouse/tensor";
import {
  type Betas, type Optimizer, type State, adadelta, adagrad, adam, adamW, adamax, lion, nadam, radam, rmsprop, rprop, sgd,
} from "../src/index.ts";
import { type Tolerance, expectClose, fixture } from "./expect.ts";

interface Array64 {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}
interface Config {
  readonly lr?: number;
  readonly lr_decay?: number;
  readonly momentum?: number;
  readonly momentum_decay?: number;
  readonly dampening?: number;
  readonly nesterov?: boolean;
  readonly weight_decay?: number;
  readonly maximize?: boolean;
  readonly eps?: number;
  readonly initial_accumulator_value?: number;
  readonly alpha?: number;
  readonly rho?: number;
  readonly centered?: boolean;
  readonly betas?: Betas;
  readonly amsgrad?: boolean;
}
interface Case {
  readonly id: string;
  readonly op: string;
  readonly problem: "sequence" | "quadratic";
  readonly config: Config;
  readonly params: readonly (readonly number[])[];
  readonly tol: { readonly f64: Tolerance; readonly f32: Tolerance };
}
const { cases, problems } = fixture<{
  readonly cases: readonly Case[];
  readonly problems: {
    readonly sequence: { readonly p0: Array64; readonly grads: Array64 };
    readonly quadratic: { readonly A: Array64; readonly b: Array64; readonly x0: Array64 };
  };
}>("optimizers");

const makers: Readonly<Record<string, (options: Record<string, unknown>) => Optimizer>> = {
  sgd, adagrad, rmsprop, adadelta, adam, adamw: adamW, adamax, nadam, radam, rprop, lion,
};

/** PyTorch's names as ours. */
const names: Readonly<Record<keyof Config, string>> = {
  lr: "learningRate", lr_decay: "rateDecay", momentum: "momentum", momentum_decay: "momentumDecay", dampening: "dampening",
  nesterov: "nesterov", weight_decay: "weightDecay", maximize: "maximize", eps: "eps",
  initial_accumulator_value: "initialAccumulator", alpha: "decay", rho: "decay", centered: "centered", betas: "betas",
  amsgrad: "amsgrad",
};

const makeOptimizer = ({ op, config }: Case): Optimizer =>
  makers[op]!(Object.fromEntries(Object.entries(config).map(([name, value]) => [names[name as keyof Config], value])));

beforeAll(async () => {
  setDevice(await cpu({ threads: 1 }));
});

type DType = "float32" | "float64";
const toTensor = ({ data, shape }: Array64, dtype: DType): Tensor => tensor(data, { shape, dtype });

/** The start of a problem and its gradient at a step. */
function problemOf(name: Case["problem"], dtype: DType): { start: Tensor; gradient: (p: Tensor, t: number) => Tensor } {
  if (name === "sequence") {
    const { p0, grads } = problems.sequence;
    const width = p0.shape[0]!;
    return { start: toTensor(p0, dtype), gradient: (_, t) => tensor(grads.data.slice(t * width, (t + 1) * width), { dtype }) };
  }
  const { A, b, x0 } = problems.quadratic;
  const [matrix, target] = [toTensor(A, dtype), toTensor(b, dtype)];
  return { start: toTensor(x0, dtype), gradient: (p) => sub(matmul(matrix, p), target) };
}

async function follow(each: Case, dtype: DType): Promise<void> {
  const optimizer = makeOptimizer(each);
  const { start, gradient } = problemOf(each.problem, dtype);
  let params = { nested: [start], note: "a static leaf" };
  let state = optimizer.init(params);
  const step = compile((p: typeof params, s: State, g: Tensor) => optimizer.update({ ...p, nested: [g] }, s, p), {
    donate: [0, 1],
  });
  for (let t = 0; t < 20; t++) {
    [params, state] = step(params, state, gradient(params.nested[0]!, t));
    const got = await params.nested[0]!.data();
    expectClose(got, each.params[t]!, each.tol[dtype === "float64" ? "f64" : "f32"], `${each.id} step ${t} in ${dtype}`);
    expect(params.nested[0]!.dtype).toBe(dtype);
  }
  expect(await state.step.item()).toBe(20);
  expect(step.traces).toBe(1);
}

describe("trajectories", () => {
  it("cover every optimizer", () => {
    expect(new Set(cases.map(({ op }) => op))).toEqual(new Set(Object.keys(makers)));
  });

  it.each(cases)("$id $problem $config", async (each) => {
    await follow(each, "float64");
    await follow(each, "float32");
  });
});
