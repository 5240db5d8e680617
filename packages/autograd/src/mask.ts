/**
 * Where a cotangent is known to be zero because a choice (`where`, `max`) did not take that element. An infinite slope
 * there would make 0 · ∞ = NaN of it, so the reverse walk keeps a mask beside each such cotangent, moves it along, and
 * selects again behind every factor that need not be finite. Masks are built when such a factor comes, so that a walk
 * without one makes the same graph as if there were none. Owns masks; which map moves them how is in `derivative.ts`.
 *
 * Two things end a mask: a map that mixes elements (`dot`, `gather`, `fold`, a rule of the user's), and a sum over
 * elements of which only some are masked. From there on the zero is a zero like any other.
 */
import { type LinearMap, type Shape, type Tensor, primitive } from "@dormouse/tensor/graph";
import { lazy } from "./lazy.ts";

/** True where a cotangent may differ from zero; null: anywhere. */
export type Mask = Tensor | null;

/** A linear map of the derivative table. */
export interface MaskedMap extends LinearMap {
  /**
   * Where the transpose may differ from zero, given where its argument may. "same": elementwise, so there.
   * Absent: anywhere.
   */
  readonly mask?: "same" | ((given: Mask) => Mask);
  /** Whether the transpose may make NaN of zero, because its factor can be infinite or NaN. */
  readonly risky?: boolean;
}

const { where, equal, constant } = primitive;
const masks = new WeakMap<Tensor, () => Mask>();

/** The transpose of a map at a cotangent: zero where the cotangent was masked, whatever the factor. */
export function transpose(map: LinearMap & MaskedMap, ct: Tensor): Tensor {
  const given = masks.get(ct);
  const chosen = given && map.risky ? given() : null;
  const plain = map.transpose(ct);
  const part = chosen ? where(chosen, plain, constant(0, plain.shape, plain.dtype)) : plain;
  const { mask } = map;
  if (mask === "same") {
    if (given) masks.set(part, given);
  } else if (mask) {
    masks.set(part, lazy(() => mask(given ? given() : null)));
  }
  return part;
}

/** The sum of two cotangents of one node: zero where both are. */
export function total(a: Tensor, b: Tensor): Tensor {
  const sum = primitive.add(a, b);
  const [left, right] = [masks.get(a), masks.get(b)];
  if (left && right) masks.set(sum, left === right ? left : lazy(() => either(left(), right())));
  return sum;
}

/** Where a condition does not hold. */
export const not = (condition: Tensor): Tensor => equal(condition, constant(0, condition.shape, "bool"));

/** Where `given` and the condition hold. */
export const both = (given: Mask, condition: Tensor): Tensor =>
  given ? where(given, condition, constant(0, condition.shape, "bool")) : condition;

/** Where one of two masks holds. The two branches of one `where` cover everything. */
function either(a: Mask, b: Mask): Mask {
  if (!a || !b || isNegation(a, b) || isNegation(b, a)) return null;
  return where(a, constant(1, a.shape, "bool"), b);
}

const isNegation = (a: Tensor, b: Tensor): boolean => a.op === "equal" && a.sources[0] === b;

/** A mask after a sum over `axes`, kept only where it is the same along them: one element then speaks for all. */
export function withoutAxes(mask: Mask, axes: Shape): Mask {
  if (!mask || axes.some((axis) => mask.shape[axis] === 0) || !isSameAlong(mask, axes)) return null;
  const first = primitive.slice(
    mask,
    mask.shape.map(() => 0),
    mask.shape.map(() => 1),
    mask.shape.map((length, axis) => (axes.includes(axis) ? 1 : length)),
  );
  return primitive.reshape(first, mask.shape.filter((_, axis) => !axes.includes(axis)));
}

/** Whether a mask is seen not to change along `axes`: a broadcast along them, or a choice or comparison of such. */
function isSameAlong(mask: Tensor, axes: Shape): boolean {
  const open = [mask];
  for (let node = open.pop(); node; node = open.pop()) {
    if (node.op === "broadcast") {
      const { axes: kept } = node.params as { readonly axes: Shape };
      if (kept.some((axis) => axes.includes(axis))) return false;
    } else if (node.op === "where" || node.op === "equal" || node.op === "less" || node.op === "lessEqual") {
      open.push(...node.sources);
    } else {
      return false;
    }
  }
  return true;
}

/** The number that every element of a tensor is known to have. */
export function constantOf(x: Tensor): number | undefined {
  let node = x;
  while (node.op === "broadcast" || node.op === "reshape") node = node.sources[0]!;
  return node.op === "constant" ? (node.params as { readonly value: number }).value : undefined;
}
