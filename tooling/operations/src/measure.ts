/**
 * What an operation does under the transforms, found by calling it: which arguments it can be differentiated by,
 * whether forward and reverse mode are each other's transposes and agree with central differences, and whether `vmap`
 * of it and of its derivatives equals a loop. All in float64 on the device that is set.
 */
import { jvp, vjp, vmap } from "@dormouse/autograd";
import { type DType, type Tensor, evaluate, floor, select, stack, tensor, treeLeaves } from "@dormouse/tensor";
import { primitive } from "@dormouse/tensor/graph";
import { type Random, differenceOf, randomSource } from "@dormouse/testing";
import type { Example, Input } from "./examples.ts";

/** What was found about an operation; null where a question does not arise. */
export interface Measured {
  readonly arguments: readonly { readonly dtype: DType; readonly differentiable: boolean }[];
  /** Whether ⟨ct, J·t⟩ = ⟨Jᵀ·ct, t⟩. */
  readonly modesAgree: boolean | null;
  /** Whether J·t is the central difference of the values. */
  readonly slopeAgrees: boolean | null;
  readonly vmapIsLoop: boolean;
  /** As `vmapIsLoop`, of J·t and of Jᵀ·ct; and Jᵀ·ct of the mapped function is the same. */
  readonly derivativesBatch: boolean | null;
}

const BATCH = 3;
/** Central differences lose half the digits of float64 and h² of the function; this leaves room for both. */
const STEP = 1e-5;
const slopeTolerance = { relative: 1e-5, absolute: 1e-6 };
const tolerance = { relative: 1e-9, absolute: 1e-10 };

type Elements = ArrayLike<number>;

/** Where to measure. */
export interface MeasureOptions {
  /** Whole numbers for floats, so that many are equal. Central differences mean nothing there. Default false. */
  readonly ties?: boolean;
}

function draw({ dtype, low, high }: Input, shape: readonly number[], random: Random): Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  const numbers = Array.from({ length: size }, () => {
    const x = low + (high - low) * random.next();
    return dtype === "float64" ? x : Math.floor(x);
  });
  return tensor(dtype === "bool" ? numbers.map(Boolean) : numbers, { shape, dtype });
}

/** The elements of tensors, evaluated together. */
async function read(tensors: readonly Tensor[]): Promise<Elements[]> {
  await evaluate([...tensors]);
  return Promise.all(tensors.map(async (each) => Array.from((await each.data()) as ArrayLike<number>)));
}

const isFloat = (x: Tensor): boolean => x.dtype === "float64" || x.dtype === "float32";
const inner = (a: readonly Elements[], b: readonly Elements[]): [sum: number, size: number] => {
  let [sum, size] = [0, 0];
  a.forEach((each, k) => {
    for (let i = 0; i < each.length; i++) {
      const product = each[i]! * b[k]![i]!;
      sum += product;
      size += Math.abs(product);
    }
  });
  return [sum, size];
};
const close = (got: readonly Elements[], wanted: readonly Elements[], within = tolerance): boolean =>
  got.length === wanted.length &&
  got.every((each, k) => each.length === wanted[k]!.length && !differenceOf(each, wanted[k]!, within));

/** Cotangents and tangents: never near 0, so that nothing hides behind a factor. */
const direction = (like: Tensor, random: Random): Tensor =>
  draw({ shape: like.shape, dtype: "float64", low: 0.5, high: 1.5 }, like.shape, random);

/** A tensor of the examples' dtype for results that are float32. */
const asWide = (x: Tensor): Tensor => primitive.cast(x, "float64");

/** Measures one operation. */
export async function measure({ inputs, call }: Example, { ties = false }: MeasureOptions = {}): Promise<Measured> {
  const random = randomSource(20_011);
  const values = (input: Input, shape: readonly number[]): Tensor => {
    const drawn = draw(input, shape, random);
    return ties && input.dtype === "float64" ? floor(drawn) : drawn;
  };
  const floats = inputs.flatMap(({ dtype }, k) => (dtype === "float64" ? [k] : []));
  const outputs = (xs: readonly Tensor[]): Tensor[] => treeLeaves(call(...xs));
  const floatOutputs = (xs: readonly Tensor[]): Tensor[] => outputs(xs).filter(isFloat).map(asWide);
  const at = inputs.map((input) => values(input, input.shape));
  const along = (all: readonly Tensor[]) => (...moving: Tensor[]): Tensor[] =>
    floatOutputs(all.map((x, k) => (floats.includes(k) ? moving[floats.indexOf(k)]! : x)));
  const moving = (all: readonly Tensor[]): Tensor[] => floats.map((k) => all[k]!);

  const batch = inputs.map((input) => values(input, [BATCH, ...input.shape]));
  const example = (all: readonly Tensor[], i: number): Tensor[] => all.map((x) => select(x, i));
  const loop = (f: (i: number) => readonly Tensor[]): Tensor[] => {
    const results = Array.from({ length: BATCH }, (_, i) => f(i));
    return results[0]!.map((_, k) => stack(results.map((result) => result[k]!)));
  };
  const vmapIsLoop = await everyChoice(inputs.length, async (mapped) => {
    const mixed = (i: number): Tensor[] => batch.map((x, k) => (mapped[k] ? select(x, i) : at[k]!));
    const axes = mapped.map((is) => (is ? 0 : null));
    const given = batch.map((x, k) => (mapped[k] ? x : at[k]!));
    const together = vmap((...xs: Tensor[]) => outputs(xs), { in: axes })(...given);
    return close(await read(together), await read(loop((i) => outputs(mixed(i)))));
  });

  const probes = floats.length > 0 ? floatOutputs(at) : [];
  if (probes.length === 0) {
    const none = inputs.map(({ dtype }) => ({ dtype, differentiable: false }));
    return { arguments: none, modesAgree: null, slopeAgrees: null, vmapIsLoop, derivativesBatch: null };
  }
  const tangents = moving(at).map((x) => direction(x, random));
  const cotangents = probes.map((y) => direction(y, random));
  const pushed = (all: readonly Tensor[]): Tensor[] => jvp(along(all), moving(all), tangents)[1];
  const pulled = (all: readonly Tensor[]): Tensor[] => vjp(along(all), ...moving(all))[1](cotangents);
  const shiftedBy = (h: number): Tensor[] =>
    at.map((x, k) => {
      if (!floats.includes(k)) return x;
      const t = tangents[floats.indexOf(k)]!;
      return primitive.add(x, primitive.mul(t, primitive.constant(h, t.shape, t.dtype)));
    });
  const [forward, reverse] = [await read(pushed(at)), await read(pulled(at))];
  const [ts, cts] = [await read(tangents), await read(cotangents)];
  const [above, below] = await Promise.all([read(floatOutputs(shiftedBy(STEP))), read(floatOutputs(shiftedBy(-STEP)))]);
  const slopes = above.map((each, k) => Array.from(each, (value, i) => (value - below[k]![i]!) / (2 * STEP)));
  const [left, size] = inner(cts, forward);
  const [right] = inner(ts, reverse);

  // A result in float32 is a step function of float64 inputs.
  const rounds = outputs(at).some(({ dtype }) => dtype === "float32");

  const allMapped = inputs.map(() => 0);
  const batchedForward = await read(vmap((...xs: Tensor[]) => pushed(xs), { in: allMapped })(...batch));
  const batchedReverse = await read(vmap((...xs: Tensor[]) => pulled(xs), { in: allMapped })(...batch));
  // The other order, the derivative of a mapped function, takes the rules that calls bring along into the batch.
  const mapped = vmap((...xs: Tensor[]) => floatOutputs(xs), { in: allMapped });
  const [, pullback] = vjp(
    (...xs: Tensor[]) => mapped(...batch.map((x, k) => (floats.includes(k) ? xs[floats.indexOf(k)]! : x))),
    ...moving(batch),
  );
  const ofMapped = await read(pullback(cotangents.map((ct) => stack(Array.from({ length: BATCH }, () => ct)))));
  const derivativesBatch =
    close(ofMapped, batchedReverse) &&
    close(batchedForward, await read(loop((i) => pushed(example(batch, i))))) &&
    close(batchedReverse, await read(loop((i) => pulled(example(batch, i)))));
  return {
    arguments: inputs.map(({ dtype }, k) => ({
      dtype,
      differentiable: floats.includes(k) && Array.from(reverse[floats.indexOf(k)]!).some((value) => value !== 0),
    })),
    modesAgree: Math.abs(left - right) <= (rounds ? 1e-6 : 1e-10) * (1 + size),
    slopeAgrees: ties || rounds ? null : close(forward, slopes, slopeTolerance),
    vmapIsLoop,
    derivativesBatch,
  };
}

/** Whether a check holds for every choice of arguments that are mapped, at least one of them. */
async function everyChoice(count: number, check: (mapped: readonly boolean[]) => Promise<boolean>): Promise<boolean> {
  for (let choice = 1; choice < 2 ** count; choice++) {
    if (!(await check(Array.from({ length: count }, (_, k) => ((choice >> k) & 1) === 1)))) return false;
  }
  return true;
}
