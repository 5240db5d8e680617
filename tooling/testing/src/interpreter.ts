/**
 * A naive evaluator of graphs: every primitive spelled out one element at a time, straight from its definition in
 * `primitives.ts`. It shares no code with lowering or with any backend, so it is an oracle for both. Floats are
 * float64 throughout (float32 is not rounded: compare with a tolerance); integers wrap as their dtype does.
 */
import type { DType } from "@dormouse/tensor";
import {
  type NodeOf,
  type Primitive,
  type Shape,
  type Tensor,
  isFloat,
  sizeOf,
  stridesOf,
  topologicalOrder,
} from "@dormouse/tensor/graph";
import { factorizations } from "./factorizations.ts";

/** The elements of a tensor in row-major order, whatever its dtype. */
export type Elements = Float64Array;

/** Elements of placeholders and buffers. Buffers that hold their data on the host need no entry. */
export type Known = ReadonlyMap<Tensor, ArrayLike<number>>;

/** Computes the elements of every root. Throws where a placeholder or a device buffer is not `known`. */
export function interpret(roots: readonly Tensor[], known: Known = new Map()): Elements[] {
  const values = new Map<Tensor, Elements>();
  for (const [tensor, elements] of known) values.set(tensor, Float64Array.from(elements));
  for (const node of topologicalOrder(roots, (tensor) => values.has(tensor) || hostData(tensor) !== null)) {
    if (values.has(node)) continue;
    const stored = hostData(node);
    const sources = node.sources.map((source) => values.get(source)!);
    values.set(node, stored ?? (definitions[node.op] as Definition<Primitive>)(node as never, sources));
  }
  return roots.map((root) => values.get(root)!);
}

/** The elements of one tensor. */
export const interpretOne = (root: Tensor, known?: Known): Elements => interpret([root], known)[0]!;

function hostData(tensor: Tensor): Elements | null {
  const data = (tensor.storage as { readonly data?: ArrayLike<number> } | null)?.data;
  return data ? Float64Array.from(data) : null;
}

type Definition<P extends Primitive> = (node: NodeOf<P>, sources: readonly Elements[]) => Elements;

const sum = (xs: readonly number[]): number => xs.reduce((total, x) => total + x, 0);
const at = (index: readonly number[], strides: readonly number[]): number =>
  sum(index.map((i, axis) => i * strides[axis]!));

/** Every index of a shape in row-major order. */
function* indicesOf(shape: Shape): Generator<number[]> {
  const size = sizeOf(shape);
  const strides = stridesOf(shape);
  for (let flat = 0; flat < size; flat++) {
    yield shape.map((length, axis) => Math.floor(flat / strides[axis]!) % length);
  }
}

/** Elements of `node` as a function of their index. */
const build = (node: Tensor, element: (index: number[]) => number): Elements =>
  Float64Array.from(indicesOf(node.shape), element);

/** Elements of `node`, which start as `initial` and are combined with those of `source` in order. */
function gatherInto(
  node: Tensor,
  initial: number,
  source: { readonly shape: Shape; readonly elements: Elements },
  target: (index: number[]) => number[] | null,
  combine: (sum: number, element: number) => number,
): Elements {
  const result = new Float64Array(sizeOf(node.shape)).fill(initial);
  const strides = stridesOf(node.shape);
  let flat = 0;
  for (const index of indicesOf(source.shape)) {
    const element = source.elements[flat++]!;
    const to = target(index);
    if (to) result[at(to, strides)] = combine(result[at(to, strides)]!, element);
  }
  return result;
}

/** A number as an integer dtype keeps it; floats pass. */
function wrap(dtype: DType, value: number): number {
  switch (dtype) {
    case "int32":
      return value | 0;
    case "uint32":
      return value >>> 0;
    case "uint8":
      return value & 255;
    case "bool":
      return value === 0 ? 0 : 1;
    default:
      return value;
  }
}

const saturations: Partial<Record<DType, readonly [number, number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
};

function castTo(to: DType, from: DType, value: number): number {
  if (isFloat(to)) return value;
  if (to === "bool") return value === 0 ? 0 : 1;
  if (!isFloat(from)) return wrap(to, value);
  const [least, most] = saturations[to] ?? saturations.int32!;
  return wrap(to, Number.isNaN(value) ? 0 : Math.min(most, Math.max(least, Math.trunc(value))));
}

const elementwise =
  (f: (...xs: number[]) => number): Definition<Primitive> =>
  (node, sources) =>
    Float64Array.from({ length: sizeOf(node.shape) }, (_, i) =>
      wrap(node.dtype, f(...sources.map((source) => source[i]!))),
    );

/** An elementwise definition that differs between floats and integers. */
const byKind =
  (float: (a: number, b: number) => number, integer: (a: number, b: number) => number): Definition<Primitive> =>
  (node, sources) =>
    elementwise(isFloat(node.dtype) ? float : integer)(node, sources);

const copy: Definition<Primitive> = (_, [x]) => Float64Array.from(x!);

const missing = (node: Tensor): never => {
  throw new Error(`interpret: the elements of ${node.op} ${node.dtype}[${node.shape.join(", ")}] are not known`);
};

/** C's pow: 1 to any power is 1, and (−1)^±∞ is 1. */
const power = (a: number, b: number): number =>
  a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;

function integerPower(a: number, b: number): number {
  if (b < 0) return a === 0 ? 0 : Math.trunc(1 / a ** -b);
  let result = 1n;
  for (let i = 0; i < b; i++) result = BigInt.asUintN(32, result * BigInt(a));
  return Number(result);
}

/** 2/√π ∫₀ˣ exp(−t²) dt: its Maclaurin series below 3, one minus Laplace's continued fraction above. */
function erf(x: number): number {
  const size = Math.abs(x);
  if (!(size < 3)) {
    if (Number.isNaN(x)) return x;
    let tail = 0;
    for (let k = 200; k > 0; k--) tail = k / 2 / (size + tail);
    const beyond = Math.exp(-size * size) / Math.sqrt(Math.PI) / (size + tail);
    return Math.sign(x) * (1 - (size > 30 ? 0 : beyond));
  }
  // Σ 2ᵏ x²ᵏ⁺¹ / (1·3·…·(2k+1)) · e^(−x²): all terms have one sign.
  let term = x;
  let total = x;
  for (let k = 1; k < 120; k++) total += term *= (2 * x * x) / (2 * k + 1);
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

/** Threefry-2x32-20 (Salmon et al., 2011): the xor of the two output words. */
function threefry(key: readonly [number, number], counter: readonly [number, number]): number {
  const keys = [key[0], key[1], 0x1bd11bda ^ key[0] ^ key[1]];
  const distances = [13, 15, 26, 6, 17, 29, 16, 24];
  let [a, b] = [counter[0] + keys[0]!, counter[1] + keys[1]!].map((word) => word >>> 0) as [number, number];
  for (let round = 0; round < 20; round++) {
    const distance = distances[round % 8]!;
    a = (a + b) >>> 0;
    b = (((b << distance) | (b >>> (32 - distance))) ^ a) >>> 0;
    if (round % 4 === 3) {
      const block = (round + 1) / 4;
      a = (a + keys[block % 3]!) >>> 0;
      b = (b + keys[(block + 1) % 3]! + block) >>> 0;
    }
  }
  return (a ^ b) >>> 0;
}

/** Order in which NaN is the largest number. */
const compare = (a: number, b: number): number =>
  Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a - b;

/** One line of elements along `axis`, for the other positions of `index`. */
function lineOf(x: Elements, shape: Shape, axis: number, index: readonly number[]): number[] {
  const strides = stridesOf(shape);
  return Array.from({ length: shape[axis]! }, (_, i) => x[at(index.with(axis, i), strides)]!);
}

const clamp = (i: number, length: number): number => Math.min(length - 1, Math.max(0, i));

/** Where element (counts.., sizes..) of a window lies in the windowed axes. */
const windowed = (
  index: readonly number[],
  lead: number,
  { size, step, dilation }: { readonly size: Shape; readonly step: Shape; readonly dilation: Shape },
): number[] => [
  ...index.slice(0, lead),
  ...size.map((_, k) => index[lead + k]! * step[k]! + index[lead + size.length + k]! * dilation[k]!),
];

const definitions: { readonly [P in Primitive]: Definition<P> } = {
  constant: (node) => Float64Array.of(node.params.value),
  buffer: missing,
  placeholder: missing,
  iota: (node) => Float64Array.from({ length: sizeOf(node.shape) }, (_, i) => i),
  random(node, [key]) {
    const { shape, stream } = node.params;
    const batch = node.shape.length - shape.length;
    const keyStrides = stridesOf(node.sources[0]!.shape);
    const strides = stridesOf(shape);
    return build(node, (index) => {
      const start = at([...index.slice(0, batch), 0], keyStrides);
      return threefry([key![start]!, key![start + 1]!], [stream, at(index.slice(batch), strides)]);
    });
  },

  neg: elementwise((x) => -x),
  exp: elementwise(Math.exp),
  expm1: elementwise(Math.expm1),
  log: elementwise(Math.log),
  log1p: elementwise(Math.log1p),
  sin: elementwise(Math.sin),
  cos: elementwise(Math.cos),
  tanh: elementwise(Math.tanh),
  atan: elementwise(Math.atan),
  erf: elementwise(erf),
  sqrt: elementwise(Math.sqrt),
  floor: elementwise(Math.floor),
  cast: (node, [x]) => x!.map((value) => castTo(node.dtype, node.sources[0]!.dtype, value)),

  add: elementwise((a, b) => a + b),
  mul: byKind((a, b) => a * b, Math.imul),
  div: byKind((a, b) => a / b, (a, b) => (b === 0 ? 0 : Math.trunc(a / b))),
  max: elementwise(Math.max),
  pow: byKind(power, integerPower),
  less: elementwise((a, b) => (a < b ? 1 : 0)),
  lessEqual: elementwise((a, b) => (a <= b ? 1 : 0)),
  equal: elementwise((a, b) => (a === b ? 1 : 0)),
  where: elementwise((condition, a, b) => (condition !== 0 ? a : b)),

  reshape: copy,
  permute(node, [x]) {
    const strides = stridesOf(node.sources[0]!.shape);
    const { permutation } = node.params;
    return build(node, (index) => x![sum(index.map((i, axis) => i * strides[permutation[axis]!]!))]!);
  },
  broadcast(node, [x]) {
    const strides = stridesOf(node.sources[0]!.shape);
    return build(node, (index) => x![at(node.params.axes.map((axis) => index[axis]!), strides)]!);
  },
  slice(node, [x]) {
    const strides = stridesOf(node.sources[0]!.shape);
    const { start, step } = node.params;
    return build(node, (index) => x![at(index.map((i, axis) => start[axis]! + i * step[axis]!), strides)]!);
  },
  pad(node, [x]) {
    const { low, interior, value } = node.params;
    const source = { shape: node.sources[0]!.shape, elements: x! };
    const target = (index: number[]) => index.map((i, axis) => low[axis]! + i * (interior[axis]! + 1));
    return gatherInto(node, value, source, target, (_, element) => element);
  },
  concat(node, sources) {
    const { axis } = node.params;
    const shapes = node.sources.map((source) => source.shape);
    return build(node, (index) => {
      let along = index[axis]!;
      let part = 0;
      while (along >= shapes[part]![axis]!) along -= shapes[part++]![axis]!;
      return sources[part]![at(index.with(axis, along), stridesOf(shapes[part]!))]!;
    });
  },
  window(node, [x]) {
    const { shape } = node.sources[0]!;
    const lead = shape.length - node.params.size.length;
    return build(node, (index) => x![at(windowed(index, lead, node.params), stridesOf(shape))]!);
  },
  fold(node, [x]) {
    const { shape } = node.sources[0]!;
    const lead = shape.length - 2 * node.params.size.length;
    const target = (index: number[]) => windowed(index, lead, node.params);
    return gatherInto(node, 0, { shape, elements: x! }, target, (total, element) => wrap(node.dtype, total + element));
  },

  reduce(node, [x]) {
    const { combine, axes } = node.params;
    const { shape } = node.sources[0]!;
    const target = (index: number[]) => index.filter((_, axis) => !axes.includes(axis));
    const least = isFloat(node.dtype) ? -Infinity : (saturations[node.dtype]?.[0] ?? 0);
    return combine === "sum"
      ? gatherInto(node, 0, { shape, elements: x! }, target, (total, element) => wrap(node.dtype, total + element))
      : gatherInto(node, least, { shape, elements: x! }, target, Math.max);
  },
  argmax(node, [x]) {
    const { axis } = node.params;
    return build(node, (index) => {
      const line = lineOf(x!, node.sources[0]!.shape, axis, index.toSpliced(axis, 0, 0));
      return line.reduce((best, value, i) => (compare(value, line[best]!) > 0 ? i : best), 0);
    });
  },
  cumsum(node, [x]) {
    const { axis, reverse } = node.params;
    return build(node, (index) => {
      const line = lineOf(x!, node.shape, axis, index);
      const here = index[axis]!;
      return wrap(node.dtype, sum(reverse ? line.slice(here) : line.slice(0, here + 1)));
    });
  },
  argsort(node, [x]) {
    const { axis, descending } = node.params;
    const sign = descending ? -1 : 1;
    return build(node, (index) => {
      const line = lineOf(x!, node.shape, axis, index);
      const order = [...line.keys()].sort((i, j) => sign * compare(line[i]!, line[j]!) || i - j);
      return order[index[axis]!]!;
    });
  },

  dot(node, [a, b]) {
    const [left, right] = node.sources.map((source) => source.shape) as [Shape, Shape];
    const [leftStrides, rightStrides] = [stridesOf(left), stridesOf(right)];
    const multiply = isFloat(node.dtype) ? (x: number, y: number) => x * y : Math.imul;
    return build(node, (index) => {
      const [batch, m, n] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!];
      const row = at([...batch, m, 0], leftStrides);
      const column = at([...batch, 0, n], rightStrides);
      let total = 0;
      for (let k = 0; k < left.at(-1)!; k++) total += multiply(a![row + k]!, b![column + k * right.at(-1)!]!);
      return wrap(node.dtype, total);
    });
  },
  gather(node, [x, rows]) {
    const [source, index] = node.sources.map(({ shape }) => shape) as [Shape, Shape];
    return build(node, (position) => {
      const row = rows![at(position.slice(0, index.length), stridesOf(index))]!;
      return x![at([clamp(row, source[0]!), ...position.slice(index.length)], stridesOf(source))]!;
    });
  },
  scatterAdd(node, [updates, rows]) {
    const [shape, index] = node.sources.map((source) => source.shape) as [Shape, Shape];
    const target = (position: number[]) => {
      const row = rows![at(position.slice(0, index.length), stridesOf(index))]!;
      return row >= 0 && row < node.params.rows ? [row, ...position.slice(index.length)] : null;
    };
    return gatherInto(node, 0, { shape, elements: updates! }, target, (total, element) =>
      wrap(node.dtype, total + element),
    );
  },

  factor(node, [x]) {
    const [m, n] = node.sources[0]!.shape.slice(-2) as [number, number];
    const length = node.shape.at(-1)!;
    const result = new Float64Array(sizeOf(node.shape));
    for (let at = 0; at * length < result.length; at++) {
      const rows = Array.from({ length: m }, (_, i) => [...x!.subarray((at * m + i) * n, (at * m + i + 1) * n)]);
      result.set(factorizations[node.params.name](rows, n), at * length);
    }
    return result;
  },
  triangularSolve(node, [a, b]) {
    const [n, k] = node.shape.slice(-2) as [number, number];
    const { lower, unit } = node.params;
    const x = Float64Array.from(b!);
    for (let at = 0; at < x.length / (n * k); at++) {
      for (let step = 0; step < n; step++) {
        const i = lower ? step : n - 1 - step;
        for (let c = 0; c < k; c++) {
          let rest = x[(at * n + i) * k + c]!;
          for (let j = lower ? 0 : i + 1; j < (lower ? i : n); j++) rest -= a![(at * n + i) * n + j]! * x[(at * n + j) * k + c]!;
          x[(at * n + i) * k + c] = unit ? rest : rest / a![(at * n + i) * n + i]!;
        }
      }
    }
    return x;
  },

  identity: copy,
  call(node, sources) {
    const { inputs, output } = node.params.body;
    return interpretOne(output, new Map(inputs.map((input, k) => [input, sources[k]!])));
  },
  check(node, [x, position]) {
    const failed = position![0]!;
    if (failed >= 0) throw node.params.fail(failed);
    return Float64Array.from(x!);
  },
};
