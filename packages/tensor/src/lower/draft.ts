/**
 * Kernels while they are being scheduled and merged: as in the program, except that every `arg` is the id of the
 * value read or written. Owns the questions all later stages ask of such a kernel.
 */
import { sameShape } from "../core/shape.ts";
import type { Affine, Condition, ContractKernel, LoopKernel, RoutineKernel, Scalar, ScatterKernel } from "./program.ts";

export type LoopDraft = Omit<LoopKernel, "args">;
export type ContractDraft = Omit<ContractKernel, "args">;
export type ScatterDraft = Omit<ScatterKernel, "args">;
type WithoutArguments<K extends RoutineKernel> = K extends unknown ? Omit<K, "args"> : never;
/** `inputs` and `output` are value ids. */
export type RoutineDraft = WithoutArguments<RoutineKernel> & { readonly inputs: readonly number[]; readonly output: number };
export type Draft = LoopDraft | ContractDraft | ScatterDraft | RoutineDraft;

/** True where two addresses are equal at every index. */
export const sameAddress = (a: Affine, b: Affine): boolean => a.offset === b.offset && sameShape(a.strides, b.strides);

/** Every scalar under the given ones, each once, operands first. */
export function scalarsOf(roots: readonly Scalar[]): Scalar[] {
  const seen = new Set<Scalar>();
  const order: Scalar[] = [];
  for (const root of roots) appendScalars(root, seen, order);
  return order;
}

// Loops in the functions that are called for every scalar: a process that lowers its first program interprets them.
function appendScalars(scalar: Scalar, seen: Set<Scalar>, order: Scalar[]): void {
  if (seen.has(scalar)) return;
  seen.add(scalar);
  for (const operand of operandsOf(scalar)) appendScalars(operand, seen, order);
  order.push(scalar);
}

const noOperands: readonly Scalar[] = [];

/** The scalars that a scalar is computed from. */
export function operandsOf(scalar: Scalar): readonly Scalar[] {
  switch (scalar.op) {
    case "const":
    case "index":
    case "valid":
    case "result":
      return noOperands;
    case "load":
      return scalar.indirect ? scalar.indirect.map(({ index }) => index) : noOperands;
    default:
      return scalar.sources;
  }
}

/** Rebuilds scalars bottom-up; what `replace` returns stands for a scalar whose operands are already rebuilt. */
export function rewriteScalars(replace: (scalar: Scalar) => Scalar): (scalar: Scalar) => Scalar {
  const known = new Map<Scalar, Scalar>();
  const visit = (scalar: Scalar): Scalar => {
    const before = known.get(scalar);
    if (before) return before;
    let rebuilt = scalar;
    if (scalar.op === "load" && scalar.indirect) {
      rebuilt = { ...scalar, indirect: scalar.indirect.map((term) => ({ ...term, index: visit(term.index) })) };
    } else if ("sources" in scalar) {
      const sources: Scalar[] = [];
      let changed = false;
      for (const source of scalar.sources) {
        const next = visit(source);
        sources.push(next);
        changed ||= next !== source;
      }
      if (changed) rebuilt = { ...scalar, sources };
    }
    const after = replace(rebuilt);
    known.set(scalar, after);
    return after;
  };
  return visit;
}

/** Changes every affine form of a scalar (addresses, indices, conditions) in the same way. */
export function mapAffine(change: (at: Affine) => Affine): (scalar: Scalar) => Scalar {
  const condition = (before: Condition): Condition => ({ ...change(before), below: before.below });
  return rewriteScalars((scalar) => {
    if (scalar.op === "index") return { ...scalar, at: change(scalar.at) };
    if (scalar.op === "valid") return { ...scalar, conditions: scalar.conditions.map(condition) };
    if (scalar.op !== "load") return scalar;
    return {
      ...scalar,
      at: change(scalar.at),
      ...(scalar.valid ? { valid: scalar.valid.map(condition) } : {}),
    };
  });
}

/** The expressions a draft evaluates. */
export function bodiesOf(draft: Draft): Scalar[] {
  switch (draft.kind) {
    case "loop":
      return draft.stages.map((stage) => stage.body);
    case "contract":
      return [draft.lhs, draft.rhs, ...draft.stores.map((store) => store.body)];
    case "scatter":
      return [draft.body, ...draft.indirect.map((term) => term.index)];
    case "routine":
      return [];
  }
}

type Load = Extract<Scalar, { op: "load" }>;

/** Drafts never change, and every attempt to join two asks for their loads. */
const knownLoads = new WeakMap<Draft, readonly Load[]>();

/** The loads of a draft, each object once. */
export function loadsOf(draft: Draft): readonly Load[] {
  let loads = knownLoads.get(draft);
  if (!loads) knownLoads.set(draft, (loads = loadsUnder(bodiesOf(draft))));
  return loads;
}

/** The loads under some scalars, each object once. */
export function loadsUnder(roots: readonly Scalar[]): Load[] {
  const loads: Load[] = [];
  for (const scalar of scalarsOf(roots)) if (scalar.op === "load") loads.push(scalar);
  return loads;
}

/** Ids of the values a draft reads. */
export function readsOf(draft: Draft): Set<number> {
  if (draft.kind === "routine") return new Set(draft.inputs);
  const reads = new Set<number>();
  for (const { arg } of loadsOf(draft)) reads.add(arg);
  return reads;
}

/** Ids of the values a draft writes. */
export function writesOf(draft: Draft): Set<number> {
  switch (draft.kind) {
    case "loop":
      return new Set(draft.stages.flatMap((stage) => (stage.kind === "store" ? [stage.arg] : [])));
    case "contract":
      return new Set(draft.stores.map((store) => store.arg));
    case "scatter":
      return new Set([draft.arg]);
    case "routine":
      return new Set([draft.output]);
  }
}

/** A loop draft or contract with every scalar and store address changed in the same way. */
export function mapDraft<D extends LoopDraft | ContractDraft>(
  draft: D,
  body: (scalar: Scalar) => Scalar,
  at: (at: Affine) => Affine = (same) => same,
): D {
  if (draft.kind === "loop") {
    const stages = draft.stages.map((stage) =>
      stage.kind === "store"
        ? { ...stage, body: body(stage.body), at: at(stage.at) }
        : { ...stage, body: body(stage.body) },
    );
    return { ...draft, stages };
  }
  const stores = draft.stores.map((store) => ({ ...store, body: body(store.body), at: at(store.at) }));
  return { ...draft, lhs: body(draft.lhs), rhs: body(draft.rhs), stores };
}
