/** Trees: taken apart and put together, compared, mapped, split and joined. */
import { describe, expect, it } from "vitest";
import {
  type Tensor,
  ValueError,
  combine,
  flattenTree,
  mapTree,
  mapTreeWithPath,
  matchesStructure,
  namedLeaves,
  partition,
  sameStructure,
  treeLeaves,
  unflattenTree,
  zeros,
} from "../src/index.ts";
import { fitsStructure } from "../src/tree/index.ts";

class Layer {
  weight: Tensor;
  bias: Tensor | null;
  activation: (x: Tensor) => Tensor;
  constructor(weight: Tensor, bias: Tensor | null, activation: (x: Tensor) => Tensor) {
    this.weight = weight;
    this.bias = bias;
    this.activation = activation;
  }
  describe(): string {
    return `layer ${this.weight.shape.join("x")}`;
  }
}
const same = (x: Tensor): Tensor => x;
const leaf = (): Tensor => zeros([2]);

describe("flattenTree and unflattenTree", () => {
  it("rebuild arrays, objects, instances and static values", () => {
    const sizes = new Map([["a", 1]]);
    const layer = new Layer(leaf(), null, same);
    const tree = { layers: [layer, new Layer(leaf(), leaf(), same)], rate: 0.1, name: "net", missing: undefined, sizes };
    const { leaves, structure } = flattenTree(tree);
    expect(leaves).toHaveLength(3);
    const copy = unflattenTree(structure, leaves) as typeof tree;
    expect(copy).toEqual(tree);
    expect(copy).not.toBe(tree);
    expect(copy.layers[0]).toBeInstanceOf(Layer);
    expect(copy.layers[0]!.describe()).toBe("layer 2");
    expect(copy.layers[0]!.activation).toBe(same);
    expect(copy.sizes).toBe(sizes);
    expect(Object.keys(copy)).toEqual(Object.keys(tree));
  });

  it("keep tied tensors tied and count them once", () => {
    const tied = leaf();
    const { leaves, structure } = flattenTree({ encoder: tied, head: { decoder: tied }, other: leaf() });
    expect(leaves).toHaveLength(2);
    const next = [leaf(), leaf()];
    const copy = unflattenTree(structure, next) as { encoder: Tensor; head: { decoder: Tensor }; other: Tensor };
    expect(copy.encoder).toBe(next[0]);
    expect(copy.head.decoder).toBe(next[0]);
    expect(copy.other).toBe(next[1]);
  });

  it("take a tensor, nothing and an empty tree", () => {
    const x = leaf();
    expect(flattenTree(x).leaves).toEqual([x]);
    expect(unflattenTree(flattenTree(x).structure, [x])).toBe(x);
    for (const empty of [null, undefined, 3, "text", [], {}]) {
      const { leaves, structure } = flattenTree(empty);
      expect(leaves).toEqual([]);
      expect(unflattenTree(structure, [])).toEqual(empty);
    }
  });

  it("survive properties that the prototype guards", () => {
    class Guarded {
      declare value: Tensor;
      constructor(value: Tensor) {
        Object.defineProperty(this, "value", { value, enumerable: true });
      }
    }
    Object.defineProperty(Guarded.prototype, "value", { set: () => { throw new Error("setter ran"); }, get: () => null });
    const x = leaf();
    const copy = mapTree(() => x, new Guarded(leaf()));
    expect(copy.value).toBe(x);
    expect(copy).toBeInstanceOf(Guarded);
  });

  it("say where an object contains itself", () => {
    const tree: Record<string, unknown> = { weight: leaf(), inner: { list: [1] } };
    (tree.inner as Record<string, unknown>).parent = tree;
    expect(() => flattenTree(tree)).toThrow("tree: inner.parent is the tree itself again");
    const inner: Record<string, unknown> = {};
    inner.self = inner;
    expect(() => flattenTree([{ inner }])).toThrow("0.inner.self is 0.inner again");
  });

  it("refuse another number of leaves", () => {
    expect(() => unflattenTree(flattenTree([leaf(), leaf()]).structure, [leaf()])).toThrow(ValueError);
  });
});

describe("matchesStructure", () => {
  const tree = () => ({ a: leaf(), b: [leaf(), 1, new Layer(leaf(), null, same)] });
  const { structure } = flattenTree(tree());

  it("collects the leaves of an equal tree, behind those already there", () => {
    const other = tree();
    const before = leaf();
    const out = [before];
    expect(matchesStructure(structure, other, out)).toBe(true);
    expect(out).toEqual([before, ...treeLeaves(other)]);
  });

  it.each([
    ["a static value", () => ({ ...tree(), b: [leaf(), 2, new Layer(leaf(), null, same)] })],
    ["a missing property", () => ({ b: tree().b })],
    ["one more property", () => ({ ...tree(), c: 1 })],
    ["the order of properties", () => ({ b: tree().b, a: leaf() })],
    ["the length of an array", () => ({ a: leaf(), b: tree().b.slice(0, 2) })],
    ["a tensor for null", () => ({ a: leaf(), b: [leaf(), 1, new Layer(leaf(), leaf(), same)] })],
    ["the class", () => ({ a: leaf(), b: [leaf(), 1, { weight: leaf(), bias: null, activation: same }] })],
    ["an array for an object", () => [leaf(), []]],
    ["null", () => null],
  ])("refuses a tree that differs in %s", (_, make) => {
    expect(matchesStructure(structure, make())).toBe(false);
    expect(sameStructure(tree(), make())).toBe(false);
  });

  it("compares sharing in both directions", () => {
    const x = leaf();
    const y = leaf();
    expect(sameStructure([x, x], [y, y])).toBe(true);
    expect(sameStructure([x, x], [x, y])).toBe(false);
    expect(sameStructure([x, y], [x, x])).toBe(false);
    expect(sameStructure([x, y], [y, x])).toBe(true);
    expect(fitsStructure(flattenTree([x, y]).structure, [x, x])).toBe(true);
    expect(fitsStructure(flattenTree([x, x]).structure, [x, y])).toBe(false);
  });

  it("treats NaN as equal to itself", () => expect(sameStructure([NaN], [NaN])).toBe(true));
});

describe("paths and maps", () => {
  it("names leaves", () => {
    const tied = leaf();
    const model = { hidden: new Layer(leaf(), tied, same), layers: [{ bias: leaf() }, { bias: tied }] };
    expect(namedLeaves(model).map(([path]) => path)).toEqual(["hidden.weight", "hidden.bias", "layers.0.bias"]);
    expect(namedLeaves(tied)).toEqual([["", tied]]);
  });

  it("maps several trees together and keeps ties", () => {
    const tied = leaf();
    const seen: Tensor[][] = [];
    const other = { a: leaf(), b: leaf() };
    const mapped = mapTree((...xs) => (seen.push(xs), zeros([3])), { a: tied, b: leaf() }, other);
    expect(mapped.a.shape).toEqual([3]);
    expect(seen).toEqual([[tied, other.a], [seen[1]![0], other.b]]);
    const twice = mapTree(() => leaf(), [tied, tied]);
    expect(twice[0]).toBe(twice[1]);
    const zero = leaf();
    expect(mapTree((_, g) => g!, { a: leaf(), b: leaf() }, { a: zero, b: zero }).b).toBe(zero);
    const paths: string[] = [];
    mapTreeWithPath((path, x) => (paths.push(path), x), { a: leaf(), b: [leaf()] });
    expect(paths).toEqual(["a", "b.0"]);
  });

  it("says where trees differ", () => {
    expect(() => mapTree((x) => x, { a: [leaf()] }, { a: [null] })).toThrow(
      "mapTree: tree 2 differs from tree 1 at a.0: expected a tensor, received null; give trees of one structure",
    );
    expect(() => mapTree((x) => x, { a: leaf() }, { b: leaf() })).toThrow("expected properties {a}, received {b}");
  });

  it("partitions and combines", () => {
    const model = new Layer(leaf(), leaf(), same);
    const [weights, rest] = partition({ model, rate: 1 }, (path) => path.endsWith("weight"));
    expect(treeLeaves(weights)).toEqual([model.weight]);
    expect(rest.model.weight).toBeNull();
    expect(weights.model).toBeInstanceOf(Layer);
    const joined = combine(weights, rest);
    expect(joined).toEqual({ model, rate: 1 });
    expect(joined.model).toBeInstanceOf(Layer);
    expect(() => combine(joined, rest)).toThrow("combine: both trees have a tensor at model.bias");
    expect(() => combine({ a: 1 }, { a: 2 })).toThrow("combine: the trees differ at a");
  });
});
