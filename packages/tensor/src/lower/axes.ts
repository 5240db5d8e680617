/**
 * Rearranging the loop axes of a draft: dropping, splitting, reordering and collapsing them, with every affine form
 * following. Owns no decision about which draft should be rearranged.
 */
import { type Shape, sameShape, sizeOf } from "../core/shape.ts";
import { type ContractDraft, type LoopDraft, bodiesOf, mapAffine, mapDraft, scalarsOf } from "./draft.ts";
import type { Affine } from "./program.ts";

export type NestDraft = LoopDraft | ContractDraft;

/** The groups of loop axes of a draft, in order. */
export const groupsOf = (draft: NestDraft): (readonly number[])[] =>
  draft.kind === "loop" ? [draft.outer, draft.inner] : [draft.batch, draft.m, draft.n, draft.k];

/** The draft with other loop axes; `change` turns an affine form over the old axes into one over the new. */
export function withAxes<D extends NestDraft>(
  draft: D,
  groups: readonly (readonly number[])[],
  change: (at: Affine) => Affine,
): D {
  const moved = mapDraft(draft as NestDraft, mapAffine(change), change);
  if (moved.kind === "loop") return { ...moved, outer: groups[0]!, inner: groups[1]! } as unknown as D;
  const [batch, m, n, k] = groups as [number[], number[], number[], number[]];
  return { ...moved, batch, m, n, k } as unknown as D;
}

/** Without the axes of length 1. */
export function dropUnitAxes<D extends NestDraft>(draft: D): D {
  const groups = groupsOf(draft);
  const lengths = groups.flat();
  if (!lengths.includes(1)) return draft;
  const kept = lengths.flatMap((length, axis) => (length === 1 ? [] : [axis]));
  return withAxes(
    draft,
    groups.map((group) => group.filter((length) => length !== 1)),
    ({ offset, strides }) => ({ offset, strides: kept.map((axis) => strides[axis]!) }),
  );
}

/** The coarsest lengths of which both lists are products of neighbours; null where there are none. */
export function commonRefinement(a: Shape, b: Shape): number[] | null {
  if (sizeOf(a) !== sizeOf(b)) return null;
  const ends = new Set<number>();
  for (const list of [a, b]) list.reduce((product, length) => (ends.add(product * length), product * length), 1);
  const sorted = [...ends].sort((x, y) => x - y);
  const lengths: number[] = [];
  let before = 1;
  for (const end of sorted) {
    if (end % before !== 0) return null;
    if (end !== before) lengths.push(end / before);
    before = end;
  }
  return lengths;
}

/** Splits every axis of `from` into its pieces in `refined` (which refines it). */
function splitterFor(from: Shape, refined: Shape): (strides: readonly number[]) => number[] {
  return (strides) => {
    const result: number[] = [];
    let next = 0;
    from.forEach((length, axis) => {
      const pieces: number[] = [];
      for (let product = 1; product < length; product *= refined[next++]!) pieces.push(refined[next]!);
      let below = length;
      for (const piece of pieces) {
        below /= piece;
        result.push(strides[axis]! * below);
      }
    });
    return result;
  };
}

/** Splits the axes of each group so that its lengths are `refined[group]`. */
export function refineAxes<D extends NestDraft>(draft: D, refined: readonly (readonly number[])[]): D {
  const groups = groupsOf(draft);
  if (groups.every((group, i) => sameShape(group, refined[i]!))) return draft;
  const splitters = groups.map((group, i) => splitterFor(group, refined[i]!));
  return withAxes(draft, refined, ({ offset, strides }) => {
    let first = 0;
    const split = groups.flatMap((group, i) => {
      const part = strides.slice(first, (first += group.length));
      return splitters[i]!(part);
    });
    return { offset, strides: split };
  });
}

/** Loop axes in another order and grouping: `axes[group]` lists old axis numbers. */
export function regroupAxes(draft: LoopDraft, axes: readonly [readonly number[], readonly number[]]): LoopDraft {
  const lengths = groupsOf(draft).flat();
  const order = axes.flat();
  if (axes[0].length === draft.outer.length && order.every((axis, i) => axis === i)) return draft;
  return withAxes(
    draft,
    axes.map((group) => group.map((axis) => lengths[axis]!)),
    ({ offset, strides }) => ({ offset, strides: order.map((axis) => strides[axis]!) }),
  );
}

/** Joins neighbouring axes of a group wherever every affine form walks over them as over one. */
export function collapseAxes<D extends NestDraft>(draft: D): D {
  const forms: Affine[] = [];
  const collect = (at: Affine) => (forms.push(at), at);
  mapDraft(draft as NestDraft, (scalar) => scalar, collect);
  for (const scalar of scalarsOf(bodiesOf(draft))) {
    if (scalar.op === "index") forms.push(scalar.at);
    if (scalar.op === "valid") forms.push(...scalar.conditions);
    if (scalar.op === "load") forms.push(scalar.at, ...(scalar.valid ?? []));
  }
  let first = 0;
  const joined: number[][] = [];
  const kept: number[] = [];
  for (const group of groupsOf(draft)) {
    const lengths: number[] = [];
    group.forEach((length, i) => {
      const axis = first + i;
      const together = i > 0 && forms.every(({ strides }) => strides[axis - 1] === strides[axis]! * length);
      if (together) {
        lengths.push(lengths.pop()! * length);
        kept.pop();
      } else lengths.push(length);
      kept.push(axis);
    });
    joined.push(lengths);
    first += group.length;
  }
  if (kept.length === first) return draft;
  return withAxes(draft, joined, ({ offset, strides }) => ({ offset, strides: kept.map((axis) => strides[axis]!) }));
}
