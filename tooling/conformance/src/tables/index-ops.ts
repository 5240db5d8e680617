/** Indexing, movement, padding and joining (`ops-index`). */
import { stopGradient } from "@dormouse/autograd";
import {
  type Tensor, arange, broadcastTo, chunk, concat, diagEmbed, diagonal, diff, equal, expandDims, flatten, flip, indexAdd, maskedFill,
  maskedSelect, nonzero, oneHot, pad, permute, repeat, reshape, roll, scatter, scatterAdd, select, slice, splitAlong,
  squeeze, stack, swapAxes, take, takeAlongAxis, takeNd, tile, tril, triu, where, windows,
} from "@dormouse/tensor";
import type { Attributes, Table } from "../table.ts";
import { UnknownOption } from "../watch.ts";

type Range = number | "..." | readonly [number | null, (number | null)?, (number | null)?];

/** Ranges as the API takes them, from triples or from the text between the brackets of a Python index. */
function rangesOf(slices: Attributes["slices"]): readonly Range[] {
  if (typeof slices !== "string") return slices.map(([start, stop, step]) => [start, stop, step]);
  return slices.split(",").map((part): Range => {
    const text = part.trim();
    if (text === "...") return "...";
    if (!/^-?\d*(:-?\d*){0,2}$/.test(text)) throw new UnknownOption([`slice ${text}`]);
    const bounds = text.split(":").map((bound) => (bound === "" ? null : Number(bound)));
    return bounds.length === 1 ? bounds[0]! : [bounds[0]!, bounds[1] ?? null, bounds[2] ?? null];
  });
}

/** A slice, and an axis of length 1 where the text says None. */
function sliced(x: Tensor, slices: Attributes["slices"]): Tensor {
  if (typeof slices !== "string" || !slices.includes("None")) return slice(x, rangesOf(slices));
  const parts = slices.split(",").map((part) => part.trim());
  if (parts.includes("...")) throw new UnknownOption([`slice ${slices}`]);
  const result = slice(x, rangesOf(parts.filter((part) => part !== "None").join()));
  const kept = parts.filter((part) => part === "None" || part.includes(":"));
  return kept.reduce((y, part, axis) => (part === "None" ? expandDims(y, axis) : y), result);
}

const padModes: Readonly<Record<string, "constant" | "reflect" | "edge" | "circular">> = {
  constant: "constant", reflect: "reflect", replicate: "edge", circular: "circular",
};

/** Pairs of widths are listed for the last axis first. */
const widthsOf = (rank: number, flat: readonly number[]): (readonly [number, number])[] =>
  Array.from({ length: rank }, (_, axis) => {
    const at = 2 * (rank - 1 - axis);
    return [flat[at] ?? 0, flat[at + 1] ?? 0];
  });

const numbered = (parts: readonly Tensor[]): Record<string, Tensor> =>
  Object.fromEntries(parts.map((part, i) => [`y${i}`, part]));

/** A table of which one row is constant. */
const fixedRow = (w: Tensor, row: number): Tensor =>
  where(equal(expandDims(arange(w.shape[0]!, { dtype: "int32" }), -1), row < 0 ? row + w.shape[0]! : row), stopGradient(w), w);

/** Indexing and movement. */
export const indexing: Table = {
  gather: ({ x, index }, { axis }) => takeAlongAxis(x, index, { axis: axis! }),
  scatter_add: ({ x, index, src }, { axis }) => scatterAdd(x, index, src, { axis: axis! }),
  scatter: ({ x, index, src }, { axis }) => scatter(x, index, src, { axis: axis! }),
  index_select: ({ x, index }, { axis }) => take(x, index, { axis: axis! }),
  index_add: ({ x, index, src }, { axis }) => indexAdd(x, index, src, { axis: axis! }),
  embedding: ({ index, w }, { padding_idx }) => take(padding_idx === undefined ? w : fixedRow(w, padding_idx), index),
  one_hot: ({ index }, { num_classes }) => oneHot(index, num_classes, { dtype: "int32" }),
  slice: ({ x }, { slices }) => sliced(x, slices),
  select: ({ x }, { axis, index }) => select(x, index, { axis: axis! }),
  advanced_index: ({ x, i, j }) => takeNd(x, j ? [i, j] : [i]),
  masked_fill: ({ x, mask }, { value }) => maskedFill(x, mask, value),
  masked_select: { waiting: ({ x, mask }) => maskedSelect(x, mask) },
  nonzero: { waiting: ({ x }) => nonzero(x) },
  cat: ({ a, b }, { axis, repeat_first }) => concat(repeat_first ? [a, b, a] : [a, b], { axis: axis! }),
  stack: ({ a, b }, { axis }) => stack([a, b], { axis: axis! }),
  split: ({ x }, { sizes, axis }) => numbered(splitAlong(x, sizes, { axis: axis! })),
  chunk: ({ x }, { chunks, axis }) => numbered(chunk(x, chunks, { axis: axis! })),
  pad({ x }, { pad_last_first, mode, value }) {
    const how = padModes[mode];
    if (!how) throw new UnknownOption([`mode ${mode}`]);
    const widths = widthsOf(x.rank, pad_last_first);
    const whole = pad(x, widths.map(([low, high]) => [Math.max(low, 0), Math.max(high, 0)]), { mode: how, value: value ?? 0 });
    // A negative width cuts off.
    const ranges = widths.map(([low, high]) => [Math.max(-low, 0), high < 0 ? high : null] as const);
    return slice(whole, ranges);
  },
  reshape: ({ x }, attributes) =>
    reshape(attributes.permute ? permute(x, attributes.permute) : x, attributes.shape),
  permute: ({ x }, { axes }) => permute(x, axes),
  transpose: ({ x }, { axes }) => swapAxes(x, axes[0]!, axes[1]!),
  expand: ({ x }, { shape }) => broadcastTo(x, shape),
  repeat: ({ x }, { reps }) => tile(x, reps),
  repeat_interleave: ({ x }, { repeats, axis }) => repeat(x, repeats, { axis: axis! }),
  squeeze: ({ x }, { axis }) => squeeze(x, { axis: axis! }),
  unsqueeze: ({ x }, { axis }) => expandDims(x, axis!),
  flatten: ({ x }, { start }) => flatten(x, { start }),
  flip: ({ x }, { axes }) => flip(x, { axis: axes }),
  roll: ({ x }, { shifts, axes }) =>
    axes.reduce<Tensor>((rolled, axis, i) => roll(rolled, shifts[i]!, { axis }), x),
  tril: ({ x }, attributes) => tril(x, { offset: attributes.diagonal }),
  triu: ({ x }, attributes) => triu(x, { offset: attributes.diagonal }),
  diagonal: ({ x }, { offset }) => diagonal(x, { offset: offset ?? 0 }),
  diag_embed: ({ x }) => diagEmbed(x),
  unfold_windows: ({ x }, { axis, size, step }) => windows(x, size, { axes: [axis!], stride: step }),
  tensor_diff: ({ x }, { axis }) => diff(x, { axis: axis! }),
};
