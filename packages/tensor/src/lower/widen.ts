/**
 * Half precision is a way to store numbers, not to compute with them: here every float16 scalar of a kernel becomes a
 * float32 one. What is left of float16 is a load, of which the only use is a cast to float32 or a store, and a cast
 * from float32, of which the only use is a cast back or a store; so a backend converts and does nothing else with it.
 * `verify` holds programs to that. Owns no rounding: a cast to float16 that was asked for stays.
 */
import { type DType, computedIn } from "../core/dtype.ts";
import { type ContractDraft, type LoopDraft, type ScatterDraft, rewriteScalars } from "./draft.ts";
import type { Scalar } from "./program.ts";

const cast = (scalar: Scalar, dtype: DType): Scalar =>
  scalar.dtype === dtype ? scalar : { op: "cast", dtype, sources: [scalar] };

/** The scalar in float32 where it was float16; its operands are so already. */
function widenScalar(scalar: Scalar): Scalar {
  if (scalar.dtype !== "float16") {
    // Of a float16 operand, which is float32 by now.
    return scalar.op === "cast" && scalar.sources[0]!.dtype === scalar.dtype ? scalar.sources[0]! : scalar;
  }
  if (scalar.op === "load") return cast(scalar, "float32");
  if (scalar.op === "cast") return cast(cast(cast(scalar.sources[0]!, "float32"), "float16"), "float32");
  return { ...scalar, dtype: "float32" };
}

/** What is stored where a float16 is wanted: elements that were only moved keep their bits. */
function narrowed(scalar: Scalar): Scalar {
  const under = scalar.op === "cast" ? scalar.sources[0]! : scalar;
  return under.dtype === "float16" ? under : cast(scalar, "float16");
}

/** The draft with float32 arithmetic in the place of float16. */
export function widen<D extends LoopDraft | ContractDraft | ScatterDraft>(draft: D): D;
export function widen(draft: LoopDraft | ContractDraft | ScatterDraft): LoopDraft | ContractDraft | ScatterDraft {
  const body = rewriteScalars(widenScalar);
  const stored = (before: Scalar): Scalar => (before.dtype === "float16" ? narrowed(body(before)) : body(before));
  switch (draft.kind) {
    case "loop":
      return {
        ...draft,
        stages: draft.stages.map((stage) =>
          stage.kind === "store"
            ? { ...stage, body: stored(stage.body) }
            : { ...stage, dtype: computedIn(stage.dtype), body: body(stage.body) },
        ),
      };
    case "contract":
      return {
        ...draft,
        dtype: computedIn(draft.dtype),
        lhs: body(draft.lhs),
        rhs: body(draft.rhs),
        stores: draft.stores.map((store) => ({ ...store, body: stored(store.body) })),
      };
    case "scatter":
      return {
        ...draft,
        body: body(draft.body),
        indirect: draft.indirect.map((term) => ({ ...term, index: body(term.index) })),
      };
  }
}
