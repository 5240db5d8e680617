/**
 * What type tests say: `packages/NAME/test-d/WHAT.test-d.ts` is compiled, never run, and passes when the compiler has
 * nothing to say about it. A line that must be refused stands under `// @ts-expect-error`, which fails when it is not.
 */

/** `true` if the two types are the same, not only assignable to each other; `any` equals only itself. */
export type Equals<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/**
 * Refuses a value whose type is not exactly `Expected`.
 *
 *     expectType<Tensor<[2, 3]>>()(matmul(a, b));
 */
export declare function expectType<Expected>(): <Actual>(
  value: Actual,
  ...mismatch: Equals<Actual, Expected> extends true ? [] : [expected: Expected, received: Actual]
) => void;
