/**
 * The order of a scalar expression's nodes. Owns nothing else: what a node means is said by `reference-scalar.ts` and,
 * independently, by the WebAssembly generators.
 */
import type { Scalar } from "@dormouse/tensor/graph";

/** Operands of a scalar, index expressions of loads included. */
export function operandsOf(scalar: Scalar): readonly Scalar[] {
  if (scalar.op === "load") return scalar.indirect?.map(({ index }) => index) ?? [];
  return "sources" in scalar ? scalar.sources : [];
}

/** Every scalar under `roots` once, after its operands. Iterative: a fused expression may be thousands deep. */
export function scalarOrder(roots: readonly Scalar[]): Scalar[] {
  const order: Scalar[] = [];
  const seen = new Set<Scalar>();
  const stack: { scalar: Scalar; operands: readonly Scalar[]; next: number }[] = [];
  const enter = (scalar: Scalar): void => {
    if (seen.has(scalar)) return;
    seen.add(scalar);
    stack.push({ scalar, operands: operandsOf(scalar), next: 0 });
  };
  for (const root of roots) {
    enter(root);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      if (top.next < top.operands.length) {
        enter(top.operands[top.next++]!);
      } else {
        order.push(top.scalar);
        stack.pop();
      }
    }
  }
  return order;
}
