/**
 * Counting that several generators need: while code is written, and, for the share of a thread, within the code. Knows
 * nothing of kernels.
 */
import { i32, i64 } from "./encoder.ts";
import type { Expression } from "./encoder.ts";

type I32 = Expression<"i32">;

/** 0, 1, …, count - 1. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** The least multiple that is not below `value`. */
export const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/** Where the stretch of a thread starts among `total` equal pieces; products of 64 bits, so that none overflows. */
export const shareOf = (total: number, thread: I32, threadCount: I32): I32 =>
  i32.wrap_i64(i64.div_u(i64.mul(i64.const(BigInt(total)), i64.extend_i32_u(thread)), i64.extend_i32_u(threadCount)));
