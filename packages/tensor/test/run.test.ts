/** Evaluation, compiled functions, scopes and donation, on the reference backend. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { reference } from "@dormouse/backend-cpu/reference";
import { beforeAll, describe, expect, test } from "vitest";
import { type Device, primitive } from "../src/graph.ts";
import {
  type Tensor, add, compile, evaluate, exp, matmul, mul, scope, scopeAsync, setDevice, sub, sum, tensor, zeros,
} from "../src/index.ts";

let device: Device;
beforeAll(async () => {
  device = await reference();
  setDevice(device);
});

const values = async (x: Tensor) => Array.from(await x.data());

describe("evaluate", () => {
  test("computes what is shared once, and keeps what pending work still needs", async () => {
    const x = tensor([1, 2, 3]);
    const e = exp(x);
    const a = sum(e);
    const b = mul(e, 2);
    evaluate(a);
    expect(e.status).toBe("stored");
    const before = device.statistics.runs;
    await b.data();
    expect(device.statistics.runs).toBe(before + 1);
    expect(e.status).toBe("stored");
  });

  test("one structure is compiled once", async () => {
    const run = async (n: number) => values(add(mul(tensor([n, 2]), 3), 1));
    await run(1);
    const { compiled } = device.statistics;
    expect(await run(5)).toEqual([16, 7]);
    expect(device.statistics.compiled).toBe(compiled);
  });

  test("a stored node forgets its inputs", async () => {
    const x = tensor([1, 2]);
    const y = add(x, 1);
    await y.data();
    expect(y.sources).toEqual([]);
    expect(x.consumers).toBe(0);
  });

  test("tensors without elements", async () => {
    const empty = zeros([0, 3]);
    expect(await add(empty, 1).array()).toEqual([]);
    expect(await sum(empty, { axis: 0 }).array()).toEqual([0, 0, 0]);
    expect(await sum(sum(empty, { axis: 1 })).item()).toBe(0);
    expect(await matmul(zeros([2, 0]), zeros([0, 3])).array()).toEqual([[0, 0, 0], [0, 0, 0]]);
  });
});

describe("memory of an evaluation", () => {
  test("the flag of a check is freed once, by the evaluation and not by the garbage collector again", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const settled = async (): Promise<void> => {
      for (let round = 0; round < 3; round++) {
        collect();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await settled();
    const { buffers } = device.statistics;
    const x = tensor([1, 2, 3]);
    const flag = primitive.cast(primitive.neg(primitive.reduce(x, "max", [0])), "int32");
    const checked = primitive.check(x, flag, () => new Error("not negative"));
    expect(await values(add(checked, 1))).toEqual([2, 3, 4]);
    await settled();
    expect(device.statistics.buffers).toBeGreaterThanOrEqual(buffers);
  });
});

describe("compile", () => {
  test("traces once per structure, shape and dtype", async () => {
    const f = compile((x: Tensor, scale: number) => mul(x, scale));
    expect(await values(f(tensor([1, 2]), 3))).toEqual([3, 6]);
    f(tensor([4, 5]), 3);
    expect(f.traces).toBe(1);
    f(tensor([4, 5, 6]), 3);
    expect(f.traces).toBe(2);
    f(tensor([4, 5]), 4);
    expect(f.traces).toBe(3);
    f(tensor([4, 5]), 3);
    expect(f.traces).toBe(3);
  });

  test("a donated tensor is spent, and its memory is taken over", async () => {
    const step = compile((p: { w: Tensor }, g: Tensor) => ({ w: sub(p.w, mul(g, 0.5)) }), { donate: [0], name: "step" });
    const g = tensor(new Float32Array(64).fill(2));
    let p = { w: add(zeros([64]), 10) as Tensor };
    evaluate(p, g);
    const first = p;
    p = step(p, g);
    // An argument that comes a second time stays on the device.
    p = step(p, g);
    const { buffers } = device.statistics;
    for (let i = 0; i < 5; i++) p = step(p, g);
    expect(device.statistics.buffers).toBe(buffers);
    expect((await values(p.w))[0]).toBe(3);
    expect(() => step(first, g)).toThrow(
      /^step: tensor was donated to an earlier call \(made at run\.test\.ts:\d+\) and its memory reused; keep the returned one$/,
    );
  });

  test("donation never touches memory that somebody else holds", async () => {
    const swap = compile((a: Tensor, b: Tensor) => [add(a, b), sub(a, b)] as const, { donate: [0] });
    const shared = add(zeros([32]), 3);
    evaluate(shared);
    const [p, m] = swap(shared, shared);
    expect((await values(p))[0]).toBe(6);
    expect((await values(m))[0]).toBe(0);

    const held = add(zeros([32]), 1);
    evaluate(held);
    const later = mul(held, 5);
    const next = compile((a: Tensor) => add(a, 1), { donate: [0] })(held);
    expect((await values(next))[0]).toBe(2);
    expect((await values(later))[0]).toBe(5);
  });

  test("captured tensors and pending arguments are computed once", async () => {
    const scale = exp(zeros([2]));
    const f = compile((x: Tensor) => mul(x, add(scale, 1)));
    expect(await values(f(add(tensor([1, 2]), 1)))).toEqual([4, 6]);
    expect(scale.status).toBe("stored");
    expect(await values(f(tensor([5, 6])))).toEqual([10, 12]);
  });

  test("what is made while tracing cannot leak out", () => {
    let leaked: Tensor | null = null;
    compile((x: Tensor) => (leaked = add(x, 1)), { name: "f" })(tensor([1, 2]));
    expect(() => add(leaked!, 1)).toThrow("add: tensor was made while f was being traced; make a new one, or keep it alive longer");
  });

  test("arguments and captured tensors may be results", async () => {
    const constant = tensor([7, 8]);
    const f = compile((x: Tensor) => [x, constant, add(x, 1)] as const);
    const x = tensor([1, 2]);
    const [same, captured, next] = f(x);
    expect(await values(same)).toEqual([1, 2]);
    expect(await values(captured)).toEqual([7, 8]);
    expect(await values(next)).toEqual([2, 3]);
  });

  test("10 000 steps leave memory and compilations as they were", async () => {
    const step = compile(
      (p: Tensor, x: Tensor) => {
        const next = sub(p, mul(sub(p, x), 0.1));
        return [next, sum(mul(next, next))] as const;
      },
      { donate: [0] },
    );
    let p: Tensor = zeros([40]);
    let loss: Tensor;
    [p, loss] = step(p, tensor(new Float32Array(40).fill(1)));
    const { buffers, bytes, compiled } = device.statistics;
    for (let i = 0; i < 10_000; i++) [p, loss] = step(p, tensor(new Float32Array(40).fill(1)));
    expect(device.statistics).toMatchObject({ buffers, bytes, compiled });
    expect(step.traces).toBe(1);
    expect(await loss.item()).toBeCloseTo(40, 3);
  });
});

describe("a call that fails", () => {
  /** Runs `f` while one method of the backend throws at its call number `at`. */
  const failing = (method: "alloc" | "write" | "run", at: number, f: () => unknown): void => {
    const backend = device.backend as unknown as Record<string, (...args: unknown[]) => unknown>;
    const usual = backend[method]!;
    let calls = 0;
    backend[method] = (...args) => {
      if (++calls === at) throw new Error(`${method} failed`);
      return usual(...args);
    };
    try {
      expect(f).toThrow(`${method} failed`);
    } finally {
      backend[method] = usual;
    }
  };

  test.each([["alloc", 1], ["alloc", 2], ["alloc", 3], ["write", 1], ["run", 1]] as const)(
    "%s %d: nothing is leaked and nothing is spent",
    async (method, at) => {
      const f = compile(
        (p: Tensor, x: Tensor) => [add(p, sum(x)), mul(x, 2), exp(matmul(x, x))] as const,
        { donate: [0], name: "f" },
      );
      const batch = (): Tensor => tensor(new Float32Array(64).fill(0.5), { shape: [8, 8] });
      let p: Tensor = add(zeros([32]), 1);
      evaluate(p);
      const before = f(p, batch());
      p = before[0];
      for (const result of before.slice(1)) result.dispose();
      const { buffers, bytes } = device.statistics;
      failing(method, at, () => f(p, batch()));
      expect(device.statistics).toMatchObject({ buffers, bytes });
      expect(p.status).toBe("stored");
      const [next, doubled] = f(p, batch());
      expect((await values(next))[0]).toBe(65);
      expect((await values(doubled))[63]).toBe(1);
    },
  );
});

test("a compiled function may be called while it looks at its arguments", async () => {
  const twice = compile((tree: { x: Tensor }) => mul(tree.x, 2));
  const first = { x: tensor([1, 2]) };
  let inner: Tensor | null = null;
  const second = {
    get x() {
      inner ??= twice({ x: tensor([5, 6]) });
      return first.x;
    },
  };
  expect(await values(twice(first))).toEqual([2, 4]);
  expect(await values(twice(second))).toEqual([2, 4]);
  expect(await values(inner!)).toEqual([10, 12]);
});

test("a compiled function does not hold on to the arguments of its last call", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const f = compile((x: Tensor) => mul(x, 2));
  const held = (() => {
    const x = tensor(new Float32Array(1000));
    f(x).dispose();
    return new WeakRef(x);
  })();
  for (let turn = 0; turn < 50 && held.deref(); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    collectGarbage();
  }
  expect(held.deref()).toBeUndefined();
  expect(f.traces).toBe(1);
});

test("the code of a compiled function goes when the function does", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const forgotten: unknown[] = [];
  const { forget } = device;
  device.forget = (program) => void (forgotten.push(program), forget.call(device, program));
  try {
    for (let i = 0; i < 20; i++) compile((x: Tensor) => add(x, i))(tensor([1, 2]));
    for (let turn = 0; turn < 50 && forgotten.length === 0; turn++) {
      collectGarbage();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(forgotten.length).toBeGreaterThan(0);
  } finally {
    device.forget = forget;
  }
});

describe("scope", () => {
  test("an eager loop is flat", async () => {
    let x: Tensor = add(zeros([16]), 1);
    evaluate(x);
    const { buffers } = device.statistics;
    for (let i = 0; i < 200; i++) {
      const next = scope(() => {
        const a = exp(mul(x, -1));
        evaluate(a);
        return sub(x, mul(a, 0.01));
      });
      evaluate(next);
      x.dispose();
      x = next;
    }
    expect(device.statistics.buffers).toBe(buffers);
  });

  test("an eager loop without a scope is flat too where old values are disposed of", async () => {
    const x = tensor(new Float32Array(64).fill(0.1), { shape: [8, 8] });
    let w: Tensor = add(zeros([8, 8]), 0.5);
    evaluate(w);
    matmul(x, w).dataSync();
    const { buffers } = device.statistics;
    for (let i = 0; i < 20; i++) {
      const next = sub(w, mul(matmul(x, exp(matmul(x, w))), 1e-3));
      await next.data();
      w.dispose();
      w = next;
    }
    expect(device.statistics.buffers).toBe(buffers);
  });

  test("a step on the way can be used again while its inputs live, and says so when they do not", async () => {
    const x = add(tensor([1, 2, 3, 4, 5]), 1);
    evaluate(x);
    const step = mul(x, 2);
    await add(step, 1).data();
    expect(await values(step)).toEqual([4, 6, 8, 10, 12]);
    const other = mul(x, 3);
    await add(other, 1).data();
    x.dispose();
    expect(() => other.dataSync()).toThrow(/^evaluate: tensor was disposed of/);
  });

  test("what is returned lives, what is not is spent", async () => {
    let inner: Tensor | null = null;
    const y = scope(() => {
      inner = add(tensor([1, 2]), 1);
      return { y: mul(inner, 2) };
    });
    expect(() => add(inner!, 1)).toThrow("add: tensor was made in a scope that has ended; make a new one, or keep it alive longer");
    expect(await values(y.y)).toEqual([4, 6]);
  });

  test("asynchronous scopes track by hand", async () => {
    const { buffers } = device.statistics;
    const total = await scopeAsync(async (track) => track(() => sum(exp(tensor(new Float32Array(32))))).item());
    expect(total).toBe(32);
    expect(device.statistics.buffers).toBe(buffers);
  });

  test("using disposes at the end of a block", async () => {
    const { buffers } = device.statistics;
    {
      using x = add(tensor(new Float32Array(32)), 1);
      evaluate(x);
    }
    // The host tensor moved to the device and is still pending garbage; disposing of the result frees the result.
    expect(device.statistics.buffers).toBeLessThanOrEqual(buffers + 1);
  });
});
