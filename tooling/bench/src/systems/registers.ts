/**
 * The ceiling of the engine: a loop of multiply-adds on registers, assembled by hand so that nothing of ours is between
 * it and the processor. Fused where the engine accepts `relaxed_madd`, else a product and a sum.
 */
import type { Registers } from "../works/work.ts";
import type { Prepared } from "./system.ts";

const [i32, f32, v128] = [0x7f, 0x7d, 0x7b];
const localGet = 0x20;
const localSet = 0x21;
const madd = [0xfd, 0x85, 0x02];
const add = [0xfd, 0xe4, 0x01];
const mulAdd = [0xfd, 0xe6, 0x01, ...add];
const firstLane = [0xfd, 0x1f, 0];

const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content];

function unsigned(value: number): number[] {
  const low = value & 127;
  return value < 128 ? [low] : [low | 128, ...unsigned(value >>> 7)];
}

/** A module that exports `run(turns: i32): f32`; local 0 counts, 1 is the factor, then the sums, which are used at the end. */
function assemble(vectors: number, fused: boolean): Uint8Array<ArrayBuffer> {
  const step = (sum: number): number[] =>
    fused
      ? [localGet, 1, localGet, sum, localGet, 1, ...madd, localSet, sum]
      : [localGet, sum, localGet, 1, localGet, sum, ...mulAdd, localSet, sum];
  const sums = Array.from({ length: vectors }, (_, i) => i + 2);
  const body = [
    1, vectors + 1, v128,
    0x03, 0x40, // loop
    ...sums.flatMap(step),
    localGet, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, // br_if (turns -= 1)
    0x0b,
    localGet, 2, ...sums.slice(1).flatMap((sum) => [localGet, sum, ...add]), ...firstLane,
    0x0b,
  ];
  return new Uint8Array([
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 1, i32, 1, f32]),
    ...section(3, [1, 0]),
    ...section(7, [1, 3, 0x72, 0x75, 0x6e, 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}

export function ofRegisters({ vectors, turns }: Registers): Prepared {
  const fused = assemble(vectors, true);
  const bytes = WebAssembly.validate(fused) ? fused : assemble(vectors, false);
  const { run } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as { run: (turns: number) => number };
  return {
    check: () => Promise.resolve([[0]]),
    run: () => void run(turns),
    settle: () => Promise.resolve(),
    dispose() {},
  };
}
