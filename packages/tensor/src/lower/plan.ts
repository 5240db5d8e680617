/**
 * Memory of a program: which outputs take over the memory of a donated input, and where in the scratch space each
 * temporary lives. Works on drafts in their final order; allocates nothing itself.
 */
import { bytesOf } from "../core/dtype.ts";
import { sizeOf } from "../core/shape.ts";
import { type ContractDraft, type Draft, type LoopDraft, loadsUnder, readsOf, sameAddress, writesOf } from "./draft.ts";
import type { Scalar, StoreStage } from "./program.ts";
import { type Value, is } from "./value.ts";

/** Alignment of temporaries: what WebGPU asks of a storage-buffer offset, and more than a cache line. */
const ALIGNMENT = 256;

export interface Placement {
  readonly offset: number;
  readonly bytes: number;
}

export interface Plan {
  /** Output value id → id of the donated input value whose memory it takes. */
  readonly aliases: ReadonlyMap<number, number>;
  /** Value id → place in scratch space. */
  readonly temporaries: ReadonlyMap<number, Placement>;
  readonly temporaryBytes: number;
}

const bytesIn = (value: Value): number => sizeOf(value.shape) * bytesOf(value.dtype);

/** Plans the memory of drafts that run in the given order. `heirs`: outputs that may take over a donated input. */
export function plan(
  drafts: readonly Draft[],
  values: ReadonlyMap<number, Value>,
  outputs: ReadonlySet<number>,
  donated: ReadonlySet<number>,
  heirs: ReadonlySet<number>,
): Plan {
  const firstWrite = new Map<number, number>();
  const lastUse = new Map<number, number>();
  drafts.forEach((draft, step) => {
    for (const value of writesOf(draft)) {
      if (!firstWrite.has(value)) firstWrite.set(value, step);
      lastUse.set(value, step);
    }
    for (const value of readsOf(draft)) lastUse.set(value, step);
  });
  const aliases = chooseAliases(drafts, values, heirs, donated, firstWrite, lastUse);

  const waiting = [...firstWrite.keys()]
    .map((id) => values.get(id)!)
    .filter((value) => !outputs.has(value.id) && value.op !== "input")
    .sort((a, b) => bytesIn(b) - bytesIn(a));
  const temporaries = new Map<number, Placement>();
  let temporaryBytes = 0;
  for (const value of waiting) {
    const from = firstWrite.get(value.id)!;
    const to = lastUse.get(value.id)!;
    const bytes = Math.ceil(bytesIn(value) / ALIGNMENT) * ALIGNMENT;
    // The largest first, each at the lowest place that is free for its whole life.
    const taken = [...temporaries]
      .filter(([id]) => firstWrite.get(id)! <= to && lastUse.get(id)! >= from)
      .map(([, place]) => place)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const place of taken) {
      if (place.offset >= offset + bytes) break;
      offset = Math.max(offset, place.offset + place.bytes);
    }
    temporaries.set(value.id, { offset, bytes });
    temporaryBytes = Math.max(temporaryBytes, offset + bytes);
  }
  return { aliases, temporaries, temporaryBytes };
}

/** Pairs outputs with donated inputs of the same size whose elements nobody needs once the output is written. */
function chooseAliases(
  drafts: readonly Draft[],
  values: ReadonlyMap<number, Value>,
  heirs: ReadonlySet<number>,
  donated: ReadonlySet<number>,
  firstWrite: ReadonlyMap<number, number>,
  lastUse: ReadonlyMap<number, number>,
): Map<number, number> {
  const aliases = new Map<number, number>();
  const free = new Set(donated);
  for (const output of heirs) {
    const value = values.get(output)!;
    const written = firstWrite.get(output);
    if (written === undefined || is(value, "input")) continue;
    // The input that the same kernel reads is the one this output replaces: the parameter before the update.
    let choice: number | undefined;
    for (const input of free) {
      const source = values.get(input)!;
      if (source.dtype !== value.dtype || sizeOf(source.shape) !== sizeOf(value.shape)) continue;
      const read = lastUse.get(input) ?? -1;
      if (read < written) choice ??= input;
      if (read !== written || !readsInPlace(drafts[written]!, input, output)) continue;
      choice = input;
      break;
    }
    if (choice === undefined) continue;
    aliases.set(output, choice);
    free.delete(choice);
  }
  return aliases;
}

/**
 * True where a kernel reads each element of `input` only in the pass that writes that element of `output`: a pass
 * evaluates everything at an index before it writes anything there.
 */
function readsInPlace(draft: Draft, input: number, output: number): boolean {
  if (draft.kind !== "loop" && draft.kind !== "contract") return false;
  const passes = passesOf(draft);
  const pass = passes.find((stores) => stores.some((store) => store.arg === output))!;
  const { at } = pass.find((store) => store.arg === output)!;
  const loads = (bodies: readonly Scalar[]) => loadsUnder(bodies).filter(({ arg }) => arg === input);
  // By stage and not by body: a sum over what the pass stores has the body of the store, and reads it later.
  const elsewhere =
    draft.kind === "contract"
      ? [draft.lhs, draft.rhs]
      : draft.stages.filter((stage) => !pass.includes(stage as AnyStore)).map((stage) => stage.body);
  return (
    loads(elsewhere).length === 0 &&
    loads(pass.map((store) => store.body)).every(
      (load) => !load.indirect && !load.valid && sameAddress(load.at, at),
    )
  );
}

type AnyStore = Pick<StoreStage, "arg" | "at" | "body">;

/** The stores of a draft, pass by pass. */
function passesOf(draft: LoopDraft | ContractDraft): AnyStore[][] {
  if (draft.kind === "contract") return [[...draft.stores]];
  const passes: AnyStore[][] = [];
  let open: StoreStage["level"] | null = null;
  for (const stage of draft.stages) {
    if (stage.kind === "store" && stage.level === open) passes[passes.length - 1]!.push(stage);
    else if (stage.kind === "store") passes.push([stage]);
    open = stage.kind === "store" ? stage.level : null;
  }
  return passes;
}
