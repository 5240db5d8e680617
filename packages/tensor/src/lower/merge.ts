/**
 * Joins drafts that walk over the same elements, so that a value is used where it is made: an elementwise kernel into
 * the reduction or product before it (an epilogue), a reduction into the row kernel that needs its result (softmax,
 * normalization), neighbours that read the same data. Every join keeps each element's arithmetic as it was.
 */
import { sameShape, sizeOf, stridesOf } from "../core/shape.ts";
import { bindingsOf } from "./bindings.ts";
import { commonRefinement, dropUnitAxes, groupsOf, refineAxes, regroupAxes, withAxes } from "./axes.ts";
import {
  type ContractDraft,
  type Draft,
  type LoopDraft,
  bodiesOf,
  loadsOf,
  readsOf,
  rewriteScalars,
  sameAddress,
  scalarsOf,
  writesOf,
} from "./draft.ts";
import type { Affine, Scalar, Stage, StoreStage } from "./program.ts";

export interface MergeOptions {
  /** Ids of values that must be in memory at the end. */
  readonly outputs: ReadonlySet<number>;
  /** Ids of values with a buffer each: those, and what is given. */
  readonly apart: ReadonlySet<number>;
  /** Buffers one kernel may take. */
  readonly maxBindings: number;
}

/** A value this costly (see `costOf`) is read back from memory by a later pass over the row, not computed again. */
const WORTH_READING_BACK = 8;
/** More scalar operations than this in one kernel spill registers and compile slowly. */
const LARGEST_KERNEL = 600;

interface Entry {
  readonly draft: Draft;
  readonly reads: ReadonlySet<number>;
  readonly writes: ReadonlySet<number>;
}

const entryOf = (draft: Draft): Entry => ({ draft, reads: readsOf(draft), writes: writesOf(draft) });

/** The drafts after every join that pays, in an order in which they can run. */
export function merge(drafts: readonly Draft[], options: MergeOptions): Draft[] {
  let entries = drafts.map((draft) =>
    entryOf(draft.kind === "loop" ? reduceNothing(dropUnitAxes(draft)) : draft.kind === "contract" ? dropUnitAxes(draft) : draft),
  );
  for (const attempt of [joinProducer, joinNeighbor]) {
    for (let at = 0; at < entries.length; at++) {
      const joined = attempt(entries, at, options);
      if (!joined) continue;
      entries = dropUnread(joined, options.outputs);
      // The joined draft may fit another one before it; those behind it are still to come.
      at = Math.max(-1, Math.min(joined.at, entries.length) - 2);
    }
  }
  return entries.map((entry) => entry.draft);
}

/** A reduction over one element is that element, so that a draft without inner axes is a map. */
function reduceNothing(draft: LoopDraft): LoopDraft {
  if (draft.inner.length > 0 || draft.stages.every((stage) => stage.kind === "store")) return draft;
  const results: (Scalar | null)[] = [];
  const substitute = rewriteScalars((scalar) => (scalar.op === "result" ? results[scalar.stage]! : scalar));
  const stages = draft.stages.flatMap((stage): Stage[] => {
    const body = substitute(stage.body);
    const only: Scalar = stage.kind === "reduce" && stage.combine === "argmax" ? { op: "const", dtype: "int32", value: 0 } : body;
    results.push(stage.kind === "reduce" ? only : null);
    return stage.kind === "reduce" ? [] : [{ ...stage, body }];
  });
  return { ...draft, stages };
}

/** Entries after a join, and where the joined one is. */
interface Joined {
  readonly entries: Entry[];
  readonly at: number;
}

/** The values that one draft writes and the other reads. */
function valuesBetween({ writes }: Entry, { reads }: Entry): number[] {
  const shared: number[] = [];
  for (const value of writes) if (reads.has(value)) shared.push(value);
  return shared;
}

/** Joins the draft at `at` with the producer of something it reads. */
function joinProducer(entries: readonly Entry[], at: number, options: MergeOptions): Joined | null {
  const consumer = entries[at]!;
  if (consumer.draft.kind !== "loop") return null;
  for (let before = at - 1; before >= 0; before--) {
    const producer = entries[before]!;
    if (producer.draft.kind === "scatter" || producer.draft.kind === "routine") continue;
    const shared = valuesBetween(producer, consumer);
    if (shared.length === 0) continue;
    if (shared.some((value) => writesTwice(entries, value))) continue;
    if (hasPathBetween(entries, before, at)) continue;
    const draft = fuse(producer.draft, consumer.draft, shared);
    if (draft && fits(draft, options)) return replacePair(entries, before, at, draft);
  }
  return null;
}

/** True for a value of which several drafts write a part. */
function writesTwice(entries: readonly Entry[], value: number): boolean {
  let writers = 0;
  for (const { writes } of entries) if (writes.has(value) && ++writers > 1) return true;
  return false;
}

/**
 * Joins the draft at `at` with an earlier independent one of the same loops that reads the same large value; or with any
 * other scalar one, if it is a scalar itself: starting a kernel costs more than what it does.
 */
function joinNeighbor(entries: readonly Entry[], at: number, options: MergeOptions): Joined | null {
  const { draft: second, reads } = entries[at]!;
  if (second.kind !== "loop") return null;
  for (let before = at - 1; before >= 0; before--) {
    const { draft: first, reads: firstReads } = entries[before]!;
    if (first.kind !== "loop" || !sameLoops(first, second)) continue;
    const meets = isScalar(second) || [...reads].some((value) => firstReads.has(value) && readAlike(first, second, value));
    if (!meets) continue;
    if ([...entries[before]!.writes].some((value) => reads.has(value)) || hasPathBetween(entries, before, at)) continue;
    const draft: LoopDraft = { ...first, stages: [...first.stages, ...shiftResults(second.stages, first.stages.length)] };
    if (fits(draft, options)) return replacePair(entries, before, at, draft);
  }
  return null;
}

const sameLoops = (a: LoopDraft, b: LoopDraft): boolean =>
  sameShape(a.outer, b.outer) && sameShape(a.inner, b.inner);

const isScalar = ({ outer, inner }: LoopDraft): boolean => outer.length + inner.length === 0;

/** True where both drafts read `value` at every point of their loops, in the same order. */
function readAlike(a: LoopDraft, b: LoopDraft, value: number): boolean {
  const [first, second] = [a, b].map((draft) => loadsOf(draft).find((load) => load.arg === value)!.at.strides);
  return sameShape(first!, second!) && first!.every((stride) => stride !== 0);
}

/** True where something between the two needs the first and is needed by the second. */
function hasPathBetween(entries: readonly Entry[], first: number, second: number): boolean {
  const tainted = new Set(entries[first]!.writes);
  const goal = entries[second]!.reads;
  for (const entry of entries.slice(first + 1, second)) {
    if (![...entry.reads].some((value) => tainted.has(value))) continue;
    for (const value of entry.writes) {
      if (goal.has(value)) return true;
      tainted.add(value);
    }
  }
  return false;
}

/** Puts `draft` in the place of two drafts; what depends on the first moves behind it. */
function replacePair(entries: readonly Entry[], first: number, second: number, draft: Draft): Joined {
  const tainted = new Set(entries[first]!.writes);
  const ahead: Entry[] = [];
  const behind: Entry[] = [];
  for (const entry of entries.slice(first + 1, second)) {
    const depends = [...entry.reads].some((value) => tainted.has(value));
    if (depends) for (const value of entry.writes) tainted.add(value);
    (depends ? behind : ahead).push(entry);
  }
  const before = [...entries.slice(0, first), ...ahead];
  return { entries: [...before, entryOf(draft), ...behind, ...entries.slice(second + 1)], at: before.length };
}

/** Removes the stores of the joined draft that nobody reads any more. */
function dropUnread({ entries, at }: Joined, outputs: ReadonlySet<number>): Entry[] {
  const { draft, writes } = entries[at]!;
  const unread = new Set([...writes].filter((value) => !outputs.has(value) && !entries.some(({ reads }) => reads.has(value))));
  if (unread.size === 0) return entries;
  if (draft.kind === "loop") {
    const stages = draft.stages.filter((stage) => stage.kind !== "store" || !unread.has(stage.arg));
    return entries.with(at, entryOf(renumber(draft, stages)));
  }
  if (draft.kind !== "contract") return entries;
  return entries.with(at, entryOf({ ...draft, stores: draft.stores.filter((store) => !unread.has(store.arg)) }));
}

/** The draft with some stages gone; `result` references follow. */
function renumber(draft: LoopDraft, stages: readonly Stage[]): LoopDraft {
  const place = new Map(stages.map((stage, i) => [draft.stages.indexOf(stage), i]));
  return { ...draft, stages: mapResults(stages, (stage) => place.get(stage)!) };
}

const shiftResults = (stages: readonly Stage[], by: number): Stage[] => mapResults(stages, (stage) => stage + by);

function mapResults(stages: readonly Stage[], place: (stage: number) => number): Stage[] {
  const rewrite = rewriteScalars((scalar) =>
    scalar.op === "result" ? { ...scalar, stage: place(scalar.stage) } : scalar,
  );
  return stages.map((stage) => ({ ...stage, body: rewrite(stage.body) }));
}

const fits = (draft: Draft, { apart, maxBindings }: MergeOptions): boolean =>
  bindingsOf(draft, apart) <= maxBindings &&
  scalarsOf(bodiesOf(draft)).length <= LARGEST_KERNEL;

/** One draft that does the work of both, or null where their loops do not match. */
function fuse(producer: LoopDraft | ContractDraft, consumer: LoopDraft, shared: readonly number[]): Draft | null {
  // The largest shared value fixes how the loops correspond; the others are checked against that.
  const sizeOfStore = (value: number): number => sizeOf(spanOf(producer, value) ?? []);
  const value = shared.toSorted((a, b) => sizeOfStore(b) - sizeOfStore(a))[0]!;
  const span = spanOf(producer, value);
  const walk = span && walkOf(consumer, value, sizeOf(span));
  if (!walk) return null;
  return producer.kind === "contract"
    ? fuseContract(producer, consumer, shared, walk)
    : fuseLoops(producer, consumer, shared, walk, storeOf(producer, value)!.level);
}

const storeOf = (draft: LoopDraft, value: number): StoreStage | undefined =>
  draft.stages.find((stage): stage is StoreStage => stage.kind === "store" && stage.arg === value);

/** Lengths of the loop axes over which a draft writes a whole value in row-major order; null if it does not. */
function spanOf(draft: LoopDraft | ContractDraft, value: number): number[] | null {
  const groups = groupsOf(draft);
  const store = draft.kind === "loop" ? storeOf(draft, value) : draft.stores.find((s) => s.arg === value);
  if (!store) return null;
  const count = draft.kind === "contract" ? 3 : (store as StoreStage).level === "outer" ? 1 : 2;
  const lengths = groups.slice(0, count).flat();
  const strides = store.at.strides.slice(0, lengths.length);
  return store.at.offset === 0 && sameShape(strides, stridesOf(lengths)) ? lengths : null;
}

/** How a consumer walks over a value: its loop axes in the value's row-major order, and the axes that do not move. */
interface Walk {
  readonly along: readonly number[];
  readonly across: readonly number[];
}

function walkOf(consumer: LoopDraft, value: number, size: number): Walk | null {
  const loads = loadsOf(consumer).filter((load) => load.arg === value);
  const { strides, offset } = loads[0]!.at;
  const alike = loads.every(
    (load) => load.at.offset === 0 && !load.indirect && !load.valid && sameShape(load.at.strides, strides),
  );
  if (!alike || offset !== 0 || strides.some((stride) => stride < 0)) return null;
  const lengths = groupsOf(consumer).flat();
  const axes = lengths.map((_, axis) => axis);
  const along = axes.filter((axis) => strides[axis] !== 0).sort((a, b) => strides[b]! - strides[a]!);
  const walked = along.map((axis) => lengths[axis]!);
  if (sizeOf(walked) !== size || !sameShape(along.map((axis) => strides[axis]!), stridesOf(walked))) return null;
  return { along, across: axes.filter((axis) => strides[axis] === 0) };
}

const inOrder = (axes: readonly number[]): boolean => axes.every((axis, i) => i === 0 || axis > axes[i - 1]!);

/** Joins loop kernels; see the cases inside. */
function fuseLoops(
  producer: LoopDraft,
  consumer: LoopDraft,
  shared: readonly number[],
  { along, across }: Walk,
  level: "outer" | "inner",
): LoopDraft | null {
  if (!inOrder(along)) return null;
  const lengths = groupsOf(consumer).flat();
  const pick = (axes: readonly number[]) => axes.map((axis) => lengths[axis]!);
  const rows = consumer.outer.map((_, axis) => axis);
  const columns = consumer.inner.map((_, axis) => consumer.outer.length + axis);
  const isMap = consumer.inner.length === 0;
  const producerIsMap = producer.inner.length === 0;

  if (level === "outer" && isMap && across.length === 0) {
    // Elementwise after elementwise, or after a reduction: another store per outer index.
    const outer = commonRefinement(producer.outer, pick(along));
    return outer && concatenate(refineAxes(producer, [outer, producer.inner]), consumer, [outer, []], shared);
  }
  if (level === "outer" && across.length > 0 && (isMap ? !producerIsMap : sameShape(along, rows))) {
    // What was reduced over a row is used along that row: one more pass over the row.
    const outer = commonRefinement(producer.outer, pick(along));
    const inner = producerIsMap ? pick(across) : commonRefinement(producer.inner, pick(across));
    if (!outer || !inner) return null;
    const regrouped = isMap ? asRows(regroupAxes(consumer, [along, across])) : consumer;
    const first = producerIsMap ? addInner(refineAxes(producer, [outer, []]), inner) : refineAxes(producer, [outer, inner]);
    return concatenate(first, regrouped, [outer, inner], shared);
  }
  if (across.length > 0) return null;
  if (producerIsMap) {
    // Elementwise before a row kernel: its elements are computed by the passes that read them.
    const whole = commonRefinement(producer.outer, lengths);
    if (!whole) return null;
    const cut = cutAt(whole, sizeOf(consumer.outer));
    if (!cut) return null;
    const refined = refineAxes(producer, [whole, []]);
    const first = asRows({ ...refined, outer: cut[0], inner: cut[1] });
    return concatenate(first, consumer, cut, shared);
  }
  // Row kernel, then something over the same elements.
  if (!isMap && sizeOf(consumer.outer) !== sizeOf(producer.outer)) return null;
  const whole = commonRefinement([...producer.outer, ...producer.inner], lengths);
  const cut = whole && cutAt(whole, sizeOf(producer.outer));
  if (!cut) return null;
  const regrouped = isMap
    ? splitMap(consumer, whole, cut[0].length)
    : sameShape([...rows, ...columns], along)
      ? consumer
      : null;
  return regrouped && concatenate(refineAxes(producer, cut), regrouped, cut, shared);
}

/** A map over axes that refine to `whole`, as a row kernel whose first `rows` axes are the outer ones. */
function splitMap(consumer: LoopDraft, whole: readonly number[], rows: number): LoopDraft {
  const refined = refineAxes(consumer, [whole, []]);
  return asRows({ ...refined, outer: whole.slice(0, rows), inner: whole.slice(rows) });
}

/** Where the product of the first axes is `size`. */
function cutAt(lengths: readonly number[], size: number): [number[], number[]] | null {
  let product = 1;
  let count = 0;
  while (product < size) product *= lengths[count++]!;
  return product === size ? [lengths.slice(0, count), lengths.slice(count)] : null;
}

/** Stores of a map that has become a row kernel happen for every inner index. */
const asRows = (draft: LoopDraft): LoopDraft => ({
  ...draft,
  stages: draft.stages.map((stage) => (stage.kind === "store" ? { ...stage, level: "inner" as const } : stage)),
});

/** A map over rows, with inner axes that it does not walk. */
const addInner = (draft: LoopDraft, inner: readonly number[]): LoopDraft =>
  withAxes(draft, [draft.outer, inner], ({ offset, strides }) => ({
    offset,
    strides: [...strides, ...inner.map(() => 0)],
  }));

/** The stages of one draft and then those of the other, which is refined to the same axes and reads in place. */
function concatenate(
  first: LoopDraft,
  consumer: LoopDraft,
  axes: readonly [readonly number[], readonly number[]],
  shared: readonly number[],
): LoopDraft | null {
  const refined = refineAxes(consumer, axes);
  const second = axes[1].length === first.inner.length ? refined : addInner(refined, first.inner);
  const shifted = shiftResults(second.stages, first.stages.length);
  const stores = new Map(shared.map((value) => [value, storeOf(first, value)!]));
  let matching = true;
  const reducedAfter = (store: StoreStage) => first.stages.lastIndexOf(store) < first.stages.findLastIndex((stage) => stage.kind === "reduce");
  const substituteAfter = (reduced: boolean) =>
    rewriteScalars((scalar) => {
      const store = scalar.op === "load" ? stores.get(scalar.arg) : undefined;
      if (!store || scalar.op !== "load") return scalar;
      if (!sameAddress(scalar.at, store.at) || scalar.valid || scalar.indirect) {
        matching = false;
        return scalar;
      }
      // Within the pass that stores it the value is at hand; a later pass may read it back.
      const laterPass = reduced || reducedAfter(store);
      const readBack = laterPass && store.level === "inner" && costOf(store.body) >= WORTH_READING_BACK;
      return readBack ? scalar : store.body;
    });
  const here = substituteAfter(false);
  const later = substituteAfter(true);
  let reduced = false;
  const stages: Stage[] = [...first.stages];
  for (const stage of shifted) {
    reduced ||= stage.kind === "reduce";
    stages.push({ ...stage, body: (reduced ? later : here)(stage.body) });
  }
  return matching ? { ...first, stages } : null;
}

/** Rough cost of computing a scalar, in additions: what a transcendental function or a division stands for. */
function costOf(body: Scalar): number {
  const costly = new Set(["exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "atan", "erf", "pow", "threefry"]);
  return scalarsOf([body]).reduce((cost, { op }) => cost + (costly.has(op) ? 10 : op === "div" || op === "sqrt" ? 3 : 1), 0);
}

/** A map over the elements of a product becomes one of its stores. */
function fuseContract(
  producer: ContractDraft,
  consumer: LoopDraft,
  shared: readonly number[],
  { along, across }: Walk,
): ContractDraft | null {
  if (consumer.inner.length > 0 || across.length > 0) return null;
  const lengths = groupsOf(consumer).flat();
  const span = [...producer.batch, ...producer.m, ...producer.n];
  const whole = commonRefinement(span, along.map((axis) => lengths[axis]!));
  if (!whole) return null;
  const batch = cutAt(whole, sizeOf(producer.batch))!;
  const rows = cutAt(batch[1], sizeOf(producer.m))!;
  const refined = refineAxes(producer, [batch[0], rows[0], rows[1], producer.k]);
  const ordered = refineAxes(regroupAxes(consumer, [along, []]), [whole, []]);
  const extended = addInner(ordered, producer.k);
  const bodies = new Map(refined.stores.map((store) => [store.arg, store]));
  let matching = true;
  const substitute = rewriteScalars((scalar) => {
    if (scalar.op !== "load" || !shared.includes(scalar.arg)) return scalar;
    const store = bodies.get(scalar.arg)!;
    matching &&= sameAddress(scalar.at, store.at) && !scalar.valid && !scalar.indirect;
    return store.body;
  });
  const stores = extended.stages.map((stage) => {
    const { arg, at, body } = stage as StoreStage;
    return { arg, at, body: substitute(body) };
  });
  if (!matching) return null;
  const fused: ContractDraft = { ...refined, stores: [...refined.stores, ...stores] };
  return orient(fused, stores);
}

/** Chooses which operand is the left one, so that the stores walk along memory; null where neither does. */
function orient(draft: ContractDraft, stores: readonly { readonly at: Affine }[]): ContractDraft | null {
  const b = draft.batch.length;
  const [m, n, k] = [draft.m.length, draft.n.length, draft.k.length];
  const contiguous = (axis: number, length: number) =>
    length === 0 || stores.every((store) => store.at.strides[axis] === 1);
  if (contiguous(b + m + n - 1, n)) return draft;
  if (!contiguous(b + m - 1, m)) return null;
  const swap = ({ offset, strides }: Affine): Affine => ({
    offset,
    strides: [
      ...strides.slice(0, b),
      ...strides.slice(b + m, b + m + n),
      ...strides.slice(b, b + m),
      ...strides.slice(b + m + n, b + m + n + k),
    ],
  });
  const swapped = withAxes(draft, [draft.batch, draft.n, draft.m, draft.k], swap);
  return { ...swapped, lhs: swapped.rhs, rhs: swapped.lhs };
}
