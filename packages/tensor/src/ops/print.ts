/**
 * Tensors as text, for people: nested brackets, aligned columns, long ones elided in the middle. Formatting needs the
 * values, so it waits for them.
 */
import { isFloat } from "../core/dtype.ts";
import { type Shape, sizeOf, stridesOf } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";

export interface FormatOptions {
  /** Digits after the point, at most. Default 4. */
  readonly precision?: number;
  /** Tensors of more elements show only the ends of each axis. Default 1000. */
  readonly threshold?: number;
  /** How many entries of an elided axis are shown at each end. Default 3. */
  readonly edge?: number;
}

/**
 * A tensor as text, with its dtype and shape:
 *
 * ```text
 * tensor([[1.5000, 2.0000],
 *         [3.0000, 4.0000]], float32 [2, 2])
 * ```
 */
export async function format(
  tensor: Tensor,
  { precision = 4, threshold = 1000, edge = 3 }: FormatOptions = {},
): Promise<string> {
  const data = await tensor.data();
  const { shape, dtype } = tensor;
  const shown = shape.map((length) => shownPlaces(length, sizeOf(shape) > threshold ? edge : length));
  const places = visiblePlaces(shape, shown);
  const texts = elementTexts(tensor, places.map((place) => data[place]!), precision);
  const width = Math.max(0, ...texts.map((text) => text.length));
  const byPlace = new Map(places.map((place, i) => [place, texts[i]!.padStart(width)]));
  const lead = "tensor(";
  const body = nest(shape, shown, byPlace, lead.length);
  return `${lead}${body}, ${dtype} [${shape.join(", ")}])`;
}

/**
 * Prints values to the console: a tensor as `format` does, an object with a `toString` of its own (the summary of a
 * model, say) as that says, anything else as it is.
 */
export async function print(value: unknown, options: FormatOptions = {}): Promise<void> {
  const text = value instanceof Tensor ? await format(value, options) : hasText(value) ? String(value) : value;
  // eslint-disable-next-line no-console -- the console is where it prints
  console.log(text);
}

/** True for instances whose class says how they read. */
function hasText(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value) || ArrayBuffer.isView(value) || value instanceof Error) return false;
  return value.toString !== Object.prototype.toString;
}

/** Positions of an axis that are shown; -1 stands for the gap. */
function shownPlaces(length: number, edge: number): number[] {
  const all = Array.from({ length }, (_, i) => i);
  return length <= 2 * edge ? all : [...all.slice(0, edge), -1, ...all.slice(length - edge)];
}

function visiblePlaces(shape: Shape, shown: readonly (readonly number[])[]): number[] {
  const strides = stridesOf(shape);
  return shown.reduce<number[]>(
    (starts, places, axis) =>
      starts.flatMap((start) => places.filter((i) => i >= 0).map((i) => start + i * strides[axis]!)),
    [0],
  );
}

function elementTexts(tensor: Tensor, elements: readonly number[], precision: number): string[] {
  if (tensor.dtype === "bool") return elements.map((element) => (element === 0 ? "false" : "true"));
  if (!isFloat(tensor.dtype)) return elements.map(String);
  const finite = elements.filter((element) => Number.isFinite(element) && element !== 0).map(Math.abs);
  const greatest = Math.max(0, ...finite);
  const least = Math.min(Infinity, ...finite);
  // Fixed point shows nothing of small numbers and too much of large ones.
  const isScientific = greatest >= 1e8 || least < 10 ** -precision || greatest / least > 1e7;
  const isWhole = !isScientific && finite.every(Number.isInteger);
  return elements.map((element) => {
    if (!Number.isFinite(element)) return String(element);
    if (isScientific) return element.toExponential(precision);
    return isWhole ? `${element.toFixed(0)}.` : element.toFixed(precision);
  });
}

function nest(
  shape: Shape,
  shown: readonly (readonly number[])[],
  texts: ReadonlyMap<number, string>,
  indent: number,
): string {
  const strides = stridesOf(shape);
  const build = (axis: number, start: number): string => {
    if (axis === shape.length) return texts.get(start)!;
    const inner = shown[axis]!.map((i) => (i < 0 ? "…" : build(axis + 1, start + i * strides[axis]!)));
    const isLast = axis === shape.length - 1;
    const separator = isLast ? ", " : `,${"\n".repeat(shape.length - 1 - axis)}${" ".repeat(indent + axis + 1)}`;
    return `[${inner.join(separator)}]`;
  };
  return build(0, 0);
}
