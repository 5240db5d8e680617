/** Matrix products and einsum against loops over their subscripts, at odd sizes, with every kind of operand. */
import { reference } from "@dormouse/backend-cpu/reference";
import { beforeAll, describe, expect, test } from "vitest";
import * as t from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import { expectClose, expectMessage } from "./expect.ts";

beforeAll(async () => void t.setDevice(await reference()));

interface Filled {
  readonly shape: readonly number[];
  readonly values: number[];
}
const fill = (shape: readonly number[], seed: number): Filled => ({
  shape,
  values: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 5 + seed * 3) % 13) - 6),
});
const make = ({ shape, values }: Filled): Tensor => t.tensor(values, { shape, dtype: "float64" });

/** Σ over all subscripts of the product of the operands, by counting through every subscript. */
function naive(terms: readonly string[], output: string, operands: readonly Filled[]): number[] {
  const lengths = new Map<string, number>();
  terms.forEach((term, i) =>
    [...term].forEach((label, axis) =>
      lengths.set(label, operands[i]!.shape[axis] === 1 ? (lengths.get(label) ?? 1) : operands[i]!.shape[axis]!),
    ),
  );
  const labels = [...output, ...[...lengths.keys()].filter((label) => !output.includes(label))];
  const size = (names: readonly string[]): number => names.reduce((n, label) => n * lengths.get(label)!, 1);
  const result = new Array<number>(size([...output])).fill(0);
  for (let n = 0; n < size(labels); n++) {
    const at = new Map<string, number>();
    labels.reduceRight((rest, label) => {
      at.set(label, rest % lengths.get(label)!);
      return Math.floor(rest / lengths.get(label)!);
    }, n);
    const product = terms.reduce((value, term, i) => {
      const { shape, values } = operands[i]!;
      const offset = [...term].reduce((sum, label, axis) => sum * shape[axis]! + (shape[axis] === 1 ? 0 : at.get(label)!), 0);
      return value * values[offset]!;
    }, 1);
    result[Math.floor((n * result.length) / size(labels))]! += product;
  }
  return result;
}

const products: [number[], number[], number[], string, string, string][] = [
  [[3, 5], [5, 2], [3, 2], "mk", "kn", "mn"],
  [[1, 7], [7, 1], [1, 1], "mk", "kn", "mn"],
  [[4], [4], [], "k", "k", ""],
  [[4], [4, 3], [3], "k", "kn", "n"],
  [[3, 4], [4], [3], "mk", "k", "m"],
  [[2, 3, 3, 5], [5, 2], [2, 3, 3, 2], "abmk", "kn", "abmn"],
  [[2, 3, 4], [2, 4, 5], [2, 3, 5], "bmk", "bkn", "bmn"],
  [[2, 1, 3, 4], [3, 4, 2], [2, 3, 3, 2], "acmk", "ckn", "acmn"],
  [[3, 4], [2, 4, 5], [2, 3, 5], "mk", "bkn", "bmn"],
  [[4], [2, 4, 5], [2, 5], "k", "bkn", "bn"],
  [[2, 3, 4], [4], [2, 3], "bmk", "k", "bm"],
  [[0, 4], [4, 2], [0, 2], "mk", "kn", "mn"],
  [[3, 0], [0, 2], [3, 2], "mk", "kn", "mn"],
];
test.each(products)("matmul %j x %j", async (left, right, shape, a, b, out) => {
  const [x, y] = [fill(left, 1), fill(right, 2)];
  const result = t.matmul(make(x), make(y));
  expect(result.shape).toEqual(shape);
  await expectClose(result, naive([a, b], out, [x, y]));
});

test("a batch on the left multiplies a matrix as one product", () => {
  const nodes: string[] = [];
  const visit = (x: Tensor): void => {
    nodes.push(`${x.op}${JSON.stringify(x.shape)}`);
    x.sources.forEach(visit);
  };
  visit(t.matmul(make(fill([2, 3, 4], 1)), make(fill([4, 5], 2))));
  expect(nodes).toContain("dot[6,5]");
  expect(nodes.some((node) => node.startsWith("broadcast"))).toBe(false);
});

const equations: [string, number[][]][] = [
  ["ij,jk->ik", [[2, 3], [3, 4]]],
  ["ij,jk,kl->il", [[2, 3], [3, 4], [4, 2]]],
  ["bhqd,bhkd->bhqk", [[2, 2, 3, 4], [2, 2, 5, 4]]],
  ["ij->ji", [[2, 3]]],
  ["ii->i", [[4, 4]]],
  ["ii->", [[3, 3]]],
  ["iij,jk->ki", [[3, 3, 2], [2, 4]]],
  ["i,j->ij", [[2], [3]]],
  ["ij,ij->", [[2, 3], [2, 3]]],
  ["ijk,k->ij", [[2, 3, 4], [4]]],
  ["ij,ik->i", [[2, 3], [2, 5]]],
  ["ij,j->ij", [[2, 3], [1]]],
  ["i,i,i->i", [[3], [3], [3]]],
  ["->", [[]]],
];
test.each(equations)("einsum %s", async (equation, shapes) => {
  const operands = shapes.map((shape, i) => fill(shape, i));
  const [terms, output] = equation.split("->") as [string, string];
  await expectClose(t.einsum(equation, ...operands.map(make)), naive(terms.split(","), output, operands));
});

describe("einsum with an ellipsis or without an arrow", () => {
  test.each([
    ["...ij,jk->...ik", "bij,jk->bik", [[2, 3, 4], [4, 2]]],
    ["...i,...i->...", "bci,ci->bc", [[2, 3, 4], [3, 4]]],
    ["b...d,...d", "bcd,cd->cb", [[2, 3, 4], [3, 4]]],
    ["ji", "ji->ij", [[2, 3]]],
    ["ij,jk", "ij,jk->ik", [[2, 3], [3, 2]]],
  ] as [string, string, number[][]][])("%s", async (short, long, shapes) => {
    const operands = shapes.map((shape, i) => fill(shape, i));
    const [terms, output] = long.split("->") as [string, string];
    await expectClose(t.einsum(short, ...operands.map(make)), naive(terms.split(","), output, operands));
  });
});

test("dot, outer and linear", async () => {
  const [a, b] = [t.tensor([1, 2, 3]), t.tensor([4, 5, 6])];
  expect(await t.dot(a, b).array()).toBe(32);
  expect(await t.outer(a, t.tensor([1, 10])).array()).toEqual([[1, 10], [2, 20], [3, 30]]);
  const weight = t.tensor([[1, 0, 0], [0, 1, 1]]);
  expect(await t.linear(a, weight, t.tensor([10, 20])).array()).toEqual([11, 25]);
  expect(await t.linear(t.tensor([[[1, 2, 3]]]), weight).array()).toEqual([[[1, 5]]]);
});

const [wide, tall, batch]: Tensor[] = [t.zeros([32, 784]), t.zeros([100, 128]), t.zeros([3, 784, 2])];
test.each([
  [
    () => t.matmul(wide!, tall!),
    "matmul: [32, 784] x [100, 128]: inner dimensions differ (784 and 100); transpose one operand or reshape",
  ],
  [
    () => t.matmul(t.zeros([2, 5, 784]) as Tensor, batch!),
    "matmul: [2, 5, 784] x [3, 784, 2]: batch dimensions [2] and [3] do not broadcast; make them equal or 1",
  ],
  [() => t.matmul(t.zeros([]) as Tensor, wide!), "matmul: [] x [32, 784]: a scalar is not a matrix; use mul"],
  [
    () => t.linear(wide!, tall!),
    "linear: input [32, 784] and weight [100, 128]: features differ (784 and 128); the weight is [out, in]",
  ],
  [() => t.linear(wide!, wide!, t.zeros([5])), "linear: bias [5] does not fit weight [32, 784]; use shape [32]"],
  [() => t.dot(wide!, wide!), "dot: [32, 784] is not a vector; use matmul or einsum"],
  [() => t.einsum("ij,jk->ik", wide!, tall!), 'einsum: "j" of "ij,jk->ik" is 784 and 100; equal subscripts need equal lengths'],
  [() => t.einsum("ijk->i", wide!), 'einsum: "ijk" of "ijk->i" does not fit shape [32, 784]; name each axis once, or use ...'],
  [
    () => t.einsum("ij->ik", wide!),
    'einsum: "ij->ik" has "k" only in the result; write letters like "ij,jk->ik", one term for each operand',
  ],
] as [() => unknown, string][])("%# says what is wrong", expectMessage);
