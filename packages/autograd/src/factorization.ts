/**
 * Derivatives of factorizations, one row for each: how a small change of the matrix changes the parts. Only this
 * direction is spelled out; it is linear, so reverse mode is its transpose, taken by the walks of `tape.ts`. Vectors of
 * equal eigenvalues or singular values have no derivative, and what is computed for them is not finite. Sources: Giles, "Collected matrix
 * derivative results" (2008); Walter and Lehmann, "Algorithmic differentiation of linear algebra functions" (2010).
 */
import {
  type Factorization,
  type LinearMap,
  type NodeOf,
  type Tensor,
  axesOf,
  partsOf,
  primitive,
  sizeOf,
} from "@dormouse/tensor/graph";
import type { Walks } from "./derivative.ts";
import { lazy, remember } from "./lazy.ts";

const { add, constant, div, dot, mul, neg, triangularSolve, where } = primitive;

/** Matrices with rows and columns swapped. */
export const swapLast = (x: Tensor): Tensor =>
  primitive.permute(x, [...axesOf(x.rank - 2), x.rank - 1, x.rank - 2]);

/** The elements of matrices on one side of the main diagonal, with it (`whole`) or without, and zero elsewhere. */
export function triangle(x: Tensor, side: "lower" | "upper", extent: "whole" | "strict"): Tensor {
  const index = (axis: number): Tensor =>
    primitive.broadcast(primitive.iota(x.shape[axis]!), x.shape, [axis]);
  const [row, column] = [index(x.rank - 2), index(x.rank - 1)];
  const compare = extent === "whole" ? primitive.lessEqual : primitive.less;
  return where(side === "lower" ? compare(column, row) : compare(row, column), x, zeros(x));
}

const zeros = (x: Tensor): Tensor => constant(0, x.shape, x.dtype);
const halves = (x: Tensor): Tensor => mul(x, constant(0.5, x.shape, x.dtype));
const minus = (a: Tensor, b: Tensor): Tensor => add(a, neg(b));
const symmetricPart = (x: Tensor): Tensor => halves(add(x, swapLast(x)));

/** [.., n] along the rows of [.., m, n]. */
const alongRows = (x: Tensor, m: number): Tensor => {
  const lead = x.rank - 1;
  return primitive.broadcast(x, [...x.shape.slice(0, lead), m, x.shape[lead]!], [...axesOf(lead), lead + 1]);
};

/** The diagonal of square matrices. */
function diagonal(x: Tensor): Tensor {
  const strict = (side: "lower" | "upper"): Tensor => triangle(x, side, "strict");
  return primitive.reduce(minus(x, add(strict("lower"), strict("upper"))), "sum", [x.rank - 1]);
}

/** 1/x off the diagonal of square matrices, 0 on it. */
function inverseGaps(x: Tensor): Tensor {
  const one = constant(1, x.shape, x.dtype);
  const off = add(triangle(one, "lower", "strict"), triangle(one, "upper", "strict"));
  const onDiagonal = primitive.equal(off, zeros(x));
  return where(onDiagonal, zeros(x), div(one, where(onDiagonal, one, x)));
}

/** l⁻¹·x for lower triangles, x·u⁻¹ for upper ones. */
const afterLower = (l: Tensor, x: Tensor, unit = false): Tensor => triangularSolve(l, x, true, unit);
const beforeUpper = (x: Tensor, u: Tensor): Tensor => swapLast(afterLower(swapLast(u), swapLast(x)));

/** The changes of the parts that follow from a change `t` of the matrix. */
type Change = (parts: readonly Tensor[], t: Tensor) => readonly Tensor[];

const changes: { readonly [N in Factorization]: Change } = {
  // l⁻¹·dl is lower triangular, and with its transpose it adds up to l⁻¹·da·l⁻ᵀ.
  cholesky([l], t) {
    const inner = beforeUpper(afterLower(l!, symmetricPart(t)), swapLast(l!));
    const strict = triangle(inner, "lower", "strict");
    return [dot(l!, halves(add(strict, triangle(inner, "lower", "whole"))))];
  },

  // l⁻¹·dl is strictly lower and du·u⁻¹ upper; they add up to l⁻¹·da[rows]·u⁻¹.
  lu([lu, rows], t) {
    const n = lu!.shape.at(-1)!;
    const u = triangle(lu!, "upper", "whole");
    const below = triangle(lu!, "lower", "strict");
    const order = primitive.broadcast(rows!, lu!.shape, [...axesOf(lu!.rank - 2), lu!.rank - 2]);
    const column = primitive.broadcast(primitive.iota(n, lu!.dtype), lu!.shape, [lu!.rank - 1]);
    const permutation = primitive.cast(primitive.equal(order, column), lu!.dtype);
    const inner = beforeUpper(afterLower(lu!, dot(permutation, t), true), u);
    const left = triangle(inner, "lower", "strict");
    const lower = add(left, dot(below, left));
    return [add(triangle(lower, "lower", "strict"), dot(triangle(inner, "upper", "whole"), u)), zeros(rows!)];
  },

  // qᵀ·dq is antisymmetric and dr·r⁻¹ upper triangular; they add up to qᵀ·da·r⁻¹.
  qr([q, r], t) {
    const scaled = beforeUpper(t, r!);
    const inner = dot(swapLast(q!), scaled);
    const below = triangle(inner, "lower", "strict");
    const turn = minus(below, swapLast(below));
    const rest = minus(inner, turn);
    return [minus(scaled, dot(q!, rest)), dot(rest, r!)];
  },

  eigh([w, v], t) {
    const inner = dot(swapLast(v!), dot(symmetricPart(t), v!));
    const n = w!.shape.at(-1)!;
    const gaps = minus(alongRows(w!, n), swapLast(alongRows(w!, n)));
    return [diagonal(inner), dot(v!, mul(inverseGaps(gaps), inner))];
  },

  svd([u, s, v], t) {
    const [m, n] = u!.shape.slice(-2) as [number, number];
    const image = dot(t, v!);
    const inner = dot(swapLast(u!), image);
    const columns = alongRows(s!, n);
    const rows = swapLast(columns);
    // 1 / (sⱼ² − sᵢ²) as a product, which loses no digits where the two are close.
    const gaps = inverseGaps(mul(minus(columns, rows), add(columns, rows)));
    const turned = swapLast(inner);
    const du = dot(u!, mul(gaps, add(mul(inner, columns), mul(rows, turned))));
    const dv = dot(v!, mul(gaps, add(mul(rows, inner), mul(turned, columns))));
    const outside = minus(image, dot(u!, inner));
    return [m > n ? add(du, div(outside, alongRows(s!, m))) : du, diagonal(inner), dv];
  },
};

/** The linear map of a factorization. */
export function factorMap(y: NodeOf<"factor">, { record, pull }: Walks): LinearMap {
  const { name } = y.params;
  const { shape, dtype } = y.sources[0]!;
  const [m, n] = shape.slice(-2) as [number, number];
  const batch = shape.slice(0, -2);
  const parts = lazy(() => partsOf(y, name, m, n));
  const apply = (t: Tensor): Tensor => {
    const flat = changes[name](parts(), t).map((part) =>
      primitive.reshape(part, [...batch, sizeOf(part.shape.slice(batch.length))]),
    );
    return primitive.concat(flat, batch.length);
  };
  const transpose = remember((ct: Tensor) => {
    const hole = primitive.placeholder(shape, dtype);
    const change = apply(hole);
    return pull(record([change], [hole]), [change], [ct]).get(hole)!;
  });
  return { apply, transpose };
}
