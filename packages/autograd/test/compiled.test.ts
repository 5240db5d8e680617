/** Transforms inside compiled functions and scopes: same numbers as outside, one trace, nothing left behind. */
import { beforeAll, describe, expect, it } from "vitest";
import { reference } from "@dormouse/backend-cpu/reference";
import {
  type Tensor, add, compile, evaluate, key, linear, mapTree, mean, mul, normal, scope, setDevice, split, square, sub,
  sum, tanh, tensor,
} from "@dormouse/tensor";
import type { Device } from "@dormouse/tensor/graph";
import { checkpoint, customVjp, grad, hvp, jacfwd, valueAndGrad, vmap } from "../src/index.ts";
import { expectClose } from "@dormouse/testing";

let device: Device;
beforeAll(async () => {
  device = await reference();
  setDevice(device);
});

class Mlp {
  readonly w1: Tensor;
  readonly b1 = tensor(new Float32Array(8));
  readonly w2: Tensor;
  readonly steps = tensor([0], { dtype: "int32" });
  constructor(seed: number) {
    const [k1, k2] = split(key(seed));
    this.w1 = normal(k1!, [8, 3]);
    this.w2 = normal(k2!, [1, 8]);
  }
  forward(x: Tensor, through = (f: (h: Tensor) => Tensor) => f): Tensor {
    const hidden = through((h: Tensor) => tanh(linear(h, this.w1, this.b1)));
    return linear(hidden(x), this.w2);
  }
}

const x = normal(key(3), [5, 3]);
const y = sum(square(x), { axis: 1, keepDims: true });
const descend = (model: Mlp, gradient: Mlp): Mlp =>
  mapTree((p, g) => (p.dtype === "float32" ? sub(p, mul(g, 0.05)) : p), model, gradient);
const step = (through?: (f: (h: Tensor) => Tensor) => (h: Tensor) => Tensor) => (model: Mlp, a: Tensor, b: Tensor) => {
  const loss = (m: Mlp): Tensor => mean(square(sub(m.forward(a, through), b)));
  const [value, gradient] = valueAndGrad(loss)(model);
  return [descend(model, gradient), value] as const;
};

async function losses(run: (model: Mlp, a: Tensor, b: Tensor) => readonly [Mlp, Tensor]): Promise<number[]> {
  let model = new Mlp(1);
  const seen: number[] = [];
  for (let i = 0; i < 6; i++) {
    const [next, loss] = run(model, x, y);
    seen.push(await loss.item());
    model = next;
  }
  return seen;
}

describe("compiled", () => {
  it("training steps learn, trace once, and equal uncompiled ones, checkpointed or not", async () => {
    const wanted = await losses(step());
    expect(wanted.at(-1)).toBeLessThan(wanted[0]! * 0.9);
    for (const run of [step(), step(checkpoint), step((f) => checkpoint(checkpoint(f)))]) {
      const compiled = compile(run, { donate: [0] });
      expectClose(await losses(compiled), wanted, { relative: 1e-5 });
      expect(compiled.traces).toBe(1);
      expectClose(await losses(run), wanted, { relative: 1e-5 });
    }
  });

  it("functions may hold every transform", async () => {
    const bent = customVjp((z: Tensor) => tanh(z), (t) => (ct) => mul(ct, sub(1, square(t))));
    const f = (z: Tensor): Tensor => sum(checkpoint(bent)(square(z)));
    const all = (z: Tensor): readonly Tensor[] => [
      vmap(grad(f))(z),
      jacfwd(grad(f))(z),
      hvp(f, [z], [z])[0],
      grad((w: Tensor) => sum(compile(vmap(f))(w)))(z),
    ];
    const compiled = compile(all)(x);
    for (const [i, plain] of all(x).entries()) {
      expectClose(await compiled[i]!.data(), await plain.data(), { relative: 1e-5, absolute: 1e-6 }, `result ${i}`);
    }
  });

  it("a loop in scopes keeps the number of buffers flat", async () => {
    let w: Tensor = tensor([1, 2, 3]);
    const gradient = vmap(grad((v: Tensor, a: Tensor) => square(sum(mul(v, a)))), { in: [null, 0] });
    const counts: number[] = [];
    for (let i = 0; i < 5; i++) {
      const next = scope(() => add(w, mul(mean(gradient(w, x), { axis: 0 }), -0.01)));
      evaluate(next);
      w.dispose();
      w = next;
      await w.data();
      counts.push(device.statistics.buffers);
    }
    expect(new Set(counts.slice(1)).size).toBe(1);
  });
});
