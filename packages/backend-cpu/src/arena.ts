/**
 * Memory of the device: hands out blocks of one WebAssembly memory that starts small and grows. Two-level segregated
 * fit (Masmano et al., "TLSF: a new dynamic memory allocator for real-time systems", ECRTS 2004): a free block is filed
 * under the power of two of its size and one of four steps within, and merged with its neighbors, so both directions
 * take constant time. The last few small blocks that were freed wait for a request of their size before they are: a
 * loop asks for the same sizes in every turn. Knows nothing about buffers, dtypes or programs.
 */
import { DeviceError } from "@dormouse/tensor";

/** Every block starts at a multiple of this, which is a cache line and four vectors. */
export const alignment = 64;
/** Bytes that may be read past the end of any block: kernels load whole vectors. */
export const overrun = 64;
const pageBytes = 65536;
/** Memory is taken from the engine in steps of at least this many pages: 1 MiB. */
const growthPages = 16;
const steps = 4;
/** How many freed blocks wait whole, and how large they may be: those of a small model's step, and little memory. */
const waitingBlocks = 8;
const waitingBytes = 65536;

/** A block of the memory. `address` stays valid until the block is freed. */
export interface ArenaBlock {
  readonly address: number;
  readonly bytes: number;
}

/** What is in use, in bytes and blocks. */
export interface ArenaStatistics {
  readonly liveBytes: number;
  readonly liveBlocks: number;
  /** Largest `liveBytes` so far. */
  readonly peakBytes: number;
  /** Size of the WebAssembly memory. */
  readonly memoryBytes: number;
}

class Block implements ArenaBlock {
  readonly address: number;
  bytes: number;
  free = false;
  /** Freed, but not filed yet. */
  waiting = false;
  /** Neighbors in the memory. */
  before: Block | null;
  after: Block | null;
  /** Neighbors in the list of free blocks of one class. */
  previous: Block | null = null;
  next: Block | null = null;

  constructor(address: number, bytes: number, before: Block | null, after: Block | null) {
    this.address = address;
    this.bytes = bytes;
    this.before = before;
    this.after = after;
  }
}

/** The class of a size: four per power of two. */
function classOf(bytes: number): number {
  const units = bytes / alignment;
  const level = 31 - Math.clz32(units);
  const step = level < 2 ? units - 2 ** level : (units >>> (level - 2)) & (steps - 1);
  return level * steps + step;
}

const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** The allocator of one memory. */
export class Arena {
  readonly memory: WebAssembly.Memory;
  /** How often the memory has grown: every time, views of it have to be made anew. */
  growths = 0;
  readonly #maximumBytes: number;
  readonly #bins: (Block | null)[] = new Array<Block | null>(27 * steps).fill(null);
  readonly #waiting: Block[] = [];
  #last: Block | null = null;
  /** First byte that no block has covered yet. */
  #end: number;
  #liveBytes = 0;
  #liveBlocks = 0;
  #peakBytes = 0;

  /** Manages `memory` from byte `start` on. `maximumPages` is the maximum that the memory was made with. */
  constructor(memory: WebAssembly.Memory, maximumPages: number, start = overrun) {
    this.memory = memory;
    this.#maximumBytes = maximumPages * pageBytes;
    this.#end = roundUp(start, alignment);
    this.#cover();
  }

  /** The largest block that this arena could ever hand out. */
  get maximumBlockBytes(): number {
    return this.#maximumBytes - overrun - alignment;
  }

  get statistics(): ArenaStatistics {
    return {
      liveBytes: this.#liveBytes,
      liveBlocks: this.#liveBlocks,
      peakBytes: this.#peakBytes,
      memoryBytes: this.memory.buffer.byteLength,
    };
  }

  /**
   * A block of at least `bytes` bytes with unspecified contents.
   * @throws DeviceError when the memory cannot grow enough.
   */
  allocate(bytes: number): ArenaBlock {
    const size = Math.max(alignment, roundUp(bytes, alignment));
    const block = this.#takeWaiting(size) ?? this.#carve(size, bytes);
    this.#liveBytes += block.bytes;
    this.#liveBlocks++;
    this.#peakBytes = Math.max(this.#peakBytes, this.#liveBytes);
    return block;
  }

  /**
   * Takes a block back.
   * @throws DeviceError when the block is free already or belongs to another arena.
   */
  free(given: ArenaBlock): void {
    if (!(given instanceof Block) || given.free || given.waiting) {
      throw new DeviceError("free", `the block at ${given.address} is not in use`, {
        hint: "free each block once",
      });
    }
    this.#liveBytes -= given.bytes;
    this.#liveBlocks--;
    if (given.bytes > waitingBytes) {
      this.#file(given);
      return;
    }
    given.waiting = true;
    if (this.#waiting.push(given) > waitingBlocks) this.#fileOldest();
  }

  /** A block of exactly this size that was freed a moment ago. */
  #takeWaiting(size: number): Block | null {
    const waiting = this.#waiting;
    for (let i = waiting.length - 1; i >= 0; i--) {
      const block = waiting[i]!;
      if (block.bytes !== size) continue;
      // The order of the others stays: by age.
      for (let j = i + 1; j < waiting.length; j++) waiting[j - 1] = waiting[j]!;
      waiting.pop();
      block.waiting = false;
      return block;
    }
    return null;
  }

  /** A block cut out of free memory. */
  #carve(size: number, requested: number): Block {
    const block = this.#find(size) ?? this.#findAmongAll(size) ?? this.#grow(size, requested);
    this.#unlink(block);
    this.#split(block, size);
    return block;
  }

  /** As `#find`, once nothing waits any more: merged, what waited may be large enough. */
  #findAmongAll(size: number): Block | null {
    if (this.#waiting.length === 0) return null;
    while (this.#waiting.length > 0) this.#fileOldest();
    return this.#find(size);
  }

  #fileOldest(): void {
    const block = this.#waiting.shift()!;
    block.waiting = false;
    this.#file(block);
  }

  /** Merges a block with its free neighbors and files it. */
  #file(given: Block): void {
    let block: Block = given;
    if (block.after?.free) {
      this.#unlink(block.after);
      this.#absorb(block);
    }
    if (block.before?.free) {
      block = block.before;
      this.#unlink(block);
      this.#absorb(block);
      // The handle stays marked, so that freeing it again is noticed.
      given.free = true;
    }
    this.#link(block);
  }

  #find(size: number): Block | null {
    const own = classOf(size);
    const recent = this.#bins[own] ?? null;
    if (recent && recent.bytes >= size) return recent;
    for (let bin = own + 1; bin < this.#bins.length; bin++) {
      if (this.#bins[bin]) return this.#bins[bin]!;
    }
    // Last: a block of the same class that happens to be large enough.
    for (let block = recent; block; block = block.next) if (block.bytes >= size) return block;
    return null;
  }

  /** Grows the memory until its last block has `size` bytes. */
  #grow(size: number, requested: number): Block {
    const atEnd = this.#last?.free ? this.#last.bytes : 0;
    const present = this.memory.buffer.byteLength / pageBytes;
    const needed = Math.ceil((this.#end - atEnd + size + overrun) / pageBytes) - present;
    const comfortable = Math.max(needed, growthPages, present >>> 2);
    if (!this.#growBy(comfortable) && !this.#growBy(needed)) {
      throw new DeviceError(
        "alloc",
        `no room for ${mebibytes(requested)}: ${this.#liveBlocks} buffers hold ${mebibytes(this.#liveBytes)} of at most ${mebibytes(this.#maximumBytes)}`,
        {
          expected: this.#maximumBytes - this.#liveBytes,
          received: requested,
          hint: "dispose of tensors, use scope() or smaller batches",
        },
      );
    }
    this.#cover();
    return this.#last!;
  }

  #growBy(pages: number): boolean {
    if (this.memory.buffer.byteLength + pages * pageBytes > this.#maximumBytes) return false;
    try {
      this.memory.grow(pages);
      this.growths++;
      return true;
    } catch {
      // A RangeError: the engine or the operating system refuses, which the caller reports.
      return false;
    }
  }

  /** Turns memory that no block covers into a free block at the end. */
  #cover(): void {
    const bytes = this.memory.buffer.byteLength - overrun - this.#end;
    if (bytes < alignment) return;
    const last = this.#last;
    const block = new Block(this.#end, bytes - (bytes % alignment), last, null);
    this.#end += block.bytes;
    this.#last = block;
    if (last) last.after = block;
    if (last?.free) {
      this.#unlink(last);
      this.#absorb(last);
      this.#link(last);
    } else {
      this.#link(block);
    }
  }

  /** Cuts what `block` has beyond `size` off into a free block. */
  #split(block: Block, size: number): void {
    if (block.bytes === size) return;
    const rest = new Block(block.address + size, block.bytes - size, block, block.after);
    if (block.after) block.after.before = rest;
    else this.#last = rest;
    block.after = rest;
    block.bytes = size;
    this.#link(rest);
  }

  /** Joins `block` and the block after it; neither is filed. */
  #absorb(block: Block): void {
    const gone = block.after!;
    block.bytes += gone.bytes;
    block.after = gone.after;
    if (gone.after) gone.after.before = block;
    else this.#last = block;
  }

  #link(block: Block): void {
    const bin = classOf(block.bytes);
    const head = this.#bins[bin] ?? null;
    block.free = true;
    block.previous = null;
    block.next = head;
    if (head) head.previous = block;
    this.#bins[bin] = block;
  }

  #unlink(block: Block): void {
    const bin = classOf(block.bytes);
    if (block.previous) block.previous.next = block.next;
    else this.#bins[bin] = block.next;
    if (block.next) block.next.previous = block.previous;
    block.free = false;
    block.previous = null;
    block.next = null;
  }
}
