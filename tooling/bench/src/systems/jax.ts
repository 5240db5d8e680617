/**
 * jax-js: every function is jitted whole, a training step with an Adam written in its own ops (`@jax-js/optax` is not
 * on the registry). Its functions own their arguments: `.ref` keeps one for another use.
 */
import type { numpy } from "@jax-js/jax";
import {
  type Batch, type Values, adamOptions, affine, blockInput, blockParameters, cnnBatches, cnnParameters, epsilon,
  geluConstants, mlpBatches, mlpLayers, uniform,
} from "../works/data.ts";
import type { Activation, Attention, RowFunction, Task, Work } from "../works/work.ts";
import { provideGpu } from "../gpu/provide.ts";
import { provideWorkers } from "./jax-threads.ts";
import { type Prepared, type System, type SystemOptions, checkedSteps } from "./system.ts";
import { versionOf } from "./version.ts";

type Jax = typeof import("@jax-js/jax");
type Arr = numpy.Array;

export async function jax(name: "jax-js" | "jax-js-webgpu", { threads }: SystemOptions): Promise<System> {
  const isOnGpu = name === "jax-js-webgpu";
  if (isOnGpu) await provideGpu();
  else if (threads > 1) provideWorkers(threads);
  const library = await import("@jax-js/jax");
  const device = isOnGpu ? "webgpu" : "wasm";
  if (!(await library.init(device)).includes(device)) throw new Error(`jax-js: its ${device} backend does not start`);
  library.defaultDevice(device);
  return {
    name,
    version: `${versionOf("@jax-js/jax")} (${device})`,
    threads,
    prepare: (work: Work) => Promise.resolve(new Preparation(library, isOnGpu).prepare(work.task)),
  };
}

class Preparation {
  readonly #jax: Jax;
  /** On a GPU runs are queued, and waited for together. */
  readonly #isQueued: boolean;

  constructor(library: Jax, isQueued: boolean) {
    this.#jax = library;
    this.#isQueued = isQueued;
  }

  prepare(task: Task): Prepared {
    const { numpy: np } = this.#jax;
    switch (task.kind) {
      case "registers":
      case "multiply-adds":
      case "copy":
        throw new Error("runs nothing but its own operations");
      case "gemm": {
        const { m, n, k, transA, transB } = task;
        const a = this.#array({ data: uniform(m * k, 1, -1, 1), shape: transA ? [k, m] : [m, k] });
        const b = this.#array({ data: uniform(k * n, 2, -1, 1), shape: transB ? [n, k] : [k, n] });
        const turned = (x: Arr, yes: boolean): Arr => (yes ? x.transpose() : x);
        return this.#ofFunction((p, q) => [np.matmul(turned(p!, transA), turned(q!, transB))], [a, b]);
      }
      case "elementwise": {
        const x = this.#array({ data: uniform(task.length, 1, -3, 3), shape: [task.length] });
        return this.#ofFunction((value) => [this.#activation(task.activation, value!)], [x]);
      }
      case "rows": {
        const shape = [task.rows, task.columns];
        const x = this.#array({ data: uniform(task.rows * task.columns, 1, -3, 3), shape });
        return this.#ofFunction((value) => [this.#rowFunction(task.name, value!)], [x]);
      }
      case "mlp": {
        const start = mlpLayers(task).flatMap(({ weight, bias }) => [weight, bias]);
        return this.#ofTraining(start, (p, x) => this.#mlp(p, x), mlpBatches(task), task.eager);
      }
      case "cnn": {
        const start = Object.values(cnnParameters(task)) as Values[];
        if (task.mode === "training") return this.#ofTraining(start, (p, x) => this.#cnn(p, x), cnnBatches(task));
        const args = [...start, cnnBatches(task)[0]!.x].map((values) => this.#array(values));
        return this.#ofFunction((...all) => [this.#cnn(all.slice(0, -1), all.at(-1)!)], args);
      }
      case "attention":
        return this.#ofBlock(task);
    }
  }

  #array({ data, shape }: Values): Arr {
    return this.#jax.numpy.array(data as Float32Array<ArrayBuffer>, { shape: [...shape] });
  }

  #ofFunction(f: (...args: Arr[]) => Arr[], args: readonly Arr[]): Prepared {
    const { jit, blockUntilReady } = this.#jax;
    const isQueued = this.#isQueued;
    const compiled = jit(f);
    const call = (): Arr[] => compiled(...args.map((arg) => arg.ref)) as Arr[];
    const queued: Arr[] = [];
    const settle = async (): Promise<void> => {
      await blockUntilReady(queued);
      for (const result of queued.splice(0)) result.dispose();
    };
    return {
      check: async () => Promise.all(call().map((result) => result.data())),
      async run() {
        queued.push(...call());
        if (!isQueued) await settle();
      },
      settle,
      dispose() {
        compiled.dispose();
        for (const arg of args) arg.dispose();
      },
    };
  }

  #ofTraining(start: readonly Values[], forward: (p: Arr[], x: Arr) => Arr, batches: readonly Batch[], eager = false): Prepared {
    const { jit, nn, numpy: np, tree, valueAndGrad } = this.#jax;
    const { learningRate, beta1, beta2, eps } = adamOptions;
    const lossOf = (p: Arr[], x: Arr, y: Arr): Arr =>
      y.mul(nn.logSoftmax(forward(p, x), -1)).sum(-1).mean().mul(-1);
    const once = (p: Arr[], m: Arr[], v: Arr[], power1: Arr, power2: Arr, x: Arr, y: Arr) => {
      const [loss, gradient] = valueAndGrad(lossOf)(tree.ref(p), x, y) as [Arr, Arr[]];
      const next1 = power1.mul(beta1);
      const next2 = power2.mul(beta2);
      const scale1 = np.subtract(1, next1.ref);
      const scale2 = np.subtract(1, next2.ref);
      const nextM = m.map((each, i) => each.mul(beta1).add(gradient[i]!.ref.mul(1 - beta1)));
      const nextV = v.map((each, i) => each.mul(beta2).add(np.square(gradient[i]!).mul(1 - beta2)));
      const nextP = p.map((each, i) => {
        const root = np.sqrt(nextV[i]!.ref.div(scale2.ref)).add(eps);
        return each.sub(nextM[i]!.ref.div(scale1.ref).div(root).mul(learningRate));
      });
      scale1.dispose();
      scale2.dispose();
      return [nextP, nextM, nextV, next1, next2, loss];
    };
    const jitted = eager ? null : jit(once);
    const step = jitted ?? once;
    const zerosLike = ({ shape }: Values): Arr => np.zeros([...shape]);
    let state = [start.map((values) => this.#array(values)), start.map(zerosLike), start.map(zerosLike)] as Arr[][];
    let powers = [np.array(1), np.array(1)] as [Arr, Arr];
    const data = batches.map(({ x, y }) => ({ x: this.#array(x), y: this.#array(y) }));
    let loss: Arr | null = null;
    let steps = 0;
    const run = (): void => {
      const { x, y } = data[steps++ % data.length]!;
      loss?.dispose();
      const [p, m, v, next1, next2, nextLoss] = step(state[0]!, state[1]!, state[2]!, ...powers, x.ref, y.ref) as [
        Arr[], Arr[], Arr[], Arr, Arr, Arr,
      ];
      state = [p, m, v];
      powers = [next1, next2];
      loss = nextLoss;
    };
    return {
      async check() {
        const losses: number[] = [];
        for (let i = 0; i < checkedSteps; i++) {
          run();
          losses.push((await loss!.ref.data())[0]!);
        }
        return [losses];
      },
      run,
      // The parameters too: the last update need not be done when its loss is.
      settle: async () => void (await this.#jax.blockUntilReady([state, loss!])),
      dispose() {
        jitted?.dispose();
        tree.dispose([state, powers, data.map(({ x, y }) => [x, y])]);
        loss?.dispose();
      },
    };
  }

  #mlp(p: Arr[], x: Arr): Arr {
    const { nn, numpy: np } = this.#jax;
    let h = x;
    for (let i = 0; i < p.length; i += 2) {
      h = np.matmul(h, p[i]!).add(p[i + 1]!);
      if (i + 2 < p.length) h = nn.relu(h);
    }
    return h;
  }

  #cnn([filter1, bias1, filter2, bias2, weight, bias]: Arr[], x: Arr): Arr {
    const { lax, nn, numpy: np } = this.#jax;
    const layer = (input: Arr, filter: Arr, shift: Arr): Arr => {
      const channels = shift.shape[0]!;
      const y = lax.convGeneralDilated(input, filter, [1, 1], "SAME").add(shift.reshape([channels, 1, 1]));
      return lax.reduceWindow(nn.relu(y), np.max, [2, 2], [2, 2]);
    };
    const h = layer(layer(x, filter1!, bias1!), filter2!, bias2!);
    return np.matmul(h.reshape([h.shape[0]!, -1]), weight!).add(bias!);
  }

  #gelu(z: Arr): Arr {
    const { scale, cubic } = geluConstants;
    const inner = z.ref.add(z.ref.mul(z.ref).mul(z.ref).mul(cubic)).mul(scale);
    return z.mul(0.5).mul(this.#jax.numpy.tanh(inner).add(1));
  }

  #activation(name: Activation, x: Arr): Arr {
    const { nn, numpy: np } = this.#jax;
    switch (name) {
      case "gelu":
        return this.#gelu(x.mul(affine.a).add(affine.b));
      case "tanh":
        return np.tanh(x);
      case "exp":
        return np.exp(x);
      case "sigmoid":
        return nn.sigmoid(x);
    }
  }

  #standardized(x: Arr): Arr {
    const { numpy: np } = this.#jax;
    const centered = x.ref.sub(x.mean(-1, { keepdims: true }));
    const spread = np.square(centered.ref).mean(-1, { keepdims: true });
    return centered.div(np.sqrt(spread.add(epsilon)));
  }

  #rowFunction(name: RowFunction, x: Arr): Arr {
    const { nn, numpy: np } = this.#jax;
    switch (name) {
      case "sum axis 0":
        return np.sum(x, 0);
      case "sum axis 1":
        return np.sum(x, 1);
      case "argmax":
        return np.argmax(x, 1);
      case "variance":
        return np.var_(x, 1);
      case "softmax":
        return nn.softmax(x, 1);
      case "logsumexp":
        return nn.logsumexp(x, 1);
      case "layer norm":
        return this.#standardized(x);
    }
  }

  #ofBlock(task: Attention): Prepared {
    const { nn, numpy: np, valueAndGrad } = this.#jax;
    const { batch, sequence, width, heads } = task;
    const norm = (x: Arr, gain: Arr, shift: Arr): Arr => this.#standardized(x).mul(gain).add(shift);
    const lossOf = (...all: Arr[]): Arr => {
      const [
        x, gain1, shift1, query, key, value, output, gain2, shift2, widen, widenBias, narrow, narrowBias,
      ] = all as [Arr, Arr, Arr, Arr, Arr, Arr, Arr, Arr, Arr, Arr, Arr, Arr, Arr];
      const rested = norm(x.ref, gain1, shift1);
      const split = (h: Arr, weight: Arr): Arr =>
        np.matmul(h, weight).reshape([batch, sequence, heads, width / heads]).transpose([0, 2, 1, 3]);
      // Not `nn.dotProductAttention`: its einsum needs iterator helpers, which Node 20 lacks.
      const keys = split(rested.ref, key).transpose([0, 1, 3, 2]);
      const scores = np.matmul(split(rested.ref, query), keys).mul(1 / Math.sqrt(width / heads));
      const mixed = np.matmul(nn.softmax(scores, -1), split(rested, value)).transpose([0, 2, 1, 3]);
      const attended = x.add(np.matmul(mixed.reshape([batch, sequence, width]), output));
      const hidden = this.#gelu(np.matmul(norm(attended.ref, gain2, shift2), widen).add(widenBias));
      return np.square(attended.add(np.matmul(hidden, narrow).add(narrowBias))).mean();
    };
    const args = [blockInput(task), ...(Object.values(blockParameters(task)) as Values[])];
    const derive = valueAndGrad(lossOf, { argnums: args.map((_, i) => i) });
    return this.#ofFunction((...all) => {
      const [loss, gradients] = derive(...all) as [Arr, Arr[]];
      return [loss, ...gradients];
    }, args.map((values) => this.#array(values)));
  }
}
