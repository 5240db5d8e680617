/**
 * Random graphs of random primitives over small random shapes, for property tests: a seed gives the same graph on
 * every run. Owns the pool a graph grows from and what its inputs hold; the nodes it can grow by are in
 * `random-nodes.ts`, `random-movement.ts` and `random-structure.ts`. Floats stay within a few units and are in general position, so that a
 * comparison with a tolerance means something even below a `floor` or an `argmax`.
 */
import type { DType, FloatType, Shape, Tensor, TypedArray } from "@dormouse/tensor";
import { HostStorage, allocate, axesOf, isFloat, primitive as p, roundTo, sameShape, sizeOf } from "@dormouse/tensor/graph";
import { movement } from "./random-movement.ts";
import { nodes } from "./random-nodes.ts";
import { type Random, randomSource } from "./random-source.ts";
import { structure } from "./random-structure.ts";

export interface GraphOptions {
  /** Of the floats. Default float64. Any other graph is smooth: rounding must not decide a branch. */
  readonly dtype?: FloatType;
  /** About how many nodes. Default 4 to 17, by the seed. */
  readonly nodes?: number;
  /** Only nodes whose floats depend differentiably on the inputs. Default: not in float64. */
  readonly smooth?: boolean;
  /** Some elements of float inputs are NaN, ±∞ or −0. Default false. */
  readonly extremes?: boolean;
  /** Some axes are one more than a vector or a tile: 17, 33, 65. Default false. */
  readonly wide?: boolean;
}

/** One input of a random graph, with the elements the seed gives it. */
export interface GraphInput {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: TypedArray;
}

/** A random graph as a function, so that it can be transformed, compiled and given other elements. */
export interface RandomFunction {
  readonly inputs: readonly GraphInput[];
  /** Builds the graph over tensors of the shapes and dtypes of `inputs`. */
  apply(...inputs: readonly Tensor[]): Tensor[];
}

export interface RandomGraph {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** What a maker of nodes draws from. */
export interface Pool {
  readonly random: Random;
  readonly dtype: FloatType;
  readonly smooth: boolean;
  readonly wide: boolean;
  /** A new input; elements default to a few units around zero. */
  input(shape: Shape, dtype?: DType, element?: () => number): Tensor;
  /** A node of any dtype. */
  any(rank?: number): Tensor;
  /** A float node with at least `rank` axes, and with elements if `rank` is given. */
  float(rank?: number): Tensor;
  /** An int32, uint32 or uint8 node; of one of `dtypes` if given. */
  integer(rank?: number, dtypes?: readonly DType[]): Tensor;
  /** A bool node of a shape. */
  truth(shape: Shape): Tensor;
  /** Something of the same shape and dtype: another node, a broadcast, a constant or a new input. */
  like(x: Tensor): Tensor;
  /** A small random shape. */
  shape(): number[];
}

/** Makes a node; null where what it drew does not fit. */
export type Maker = (pool: Pool) => Tensor | null;

const integers: readonly DType[] = ["int32", "uint32", "uint8"];

/** A graph over inputs that hold their elements on the host. */
export function randomGraph(seed: number, options: GraphOptions = {}): RandomGraph {
  const inputs: Tensor[] = [];
  const outputs = grow(seed, options, ({ shape, dtype, data }) => {
    const tensor = p.buffer(shape, dtype);
    tensor.storage = new HostStorage(data);
    inputs.push(tensor);
    return tensor;
  });
  return { inputs, outputs };
}

/** The graph of a seed as a function of its inputs. */
export function randomFunction(seed: number, options: GraphOptions = {}): RandomFunction {
  const inputs: GraphInput[] = [];
  grow(seed, options, (input) => {
    inputs.push(input);
    return p.placeholder(input.shape, input.dtype);
  });
  return {
    inputs,
    apply(...given) {
      let next = 0;
      return grow(seed, options, () => given[next++]!);
    },
  };
}

/** Every run with one seed makes the same choices, whatever `makeInput` returns. */
function grow(seed: number, options: GraphOptions, makeInput: (input: GraphInput) => Tensor): Tensor[] {
  const { dtype = "float64", extremes = false, wide = false } = options;
  const smooth = options.smooth ?? dtype !== "float64";
  const random = randomSource(seed);
  const { below, chance, pick } = random;
  const inputs = new Set<Tensor>();

  const input: Pool["input"] = (shape, of = dtype, element = elementOf(of, random, extremes)) => {
    const data = allocate(of, sizeOf(shape));
    for (let i = 0; i < data.length; i++) data[i] = of === "float16" ? roundTo(of, element()) : element();
    const tensor = makeInput({ shape, dtype: of, data });
    inputs.add(tensor);
    return tensor;
  };
  const length = (): number => (chance(0.01) ? 0 : pick([1, 2, 3, 4, 5, 6, 7]));
  const shape = (): number[] => {
    if (wide && chance(0.2)) return chance(0.5) ? [pick([17, 33, 65, 129])] : [1 + below(4), pick([17, 33, 65])];
    return Array.from({ length: below(4) }, length);
  };
  const among = (fits: (x: Tensor) => boolean, rank: number, otherwise: (shape: Shape) => Tensor): Tensor => {
    const fitting = pool.filter((x) => fits(x) && x.rank >= rank && (rank === 0 || x.size > 0));
    if (fitting.length > 0 && chance(0.9)) return pick(fitting);
    return otherwise(rank === 0 ? shape() : Array.from({ length: rank + (chance(0.3) ? 1 : 0) }, () => 1 + below(6)));
  };
  const context: Pool = {
    random,
    dtype,
    smooth,
    wide,
    input,
    shape,
    any: (rank = 0) => among(() => true, rank, input),
    float: (rank = 0) => among((x) => x.dtype === dtype, rank, input),
    integer: (rank = 0, dtypes = integers) =>
      among((x) => dtypes.includes(x.dtype), rank, (shape) => input(shape, pick(dtypes))),
    truth(shape) {
      const known = pool.filter((x) => x.dtype === "bool" && sameShape(x.shape, shape));
      return known.length > 0 && chance(0.7) ? pick(known) : input(shape, "bool");
    },
    like(x) {
      const same = pool.filter((y) => y.dtype === x.dtype && sameShape(y.shape, x.shape));
      const kept = axesOf(x.rank).filter(() => chance(0.5));
      switch (below(4)) {
        case 0:
          return p.constant(constantOf(x.dtype, random), x.shape, x.dtype);
        case 1:
          return p.broadcast(input(kept.map((axis) => x.shape[axis]!), x.dtype), x.shape, kept);
        default:
          return same.length > 0 ? pick(same) : input(x.shape, x.dtype);
      }
    },
  };
  const pool: Tensor[] = [input(shape()), input(shape())];
  const used = new Set<Tensor>();
  const makers = [...nodes, ...movement, ...structure];
  for (let made = 0, left = options.nodes ?? 4 + (seed % 14); left > 0 && made < 200; made++) {
    const node = pick(makers)(context);
    // A movement that moves nothing is its source.
    if (!node || pool.includes(node) || inputs.has(node) || node.size > (wide ? 2500 : 1500)) continue;
    pool.push(node);
    for (const source of node.sources) used.add(source);
    left--;
  }
  const computed = pool.filter((x) => !inputs.has(x));
  const outputs = computed.filter((x) => !used.has(x) || chance(0.15));
  return [...new Set(outputs)];
}

/** What fills a new input of a dtype. */
function elementOf(dtype: DType, { next, below, chance, pick }: Random, extremes: boolean): () => number {
  if (isFloat(dtype)) {
    return () => (extremes && chance(0.1) ? pick([NaN, Infinity, -Infinity, -0]) : next() * 4 - 2);
  }
  switch (dtype) {
    case "int32":
      return () => (chance(0.05) ? pick([2 ** 31 - 1, -(2 ** 31), 2 ** 30]) : below(19) - 9);
    case "uint32":
      return () => (chance(0.1) ? pick([2 ** 32 - 1, 2 ** 31]) : below(19));
    case "bool":
      return () => below(2);
    default:
      return () => (chance(0.1) ? 255 : below(19));
  }
}

const constantOf = (dtype: DType, { pick, below }: Random): number =>
  isFloat(dtype) ? pick([0, 1, -1, 0.5, 2]) : dtype === "bool" ? below(2) : dtype === "int32" ? below(7) - 3 : below(4);
