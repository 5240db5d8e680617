/** The allocator against a model: blocks never overlap, memory comes back whole, mistakes are noticed. */
import { DeviceError } from "@dormouse/tensor";
import { expect, test } from "vitest";
import { Arena, type ArenaBlock, alignment, overrun } from "../src/arena.ts";

const arenaOf = (maximum: number): Arena =>
  new Arena(new WebAssembly.Memory({ initial: 1, maximum }), maximum);

test("5000 random steps: aligned, disjoint, inside the memory, and one free block at the end", () => {
  const arena = arenaOf(2048);
  const live = new Map<ArenaBlock, number>();
  let state = 12345;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
  let mark = 0;
  for (let step = 0; step < 5000; step++) {
    if (live.size < 200 && random(2) === 0) {
      const bytes = random(3) === 0 ? random(200000) : random(600);
      const block = arena.allocate(bytes);
      expect(block.address % alignment).toBe(0);
      expect(block.bytes).toBeGreaterThanOrEqual(bytes);
      expect(block.address + block.bytes + overrun).toBeLessThanOrEqual(arena.memory.buffer.byteLength);
      mark = (mark % 255) + 1;
      new Uint8Array(arena.memory.buffer, block.address, block.bytes).fill(mark);
      live.set(block, mark);
    } else if (live.size > 0) {
      const [block, mark] = [...live][random(live.size)]!;
      const bytes = new Uint8Array(arena.memory.buffer, block.address, block.bytes);
      expect(bytes[0]).toBe(mark);
      expect(bytes.at(-1)).toBe(mark);
      expect(bytes[block.bytes >> 1]).toBe(mark);
      live.delete(block);
      arena.free(block);
    }
    const total = [...live.keys()].reduce((sum, { bytes }) => sum + bytes, 0);
    expect(arena.statistics.liveBytes).toBe(total);
    expect(arena.statistics.liveBlocks).toBe(live.size);
  }
  for (const block of live.keys()) arena.free(block);
  const { memoryBytes } = arena.statistics;
  const whole = arena.allocate(memoryBytes - 2 * overrun);
  expect(arena.statistics.memoryBytes).toBe(memoryBytes);
  expect(whole.address).toBe(overrun);
});

test("a freed block is the next of its size", () => {
  const arena = arenaOf(64);
  const [first] = [arena.allocate(1000), arena.allocate(1000)];
  const { address } = first;
  arena.free(first);
  expect(arena.allocate(1000).address).toBe(address);
});

test("a loop that asks for the same sizes gets the same blocks, and what waits is found by a larger request", () => {
  const arena = arenaOf(16);
  const sizes = [64, 17088, 64, 4096];
  const turn = (): number[] => {
    const blocks = sizes.map((size) => arena.allocate(size));
    for (const block of blocks) arena.free(block);
    return blocks.map(({ address }) => address).toSorted((a, b) => a - b);
  };
  const first = turn();
  for (let i = 0; i < 100; i++) expect(turn()).toEqual(first);
  expect(arena.statistics.liveBlocks).toBe(0);
  // All of the memory, though four blocks of it wait.
  const { memoryBytes } = arena.statistics;
  expect(arena.allocate(memoryBytes - 2 * overrun).address).toBe(overrun);
  expect(arena.statistics.memoryBytes).toBe(memoryBytes);
});

test("no bytes is a block of its own", () => {
  const arena = arenaOf(16);
  expect(arena.allocate(0).address).not.toBe(arena.allocate(0).address);
});

test("grows to the last page, then says what is in use", () => {
  const arena = arenaOf(20);
  const most = arena.allocate(arena.maximumBlockBytes);
  expect(arena.statistics.memoryBytes).toBe(20 * 65536);
  expect(() => arena.allocate(3 * 2 ** 20)).toThrow(
    "alloc: no room for 3.0 MiB: 1 buffers hold 1.2 MiB of at most 1.3 MiB; dispose of tensors, use scope() or smaller batches",
  );
  arena.free(most);
  expect(arena.statistics).toEqual({
    liveBytes: 0,
    liveBlocks: 0,
    peakBytes: most.bytes,
    memoryBytes: 20 * 65536,
  });
});

test("freeing twice is an error, merged or not", () => {
  const arena = arenaOf(16);
  const blocks = [0, 1, 2, 3].map(() => arena.allocate(64));
  for (const i of [1, 0, 2]) {
    arena.free(blocks[i]!);
    expect(() => arena.free(blocks[i]!)).toThrow(DeviceError);
  }
  expect(arena.statistics.liveBlocks).toBe(1);
});
