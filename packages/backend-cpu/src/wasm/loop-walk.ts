/**
 * Where the code of a loop kernel stands: loops over the outer axes, their share of each thread, groups of four along the
 * lane axis, and the inner axes below them. Owns loops and the places that they visit; refuses to know what is computed
 * there.
 */
import type { LoopKernel } from "@dormouse/tensor/graph";
import { i32, i32x4, select } from "./encoder.ts";
import type { kernelParameters } from "./generator.ts";
import { rowsAtOnce } from "./loop-plan.ts";
import type { LoopAxis, LoopPlan } from "./loop-plan.ts";
import type { Vector } from "./math.ts";
import type { ParameterLocals } from "./module.ts";
import { integer, plus, times } from "./nest.ts";
import type { Integer, Nest } from "./nest.ts";
import type { Place } from "./scalar.ts";

/** Below this many pieces another axis is cut among the threads if one has more. */
const enoughPieces = 8;

type Parameters = ParameterLocals<typeof kernelParameters>;
/** Code at neighboring groups of four. */
type Visit = (places: readonly Place[]) => void;

/** The results of earlier stages that a place knows. */
const results = (place: Place): Place["values"] =>
  new Map([...place.values].filter(([key]) => typeof key === "number"));

export class LoopWalk {
  readonly #nest: Nest;
  readonly #kernel: LoopKernel;
  readonly #plan: LoopPlan;
  readonly #parameters: Parameters;
  /** The axis cut among the threads. */
  readonly #cut: LoopAxis | undefined;
  readonly #index: Integer[];

  constructor(nest: Nest, kernel: LoopKernel, plan: LoopPlan, parameters: Parameters) {
    this.#nest = nest;
    this.#kernel = kernel;
    this.#plan = plan;
    this.#parameters = parameters;
    this.#index = [...kernel.outer, ...kernel.inner].map(() => integer(0));
    this.#cut = this.#chooseCut();
  }

  /**
   * `visit` at the outer positions of this thread: at one of them or, where the lanes are outer ones, wherever `strips`
   * are walked.
   */
  outer(visit: (strips: (each: Visit) => void) => void): void {
    const walk = (): void => this.#outer(0, visit);
    if (this.#cut) walk();
    else this.#nest.when(i32.eqz(this.#parameters.threadIndex), walk);
  }

  /** How many pieces an axis can be cut into. */
  #pieces(loop: LoopAxis): number {
    return loop === this.#plan.lane ? Math.floor(loop.extent / (4 * this.#plan.unroll)) : loop.extent;
  }

  #chooseCut(): LoopAxis | undefined {
    const loops = this.#plan.outer.filter((loop) => this.#pieces(loop) > 1);
    return loops.find((loop) => this.#pieces(loop) >= enoughPieces)
      ?? loops.toSorted((a, b) => this.#pieces(b) - this.#pieces(a))[0];
  }

  /** The part of [0, pieces) that belongs to this thread, in units of `size`. */
  #share(pieces: number, size: number): [from: Integer, to: Integer] {
    const { threadIndex, threadCount } = this.#parameters;
    const nest = this.#nest;
    const each = nest.hold(i32.div_u(i32.add(threadCount, i32.const(pieces - 1)), threadCount));
    const bound = (thread: Integer): Integer => {
      const piece = nest.hold(i32.mul(thread, each));
      return nest.hold(times(select(i32.lt_u(piece, i32.const(pieces)), piece, i32.const(pieces)), size));
    };
    return [bound(threadIndex), bound(plus(threadIndex, 1))];
  }

  #outer(depth: number, visit: (strips: (each: Visit) => void) => void): void {
    const { outer, lane, horizontal } = this.#plan;
    const loop = outer.filter((other) => other !== lane)[depth];
    if (loop) {
      const [from, to] = loop === this.#cut ? this.#share(loop.extent, 1) : [integer(0), integer(loop.extent)];
      return this.#nest.loop(from, to, 1, (i) => this.at(loop.axis, i, () => this.#outer(depth + 1, visit)));
    }
    if (horizontal || lane.axis < 0) return visit((each) => each([this.place(-1, 0, 1)]));
    visit((each) => this.#lanes(lane === this.#cut, each));
  }

  /** `body` with the index along `axis`. */
  at(axis: number, index: Integer, body: () => void): void {
    const before = this.#index[axis]!;
    this.#index[axis] = index;
    body();
    this.#index[axis] = before;
  }

  /** A place where the loops stand; `row`: the outer place whose results it knows. */
  place(lane: number, shift: number, active: number, row?: Place): Place {
    const values = row ? results(row) : new Map();
    return { index: [...this.#index], lane, shift, active, values, resultsVary: !this.#plan.horizontal };
  }

  /** Walks the lane axis: unrolled groups, single groups, then the lanes that are left. */
  #lanes(cut: boolean, body: Visit, main?: (walk: MainWalk) => void): void {
    const { lane: { axis, extent }, unroll } = this.#plan;
    const step = 4 * unroll;
    const unrolled = extent - (extent % step);
    const whole = extent - (extent % 4);
    const groups = (from: Integer, to: Integer, count: number): void =>
      this.#nest.loop(from, to, 4 * count, (i) =>
        this.at(axis, i, () => body(Array.from({ length: count }, (_, group) => this.place(axis, 4 * group, 4)))),
      );
    if (cut) groups(...this.#share(unrolled / step, step), unroll);
    else if (main) main({ extent: unrolled, step, groups: (from, to) => groups(from, to, unroll) });
    else groups(integer(0), integer(unrolled), unroll);
    const rest = (): void => {
      const quads = unroll > 4 ? extent - (extent % 16) : unrolled;
      groups(integer(unrolled), integer(quads), 4);
      if (unroll > 1) groups(integer(quads), integer(whole), 1);
      if (whole < extent) this.at(axis, integer(whole), () => body([this.place(axis, 0, extent - whole)]));
    };
    if (!cut) return rest();
    const { threadIndex, threadCount } = this.#parameters;
    this.#nest.when(i32.eq(plus(threadIndex, 1), threadCount), rest);
  }

  /** Walks the inner axes for the given outer places. */
  inner(places: readonly Place[], body: Visit): void {
    const { inner, lane, horizontal } = this.#plan;
    const loops = horizontal ? inner.filter((loop) => loop !== lane) : inner;
    const walk = (depth: number): void => {
      const loop = loops[depth];
      if (!loop) return this.#innermost(places, body);
      this.#nest.loop(integer(0), integer(loop.extent), 1, (i) => this.at(loop.axis, i, () => walk(depth + 1)));
    };
    walk(0);
  }

  /** The body at the current inner position, or along the lanes of a horizontal walk. */
  #innermost(places: readonly Place[], body: Visit, main?: (walk: MainWalk) => void): void {
    if (!this.#plan.horizontal) return body(places.map((place) => this.#inside(place)));
    const [row] = places as readonly [Place];
    this.#lanes(false, (groups) => body(groups.map((group) => ({ ...group, values: results(row) }))), main);
  }

  /** An outer place at the current inner position. */
  #inside(place: Place): Place {
    const index = place.index.map((outer, axis) => (axis < this.#kernel.outer.length ? outer : this.#index[axis]!));
    return { ...place, index, values: results(place) };
  }

  /** Blocks of `rowsAtOnce` of the only inner axis: `block` walks the inner axis within the current one. */
  rowBlocks(block: (inner: (places: readonly Place[], body: Visit) => void) => void): void {
    const [{ axis, extent }] = this.#plan.inner as readonly [LoopAxis];
    const nest = this.#nest;
    nest.loop(integer(0), integer(extent), rowsAtOnce, (from) => {
      const end = plus(from, rowsAtOnce);
      const to = nest.hold(select(i32.lt_s(end, integer(extent)), end, integer(extent)));
      block((places, body) =>
        nest.loop(from, to, 1, (i) => this.at(axis, i, () => body(places.map((place) => this.#inside(place))))));
    });
  }

  /** Row-major stride of each inner loop, in positions. */
  #rowStrides(): Map<LoopAxis, number> {
    let stride = 1;
    return new Map(this.#plan.inner.toReversed().map((loop) => {
      const own = stride;
      stride *= loop.extent;
      return [loop, own];
    }));
  }

  /** Row-major position of every lane within the inner axes. */
  positions(place: Place): Vector {
    const first = plus(this.position(place), place.shift * this.#laneStride());
    return i32x4.add(i32x4.splat(first), this.#lanePositions(0));
  }

  /** Row-major position of lane 0 of the first group of an unrolled loop. */
  position(place: Place): Integer {
    let sum: Integer = integer(0);
    for (const [loop, stride] of this.#rowStrides()) sum = plus(sum, times(place.index[loop.axis]!, stride));
    return sum;
  }

  #laneStride(): number {
    return this.#plan.horizontal ? this.#rowStrides().get(this.#plan.lane)! : 0;
  }

  #lanePositions(first: number): Vector {
    const stride = this.#laneStride();
    return this.#nest.hold(i32x4.const(...[0, 1, 2, 3].map((lane) => (first + lane) * stride)));
  }

  /** Where the lanes of a group begin. */
  firstPositions(group: number): Vector {
    return this.#lanePositions(4 * group);
  }

  /** Values that each accumulator takes in. */
  turns(): number {
    const { inner, lane, horizontal, unroll } = this.#plan;
    const turnsOf = (loop: LoopAxis): number =>
      horizontal && loop === lane ? Math.ceil(loop.extent / (4 * unroll)) : loop.extent;
    return inner.reduce((count, loop) => count * turnsOf(loop), 1);
  }

  /** Walks the inner axes, with `flush` after about every `size` turns, of which there are more. */
  blocks(places: readonly Place[], size: number, body: Visit, flush: () => void): void {
    const { inner, lane, horizontal, unroll } = this.#plan;
    const loops = horizontal ? inner.filter((loop) => loop !== lane) : inner;
    const turns = [...loops.map(({ extent }) => extent), ...(horizontal ? [Math.ceil(lane.extent / (4 * unroll))] : [])];
    const within = turns.map((_, depth) => turns.slice(depth + 1).reduce((a, b) => a * b, 1));
    // The innermost loop of at least a block: it is cut into blocks.
    const level = within.findLastIndex((below, depth) => below * turns[depth]! >= size);
    const block = Math.max(1, Math.floor(size / within[level]!));
    const cut = (extent: Integer, count: number, step: number, visit: (from: Integer, to: Integer) => void): void =>
      this.#nest.loop(integer(0), extent, count * step, (from) => {
        const end = plus(from, count * step);
        const to = this.#nest.here(select(i32.lt_s(end, extent), end, extent));
        visit(from, to);
        flush();
      });
    const walk = (depth: number): void => {
      const loop = loops[depth];
      if (!loop) {
        const main = ({ extent, step, groups }: MainWalk): void => cut(integer(extent), block, step, groups);
        this.#innermost(places, body, depth === level ? main : undefined);
        if (depth === level) flush();
        return;
      }
      const visit = (i: Integer): void => this.at(loop.axis, i, () => walk(depth + 1));
      if (depth !== level) return this.#nest.loop(integer(0), integer(loop.extent), 1, visit);
      cut(integer(loop.extent), block, 1, (from, to) => this.#nest.loop(from, to, 1, visit));
    };
    walk(0);
  }
}

/** The unrolled part of a walk along the lanes, to be cut into blocks. */
interface MainWalk {
  readonly extent: number;
  readonly step: number;
  readonly groups: (from: Integer, to: Integer) => void;
}
