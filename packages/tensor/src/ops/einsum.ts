/**
 * Einstein summation: any product of tensors written as subscripts, computed as a chain of batched matrix products.
 * Owns the little language of equations and the order of contraction (left to right).
 */
import { ShapeError, ValueError } from "../core/errors.ts";
import { primitive } from "../core/primitives.ts";
import { showShape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { diagonalOfSquare } from "./creation.ts";
import { requireNumeric, requireSameDType, stretch } from "./operands.ts";

/** A tensor with a name for each axis. */
interface Labeled {
  readonly x: Tensor;
  readonly labels: readonly string[];
}

/**
 * Sums products over the subscripts that the result does not name. A subscript used twice in one operand takes the
 * diagonal; `...` stands for axes that broadcast; without `->` the result has the subscripts that occur once, in
 * alphabetical order.
 *
 * Examples: `einsum("ij,jk->ik", a, b)` is matmul; `einsum("ii->", a)` the trace; `einsum("bhqd,bhkd->bhqk", q, k)`
 * the scores of attention.
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  const { inputs, output } = parse(equation, operands);
  const lengths = lengthsOf(equation, inputs);
  let parts = inputs.map((input) => unbroadcast(input, lengths)).map(withoutRepeats);
  while (parts.length > 1) {
    const [first, second, ...rest] = parts as [Labeled, Labeled, ...Labeled[]];
    const needed = new Set([...output, ...rest.flatMap((part) => part.labels)]);
    parts = [contract(first, second, needed), ...rest];
  }
  const sum = sumAway(parts[0]!, new Set(output));
  const present = output.filter((label) => sum.labels.includes(label));
  const ordered = primitive.permute(sum.x, present.map((label) => sum.labels.indexOf(label)));
  const shape = output.map((label) => (sum.labels.includes(label) ? lengths.get(label)! : 1));
  return stretch(primitive.reshape(ordered, shape), output.map((label) => lengths.get(label)!));
}

function parse(equation: string, operands: readonly Tensor[]): { inputs: Labeled[]; output: string[] } {
  const [left = "", right, ...more] = equation.replaceAll(/\s/g, "").split("->");
  const terms = left.split(",");
  if (more.length > 0 || terms.length !== operands.length || operands.length === 0) {
    throw malformed(equation, `has ${terms.length} operands, ${operands.length} are given`);
  }
  for (const term of [...terms, right ?? ""]) {
    if (!/^[A-Za-z]*(?:\.\.\.)?[A-Za-z]*$/.test(term)) throw malformed(equation, `has the term "${term}"`);
  }
  operands.forEach((x) => requireSameDType("einsum", requireNumeric("einsum", operands[0]!), x, "x"));
  const ellipses = terms.map((term, i) => ellipsisLength(equation, term, operands[i]!));
  const longest = Math.max(...ellipses);
  const inputs = terms.map((term, i) => ({
    x: operands[i]!,
    labels: labelsOf(term, ellipsisLabels(longest).slice(longest - ellipses[i]!)),
  }));
  return { inputs, output: outputOf(equation, terms, right, ellipsisLabels(longest)) };
}

/** Labels that no letter can be, counted so that they align on the right. */
const ellipsisLabels = (count: number): string[] => Array.from({ length: count }, (_, i) => `.${count - i}`);

const labelsOf = (term: string, ellipsis: readonly string[]): string[] => {
  const [before = "", after] = term.split("...");
  return after === undefined ? [...before] : [...before, ...ellipsis, ...after];
};

function ellipsisLength(equation: string, term: string, x: Tensor): number {
  const named = term.replace("...", "").length;
  if (term.includes("...") ? named <= x.rank : named === x.rank) return x.rank - named;
  throw new ShapeError("einsum", `"${term}" of "${equation}" does not fit shape ${showShape(x.shape)}`, {
    expected: named,
    received: x.rank,
    hint: "name each axis once, or use ...",
  });
}

function outputOf(
  equation: string,
  terms: readonly string[],
  right: string | undefined,
  ellipsis: readonly string[],
): string[] {
  const letters = [...terms.join("").replaceAll(".", "")];
  if (right === undefined) {
    const single = letters.filter((label) => letters.indexOf(label) === letters.lastIndexOf(label)).sort();
    return [...ellipsis, ...single];
  }
  const output = labelsOf(right, ellipsis);
  const unknown = [...right.replace("...", "")].find((label) => !letters.includes(label));
  if (unknown !== undefined) throw malformed(equation, `has "${unknown}" only in the result`);
  if (new Set(output).size !== output.length) throw malformed(equation, "names a result axis twice");
  return output;
}

const malformed = (equation: string, problem: string): ValueError =>
  new ValueError("einsum", `"${equation}" ${problem}`, {
    received: equation,
    hint: `write letters like "ij,jk->ik", one term for each operand`,
  });

/** The length of every label: equal everywhere, or 1 where it broadcasts. */
function lengthsOf(equation: string, inputs: readonly Labeled[]): Map<string, number> {
  const lengths = new Map<string, number>();
  for (const { x, labels } of inputs) {
    labels.forEach((label, axis) => {
      const length = x.shape[axis]!;
      const before = lengths.get(label) ?? 1;
      if (before !== length && before !== 1 && length !== 1) {
        throw new ShapeError("einsum", `"${label}" of "${equation}" is ${before} and ${length}`, {
          expected: before,
          received: length,
          hint: "equal subscripts need equal lengths",
        });
      }
      lengths.set(label, before === 1 ? length : before);
    });
  }
  return lengths;
}

/** Drops axes of length 1 that another operand stretches: a product with them is the same without. */
function unbroadcast({ x, labels }: Labeled, lengths: ReadonlyMap<string, number>): Labeled {
  const kept = labels.flatMap((label, axis) => (x.shape[axis] === lengths.get(label) ? [axis] : []));
  return {
    x: primitive.reshape(x, kept.map((axis) => x.shape[axis]!)),
    labels: kept.map((axis) => labels[axis]!),
  };
}

/** Takes diagonals until each label names one axis. */
function withoutRepeats(part: Labeled): Labeled {
  const second = part.labels.findIndex((label, axis) => part.labels.indexOf(label) < axis);
  if (second < 0) return part;
  const first = part.labels.indexOf(part.labels[second]!);
  const rest = part.labels.flatMap((_, axis) => (axis === first || axis === second ? [] : [axis]));
  const paired = primitive.permute(part.x, [...rest, first, second]);
  return withoutRepeats({
    x: diagonalOfSquare(paired),
    labels: [...rest.map((axis) => part.labels[axis]!), part.labels[second]!],
  });
}

/** Sums over the labels that nobody needs. */
function sumAway({ x, labels }: Labeled, needed: ReadonlySet<string>): Labeled {
  const axes = labels.flatMap((label, axis) => (needed.has(label) ? [] : [axis]));
  return { x: primitive.reduce(x, "sum", axes), labels: labels.filter((label) => needed.has(label)) };
}

/** One batched product: labels of both that are needed are the batch, those that are not are summed. */
function contract(a: Labeled, b: Labeled, needed: ReadonlySet<string>): Labeled {
  const left = sumAway(a, new Set([...needed, ...b.labels]));
  const right = sumAway(b, new Set([...needed, ...a.labels]));
  const shared = left.labels.filter((label) => right.labels.includes(label));
  const batch = shared.filter((label) => needed.has(label));
  const summed = shared.filter((label) => !needed.has(label));
  const rows = left.labels.filter((label) => !shared.includes(label));
  const columns = right.labels.filter((label) => !shared.includes(label));
  const product = primitive.dot(arrange(left, batch, rows, summed), arrange(right, batch, summed, columns));
  const lengths = [...batch, ...rows].map((label) => left.x.shape[left.labels.indexOf(label)]!);
  const widths = columns.map((label) => right.x.shape[right.labels.indexOf(label)]!);
  return {
    x: primitive.reshape(product, [...lengths, ...widths]),
    labels: [...batch, ...rows, ...columns],
  };
}

/** Permutes and joins axes to [batch, first, second]. */
function arrange(
  { x, labels }: Labeled,
  batch: readonly string[],
  first: readonly string[],
  second: readonly string[],
): Tensor {
  const axes = [...batch, ...first, ...second].map((label) => labels.indexOf(label));
  const size = (names: readonly string[]): number =>
    sizeOf(names.map((label) => x.shape[labels.indexOf(label)]!));
  return primitive.reshape(primitive.permute(x, axes), [size(batch), size(first), size(second)]);
}
