/**
 * How every primitive acts on a whole batch of examples at once, and the walk that batches a graph. The batch axis
 * always leads, so that most rows only shift axes by one. The table is a mapped type over the primitives: a missing
 * row does not compile. Where the batch axis of a user's tensor is, is the business of `vmap.ts`.
 */
import {
  type Body,
  type CallRule,
  type NodeOf,
  type Primitive,
  type Shape,
  type Tensor,
  axesOf,
  primitive,
  rebuild,
  topologicalOrder,
} from "@dormouse/tensor/graph";
import { clampIndex, namesRow } from "./derivative.ts";

/** A node's counterpart in the batched graph: with a leading batch axis, or the same for every example. */
export interface Batched {
  readonly tensor: Tensor;
  readonly batched: boolean;
}

/** Sources of a node of which at least one is batched. */
interface Operands {
  readonly size: number;
  readonly sources: readonly Tensor[];
  readonly batched: readonly boolean[];
  /** Source `k` with a batch axis, broadcast if need be. */
  full(k: number): Tensor;
}

/** Builds the batched counterpart of a node. */
type BatchRule<P extends Primitive> = (y: NodeOf<P>, operands: Operands) => Tensor;

const shift = (axes: Shape): number[] => axes.map((axis) => axis + 1);

/** `x` with a batch axis in front. */
export const full = ({ tensor, batched }: Batched, size: number): Tensor =>
  batched ? tensor : primitive.broadcast(tensor, [size, ...tensor.shape], shift(axesOf(tensor.rank)));

/** Moves axis `from` to `to`. */
export function moveAxis(x: Tensor, from: number, to: number): Tensor {
  const axes = axesOf(x.rank).toSpliced(from, 1).toSpliced(to, 0, from);
  return primitive.permute(x, axes);
}

/** Rows of primitives without sources: they are the same for every example, and the walk does not ask. */
const alike = (y: Tensor): Tensor => y;
const unary =
  (build: (x: Tensor) => Tensor) =>
  (_: Tensor, { full }: Operands): Tensor =>
    build(full(0));
const binary =
  (build: (a: Tensor, b: Tensor) => Tensor) =>
  (_: Tensor, { full }: Operands): Tensor =>
    build(full(0), full(1));

/** `index` of every example, moved into the rows that belong to the example when all rows are one list. */
function offsetIndex(index: Tensor, size: number, rows: number, outside: "clamp" | "drop"): Tensor {
  const like = (value: number): Tensor => primitive.constant(value, index.shape, index.dtype);
  const example = primitive.broadcast(primitive.iota(size, index.dtype), index.shape, [0]);
  const offset = primitive.mul(example, like(rows));
  if (outside === "clamp") return primitive.add(clampIndex(index, rows), offset);
  return primitive.where(namesRow(index, rows), primitive.add(index, offset), like(size * rows));
}

/** The transposed product, so that a batched right operand can be treated as a batched left one. */
const swapLast = (x: Tensor): Tensor =>
  primitive.permute(x, [...axesOf(x.rank - 2), x.rank - 1, x.rank - 2]);

/** a [size, ..batch, m, k] · b [..batch, k, n], as one product of size·m rows: a vmapped layer is one GEMM. */
function dotBatchedLeft(a: Tensor, b: Tensor): Tensor {
  const batch = b.rank - 2;
  const rows = moveAxis(a, 0, batch);
  const [size, m, k] = rows.shape.slice(batch) as [number, number, number];
  const lead = b.shape.slice(0, batch);
  const product = primitive.dot(primitive.reshape(rows, [...lead, size * m, k]), b);
  return moveAxis(primitive.reshape(product, [...lead, size, m, b.shape[b.rank - 1]!]), batch, 0);
}

/** A custom rule works on one example; this one works on the batch. Unbatched sources collect from all examples. */
const batchRule =
  (rule: CallRule, y: Tensor, batched: readonly boolean[], size: number): CallRule =>
  (sources, output) => {
    const hole = (like: Tensor): Tensor => primitive.placeholder(like.shape, like.dtype);
    const holes = y.sources.map(hole);
    const result = hole(y);
    const known = new Map<Tensor, Batched>([[result, { tensor: output, batched: true }]]);
    holes.forEach((each, k) => known.set(each, { tensor: sources[k]!, batched: batched[k]! }));
    const run = (map: (t: Tensor) => Tensor, input: Tensor, value: Batched): Tensor =>
      full(batch([map(input)], new Map([...known, [input, value]]), size)[0]!, size);
    return rule(holes, result).map(
      (map, k) =>
        map && {
          apply: (t) => run(map.apply, hole(y.sources[k]!), { tensor: t, batched: batched[k]! }),
          transpose(ct) {
            const each = run(map.transpose, hole(y), { tensor: ct, batched: true });
            return batched[k] ? each : primitive.reduce(each, "sum", [0]);
          },
        },
    );
  };

interface BatchedHoles {
  readonly inputs: readonly Tensor[];
  readonly done: Map<Tensor, Batched>;
}

/** By the holes of a body, then by which of them are batched and how many examples there are. */
const batchedBodies = new WeakMap<readonly Tensor[], Map<string, BatchedHoles>>();

/** Batched holes for those of a body. Bodies that share their holes share what is batched of them. */
function batchedHoles(body: Body, batched: readonly boolean[], size: number): BatchedHoles {
  const known = batchedBodies.get(body.inputs) ?? new Map<string, BatchedHoles>();
  batchedBodies.set(body.inputs, known);
  const key = `${size}:${batched.join()}`;
  let holes = known.get(key);
  if (!holes) {
    const inputs = body.inputs.map(({ shape, dtype }, k) =>
      primitive.placeholder(batched[k] ? [size, ...shape] : shape, dtype),
    );
    const done = new Map(body.inputs.map((hole, k) => [hole, { tensor: inputs[k]!, batched: batched[k]! }]));
    known.set(key, (holes = { inputs, done }));
  }
  return holes;
}

/** The batched counterpart of every primitive. */
export const batching: { readonly [P in Primitive]: BatchRule<P> } = {
  constant: alike,
  buffer: alike,
  placeholder: alike,
  iota: alike,
  random: (y, { full }) => primitive.random(full(0), y.params.shape, y.params.stream),

  neg: unary(primitive.neg),
  exp: unary(primitive.exp),
  expm1: unary(primitive.expm1),
  log: unary(primitive.log),
  log1p: unary(primitive.log1p),
  sin: unary(primitive.sin),
  cos: unary(primitive.cos),
  tanh: unary(primitive.tanh),
  atan: unary(primitive.atan),
  erf: unary(primitive.erf),
  sqrt: unary(primitive.sqrt),
  floor: unary(primitive.floor),
  cast: (y, { full }) => primitive.cast(full(0), y.dtype),

  add: binary(primitive.add),
  mul: binary(primitive.mul),
  div: binary(primitive.div),
  max: binary(primitive.max),
  pow: binary(primitive.pow),
  less: binary(primitive.less),
  lessEqual: binary(primitive.lessEqual),
  equal: binary(primitive.equal),
  where: (_, { full }) => primitive.where(full(0), full(1), full(2)),

  reshape: (y, { full, size }) => primitive.reshape(full(0), [size, ...y.shape]),
  permute: (y, { full }) => primitive.permute(full(0), [0, ...shift(y.params.permutation)]),
  broadcast: (y, { full, size }) =>
    primitive.broadcast(full(0), [size, ...y.shape], [0, ...shift(y.params.axes)]),
  slice: (y, { full, size }) =>
    primitive.slice(full(0), [0, ...y.params.start], [1, ...y.params.step], [size, ...y.params.lengths]),
  pad: (y, { full }) => {
    const { low, high, interior, value } = y.params;
    return primitive.pad(full(0), [0, ...low], [0, ...high], [0, ...interior], value);
  },
  concat: (y, { full }) => primitive.concat(y.sources.map((_, k) => full(k)), y.params.axis + 1),
  window: (y, { full }) => primitive.window(full(0), y.params.size, y.params.step, y.params.dilation),
  fold: (y, { full }) => {
    const { size, step, dilation, spatial } = y.params;
    return primitive.fold(full(0), size, step, dilation, spatial);
  },

  reduce: (y, { full }) => primitive.reduce(full(0), y.params.combine, shift(y.params.axes)),
  argmax: (y, { full }) => primitive.argmax(full(0), y.params.axis + 1),
  cumsum: (y, { full }) => primitive.cumsum(full(0), y.params.axis + 1, y.params.reverse),
  argsort: (y, { full }) => primitive.argsort(full(0), y.params.axis + 1, y.params.descending),

  dot: (_, { sources, batched, full }) => {
    const [a, b] = sources as readonly [Tensor, Tensor];
    if (batched[0] && batched[1]) return primitive.dot(full(0), full(1));
    return batched[0] ? dotBatchedLeft(a, b) : swapLast(dotBatchedLeft(swapLast(b), swapLast(a)));
  },
  gather: (y, { sources, batched, size, full }) => {
    const [x, index] = sources as readonly [Tensor, Tensor];
    if (!batched[0]) return primitive.gather(x, index);
    // The batch axis rides along as part of each row.
    if (!batched[1]) return moveAxis(primitive.gather(moveAxis(x, 0, 1), index), index.rank, 0);
    const rows = x.shape[1]!;
    const flat = primitive.reshape(x, [size * rows, ...x.shape.slice(2)]);
    return primitive.gather(flat, offsetIndex(full(1), size, rows, "clamp"));
  },
  scatterAdd: (y, { sources, batched, size, full }) => {
    const [updates, index] = sources as readonly [Tensor, Tensor];
    const { rows } = y.params;
    if (!batched[1]) return moveAxis(primitive.scatterAdd(moveAxis(updates, 0, index.rank), index, rows), 1, 0);
    const flat = primitive.scatterAdd(full(0), offsetIndex(index, size, rows, "drop"), size * rows);
    return primitive.reshape(flat, [size, ...y.shape]);
  },

  factor: (y, { full }) => primitive.factor(full(0), y.params.name),
  triangularSolve: (y, { full }) => primitive.triangularSolve(full(0), full(1), y.params.lower, y.params.unit),

  identity: (y, { full }) => primitive.identity(full(0), y.params.tag),
  call: (y, { sources, batched, size }) => {
    const { body, rule } = y.params;
    const { inputs, done } = batchedHoles(body, batched, size);
    const output = full(batchInto([body.output], done, size)[0]!, size);
    return primitive.call(sources, {
      ...y.params,
      body: { inputs, output },
      ...(rule && { rule: batchRule(rule, y, batched, size) }),
    });
  },
  // Every example is checked: the largest position is negative only if all are.
  check: (y, { sources, batched, full }) => {
    const position = sources[1]!;
    return primitive.check(full(0), batched[1] ? primitive.reduce(position, "max", [0]) : position, y.params.fail);
  },
};

/**
 * Batches what lies between `roots` and the `known` nodes. What does not depend on a batched node stays as it is, one
 * for all examples.
 */
export function batch(
  roots: readonly Tensor[],
  known: ReadonlyMap<Tensor, Batched>,
  size: number,
): Batched[] {
  return batchInto(roots, new Map(known), size);
}

/** As `batch`; what is known, and then what is done, is in `done`. */
function batchInto(roots: readonly Tensor[], done: Map<Tensor, Batched>, size: number): Batched[] {
  const of = (node: Tensor): Batched => done.get(node) ?? { tensor: node, batched: false };
  let oldest = Infinity;
  for (const node of done.keys()) oldest = Math.min(oldest, node.id);
  for (const node of topologicalOrder(roots, (each) => each.id < oldest || done.has(each))) {
    if (done.has(node)) continue;
    const operands = node.sources.map(of);
    const sources = operands.map(({ tensor }) => tensor);
    if (operands.some(({ batched }) => batched)) {
      const rule = batching[node.op] as (y: Tensor, operands: Operands) => Tensor;
      const tensor = rule(node, {
        size,
        sources,
        batched: operands.map(({ batched }) => batched),
        full: (k) => full(operands[k]!, size),
      });
      done.set(node, { tensor, batched: true });
    } else if (sources.some((source, k) => source !== node.sources[k])) {
      done.set(node, { tensor: rebuild(node, sources), batched: false });
    }
  }
  return roots.map(of);
}
