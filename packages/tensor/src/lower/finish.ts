/**
 * Makes kernels of drafts: float16 widened, loops collapsed, equal scalars shared, arguments numbered. Two kernels that
 * do the same work on different buffers come out equal, so that a backend compiles them once.
 */
import { collapseAxes, dropUnitAxes } from "./axes.ts";
import {
  type ContractDraft,
  type Draft,
  type LoopDraft,
  type ScatterDraft,
  bodiesOf,
  mapDraft,
  operandsOf,
  rewriteScalars,
  scalarsOf,
} from "./draft.ts";
import type { Kernel, KernelArgument, Scalar } from "./program.ts";
import { widen } from "./widen.ts";

/** A kernel and, for each of its arguments, the place (see `placeOf`) it is bound to. */
export interface BoundKernel {
  readonly kernel: Kernel;
  readonly places: readonly number[];
}

/** What a place holds. */
export interface PlaceFacts {
  readonly dtype: KernelArgument["dtype"];
  readonly length: number;
}

/** Makes the kernel of a draft. `placeOf` tells which values share memory: the id of the value that owns it. */
export function finish(
  draft: Draft,
  placeOf: (value: number) => number,
  factsOf: (place: number) => PlaceFacts,
): BoundKernel {
  if (draft.kind === "routine") {
    const { inputs, output, ...rest } = draft;
    const places = [...inputs, output].map(placeOf);
    const args = places.map((place, i): KernelArgument => ({
      ...factsOf(place),
      access: i < inputs.length ? "read" : "write",
    }));
    return { kernel: { ...rest, args }, places };
  }
  const wide = widen(draft);
  const shared = share(wide.kind === "scatter" ? wide : collapseAxes(dropUnitAxes(wide)));
  const places: number[] = [];
  const read = new Set<number>();
  const written = new Set<number>();
  const number = (value: number, uses: Set<number>): number => {
    const place = placeOf(value);
    let arg = places.indexOf(place);
    if (arg < 0) arg = places.push(place) - 1;
    uses.add(arg);
    return arg;
  };
  const numbered = rewriteScalars((scalar) =>
    scalar.op === "load" ? { ...scalar, arg: number(scalar.arg, read) } : scalar,
  );
  const body = ((): LoopDraft | ContractDraft | ScatterDraft => {
    if (shared.kind === "scatter") {
      return {
        ...shared,
        body: numbered(shared.body),
        indirect: shared.indirect.map((term) => ({ ...term, index: numbered(term.index) })),
        arg: number(shared.arg, written),
      };
    }
    if (shared.kind === "contract") {
      const { lhs, rhs, stores } = mapDraft(shared, numbered);
      return { ...shared, lhs, rhs, stores: stores.map((store) => ({ ...store, arg: number(store.arg, written) })) };
    }
    const { stages } = mapDraft(shared, numbered);
    return {
      ...shared,
      stages: stages.map((stage) => (stage.kind === "store" ? { ...stage, arg: number(stage.arg, written) } : stage)),
    };
  })();
  const args = places.map((place, arg): KernelArgument => ({
    ...factsOf(place),
    access: !written.has(arg) ? "read" : read.has(arg) ? "readwrite" : "write",
  }));
  return { kernel: { ...body, args }, places };
}

/** The draft with every two equal scalars made one object. */
function share<D extends Exclude<Draft, { kind: "routine" }>>(draft: D): D {
  const known = new Map<string, Scalar>();
  const serial = new Map<Scalar, number>();
  const intern = rewriteScalars((scalar) => {
    const operands = operandsOf(scalar).map((operand) => serial.get(operand)!);
    const key = describe(scalar, operands);
    const before = known.get(key);
    if (before) return before;
    known.set(key, scalar);
    serial.set(scalar, serial.size);
    return scalar;
  });
  if (draft.kind === "scatter") {
    return {
      ...draft,
      body: intern(draft.body),
      indirect: draft.indirect.map((term) => ({ ...term, index: intern(term.index) })),
    };
  }
  return mapDraft(draft as Extract<Draft, { kind: "loop" | "contract" }>, intern) as unknown as D;
}

/** A scalar as text, operands by number. */
function describe(scalar: Scalar, operands: readonly number[]): string {
  switch (scalar.op) {
    case "const":
      return `const ${scalar.dtype} ${Object.is(scalar.value, -0) ? "-0" : scalar.value}`;
    case "index":
      return `index ${address(scalar.at)}`;
    case "valid":
      return `valid ${scalar.conditions.map((c) => `${address(c)}<${c.below}`).join(" ")}`;
    case "load": {
      const plain = `load ${scalar.dtype} ${scalar.arg} ${address(scalar.at)}`;
      if (!scalar.indirect && !scalar.valid) return plain;
      return [
        plain,
        ...(scalar.indirect ?? []).map((term, i) => `@${operands[i]}*${term.stride}<${term.size}`),
        ...(scalar.valid ?? []).map((c) => `?${address(c)}<${c.below}`),
        scalar.fill === undefined ? "" : `:${scalar.fill}`,
      ].join(" ");
    }
    case "result":
      return `result ${scalar.dtype} ${scalar.stage}`;
    default:
      return `${scalar.op} ${scalar.dtype} ${operands.join(" ")}`;
  }
}

const address = ({ offset, strides }: { readonly offset: number; readonly strides: readonly number[] }): string =>
  `${offset}+[${strides.join(",")}]`;

/** Kernels never change, and both the program and the backend ask for their keys. */
const knownKeys = new WeakMap<Kernel, string>();

/** A kernel as text that is equal for equal kernels: the key under which backends cache compiled code. */
export function kernelKey(kernel: Kernel): string {
  let key = knownKeys.get(kernel);
  if (key === undefined) knownKeys.set(kernel, (key = describeKernel(kernel)));
  return key;
}

function describeKernel(kernel: Kernel): string {
  const { args, ...rest } = kernel;
  const head = args.map((arg) => `${arg.dtype}[${arg.length}]${arg.access}`).join(" ");
  if (kernel.kind === "routine") return `${head} ${JSON.stringify(rest)}`;
  const serial = new Map<Scalar, number>();
  const number = (scalar: Scalar): number => serial.get(scalar)!;
  const lines = [head];
  for (const scalar of scalarsOf(bodiesOf(kernel))) {
    lines.push(describe(scalar, operandsOf(scalar).map(number)));
    serial.set(scalar, serial.size);
  }
  lines.push(describeLoops(kernel, number));
  return lines.join("\n");
}

/** What a kernel does with its expressions, those by number. */
function describeLoops(kernel: Exclude<Kernel, { kind: "routine" }>, number: (scalar: Scalar) => number): string {
  switch (kernel.kind) {
    case "loop": {
      const stages = kernel.stages.map((stage) =>
        stage.kind === "reduce"
          ? `${stage.combine} ${stage.dtype} ${number(stage.body)}`
          : `${stage.level} ${stage.arg} ${address(stage.at)} ${number(stage.body)}`,
      );
      return `loop ${kernel.outer.join()}|${kernel.inner.join()}|${stages.join("|")}`;
    }
    case "contract": {
      const { dtype, batch, m, n, k, lhs, rhs, stores } = kernel;
      const written = stores.map(({ arg, at, body }) => `${arg} ${address(at)} ${number(body)}`);
      const loops = [batch, m, n, k].map((lengths) => lengths.join()).join("|");
      return `contract ${dtype} ${loops}|${number(lhs)} ${number(rhs)}|${written.join("|")}`;
    }
    case "scatter": {
      const { axes, arg, at, indirect, body } = kernel;
      const terms = indirect.map(({ index, stride, size }) => `@${number(index)}*${stride}<${size}`);
      return `scatter ${axes.join()}|${arg} ${address(at)} ${number(body)} ${terms.join(" ")}`;
    }
  }
}
