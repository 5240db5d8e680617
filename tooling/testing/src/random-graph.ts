/**
 * Random graphs of random primitives over small random shapes, for property tests: a seed gives the same graph on
 * every run. Values stay within a few units, so that a comparison with a tolerance means something.
 */
import type { DType, Tensor } from "@dormouse/tensor";
import { HostStorage, allocate, axesOf, primitive as p, sizeOf } from "@dormouse/tensor/graph";

/** A small generator with good low bits (mulberry32). */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export interface RandomGraph {
  readonly outputs: readonly Tensor[];
  readonly inputs: readonly Tensor[];
}

/** Builds a graph of about `count` nodes over float tensors of `dtype`. */
export function randomGraph(seed: number, count: number, dtype: DType): RandomGraph {
  const random = randomSource(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const pick = <T>(xs: readonly T[]): T => xs[below(xs.length)]!;
  const inputs: Tensor[] = [];
  const input = (shape: readonly number[], of: DType = dtype, element = () => random() * 4 - 2): Tensor => {
    const data = allocate(of, sizeOf(shape));
    for (let i = 0; i < data.length; i++) data[i] = element();
    const tensor = p.buffer(shape, of);
    tensor.storage = new HostStorage(data);
    inputs.push(tensor);
    return tensor;
  };
  const shape = (): number[] => Array.from({ length: below(4) }, () => pick([1, 2, 3, 4, 5, 6, 7]));
  const pool: Tensor[] = [input(shape()), input(shape())];
  const any = (): Tensor => pick(pool);
  const atLeast = (rank: number): Tensor => {
    const fitting = pool.filter((x) => x.rank >= rank && x.size > 0);
    return fitting.length > 0 && random() < 0.9 ? pick(fitting) : input(Array.from({ length: rank }, () => 1 + below(6)));
  };
  /** Something of the same shape: another node, a broadcast, a constant or a new input. */
  const like = (x: Tensor): Tensor => {
    const same = pool.filter((y) => y.rank === x.rank && y.shape.every((d, i) => d === x.shape[i]));
    const dropped = axesOf(x.rank).filter(() => random() < 0.5);
    switch (below(4)) {
      case 0:
        return p.constant(pick([0, 1, -1, 0.5, 2]), x.shape, dtype);
      case 1:
        return p.broadcast(input(dropped.map((axis) => x.shape[axis]!)), x.shape, dropped);
      default:
        return same.length > 0 ? pick(same) : input(x.shape);
    }
  };
  const bounded = (x: Tensor): Tensor => p.tanh(x);
  const factorize = (size: number): number[] => {
    const factors: number[] = [];
    for (let rest = size; rest > 1; ) {
      const divisors = axesOf(rest + 1).filter((d) => d > 1 && rest % d === 0);
      const d = pick(divisors);
      factors.push(d);
      rest /= d;
      if (random() < 0.2) factors.push(1);
    }
    return factors;
  };
  const makers: (() => Tensor)[] = [
    () => pick([p.neg, p.sin, p.cos, p.tanh, p.atan, p.erf, p.floor])(any()),
    () => pick([p.exp, p.expm1])(bounded(any())),
    () => pick([p.log, p.sqrt, p.log1p])(p.add(p.mul(any0, any0), p.constant(0.5, any0.shape, dtype))),
    () => binary(p.add),
    () => binary(p.mul),
    () => binary(p.max),
    () => {
      const x = any();
      const y = like(x);
      return p.div(x, p.add(p.mul(y, y), p.constant(0.5, x.shape, dtype)));
    },
    () => {
      const x = any();
      return p.where(pick([p.less, p.lessEqual, p.equal])(x, like(x)), like(x), x);
    },
    () => {
      const x = any();
      return p.cast(p.cast(p.less(x, like(x)), "int32"), dtype);
    },
    () => {
      const x = any();
      return p.reshape(x, x.size === 0 ? [...x.shape, 1] : factorize(x.size));
    },
    () => {
      const x = any();
      return p.permute(x, axesOf(x.rank).sort(() => random() - 0.5));
    },
    () => {
      const x = any();
      const extra = 1 + below(2);
      if (x.rank + extra > 5 || x.size > 200) return p.neg(x);
      const places = axesOf(x.rank + extra).sort(() => random() - 0.5).slice(0, x.rank).sort((a, b) => a - b);
      const lengths = axesOf(x.rank + extra).map((axis) => (places.includes(axis) ? x.shape[places.indexOf(axis)]! : 1 + below(4)));
      return p.broadcast(x, lengths, places);
    },
    () => {
      const x = any();
      const step = x.shape.map(() => pick([1, 1, 2, -1]));
      const start = x.shape.map((d, i) => (step[i]! < 0 ? d - 1 - below(Math.max(1, d - 1)) : below(Math.max(1, d))));
      const room = x.shape.map((d, i) => (d === 0 ? 0 : step[i]! < 0 ? start[i]! + 1 : Math.ceil((d - start[i]!) / step[i]!)));
      return p.slice(x, x.shape.map((d, i) => (d === 0 ? 0 : start[i]!)), step, room.map((r) => (r === 0 ? 0 : 1 + below(r))));
    },
    () => {
      const x = any();
      const some = (values: number[]) => x.shape.map(() => pick(values));
      if (x.size > 300) return p.neg(x);
      const low = some([0, 0, 1, 2]);
      const high = some([0, 0, 1, 3]);
      return p.pad(x, low, high, random() < 0.3 ? some([0, 1, 2]) : some([0]), pick([0, 0, 1.5]));
    },
    () => {
      const x = any();
      if (x.rank === 0) return p.neg(x);
      const axis = below(x.rank);
      const other = input(x.shape.with(axis, 1 + below(3)));
      return p.concat(random() < 0.5 ? [x, other] : [other, x, other], axis);
    },
    () => {
      const x = atLeast(2);
      const n = 1 + below(2);
      const spatial = x.shape.slice(-n);
      const size = spatial.map((d) => 1 + below(Math.min(3, d)));
      const dilation = spatial.map((d, i) => (1 + (size[i]! - 1) * 2 <= d && random() < 0.3 ? 2 : 1));
      if (x.size > 200) return p.neg(x);
      return p.window(x, size, spatial.map(() => 1 + below(3)), dilation);
    },
    () => {
      const x = atLeast(2);
      const size = [1 + below(3)];
      const step = [1 + below(3)];
      const dilation = [1 + below(2)];
      const count = x.shape.at(-1)!;
      const reach = (count - 1) * step[0]! + (size[0]! - 1) * dilation[0]! + 1;
      const windows = p.broadcast(x, [...x.shape, size[0]!], axesOf(x.rank));
      return x.size > 200 ? p.neg(x) : p.fold(windows, size, step, dilation, [reach + below(2)]);
    },
    () => {
      const x = any();
      const axes = axesOf(x.rank).filter(() => random() < 0.5);
      const combine = x.size === 0 ? "sum" : pick(["sum", "sum", "max"] as const);
      const y = p.reduce(x, combine, axes);
      return combine === "sum" ? bounded(y) : y;
    },
    () => {
      // The shape of softmax and of normalization: a reduction, used along its own row.
      const x = atLeast(1);
      const axes = axesOf(x.rank).filter((axis) => axis === x.rank - 1 || random() < 0.3);
      const kept = axesOf(x.rank).filter((axis) => !axes.includes(axis));
      const along = (y: Tensor) => p.broadcast(y, x.shape, kept);
      const shifted = p.add(x, p.neg(along(p.reduce(x, "max", axes))));
      const e = p.exp(shifted);
      return p.div(e, along(p.reduce(e, "sum", axes)));
    },
    () => {
      const x = atLeast(1);
      return p.cast(p.argmax(x, below(x.rank)), dtype);
    },
    () => {
      const x = atLeast(1);
      return bounded(p.cumsum(x, below(x.rank), random() < 0.5));
    },
    () => {
      const x = atLeast(1);
      return p.cast(p.argsort(x, below(x.rank), random() < 0.5), dtype);
    },
    () => {
      const a = atLeast(2);
      const b = input([...a.shape.slice(0, -2), a.shape.at(-1)!, 1 + below(6)]);
      const swap = [...axesOf(a.rank - 2), a.rank - 1, a.rank - 2];
      const right = random() < 0.3 ? p.permute(p.permute(b, swap), swap) : b;
      const product = p.dot(a, right);
      const bias = p.broadcast(input([product.shape.at(-1)!]), product.shape, [product.rank - 1]);
      return random() < 0.6 ? bounded(p.add(product, bias)) : bounded(product);
    },
    () => {
      const a = atLeast(2);
      const swap = [...axesOf(a.rank - 2), a.rank - 1, a.rank - 2];
      return bounded(p.dot(p.permute(a, swap), a));
    },
    () => {
      const x = atLeast(1);
      const index = input(shape().slice(0, 2), "int32", () => below(x.shape[0]!));
      return index.size * x.size > 2000 ? p.neg(x) : p.gather(x, index);
    },
    () => {
      const x = atLeast(1);
      const rows = 1 + below(5);
      const index = input([x.shape[0]!], "int32", () => below(rows + 1));
      return bounded(p.scatterAdd(x, index, rows));
    },
  ];
  const binary = (op: (a: Tensor, b: Tensor) => Tensor): Tensor => {
    const x = any();
    return op === p.mul ? bounded(op(x, like(x))) : op(x, like(x));
  };
  let any0 = any();
  for (let i = 0; i < count; i++) {
    any0 = any();
    const made = pick(makers)();
    if (made.size <= 1500) pool.push(made);
  }
  const unused = pool.filter((x) => x.consumers === 0 && !x.storage);
  const extra = pool.filter((x) => !x.storage && random() < 0.15);
  return { outputs: [...new Set([...unused, ...extra])], inputs };
}
