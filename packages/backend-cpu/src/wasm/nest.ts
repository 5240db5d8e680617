/**
 * Loop nests whose invariants find their own place. Code is built into frames, one per open loop; `hold` computes a
 * value in the outermost frame that knows everything it depends on, so constants, splat loads and the functions of
 * them leave the inner loops without a pass over the code. Owns the order of statements; refuses to know what the
 * statements mean. Loads count as pure: what may be stored to between two reads must be read with `here`.
 */
import { Choice, Local, i32 } from "./encoder.ts";
import type { Expression, ValueType } from "./encoder.ts";
import type { FunctionBuilder } from "./module.ts";

type Statement = (f: FunctionBuilder) => void;
interface Frame {
  code: Statement[];
  readonly known: Map<unknown, unknown>;
  /** While pieces are interleaved: what all of them may use, ahead of the first. */
  ahead?: Statement[] | undefined;
}
export type Integer = Expression<"i32">;

/** The number an i32 constant was made from, or undefined. */
const constants = new WeakMap<Integer, number>();

/** An i32 constant that `plus` and `times` can see through. */
export function integer(value: number): Integer {
  const expression = i32.const(value);
  constants.set(expression, value);
  return expression;
}

/** a + b. */
export function plus(a: Integer, b: Integer | number): Integer {
  const left = constants.get(a);
  const right = typeof b === "number" ? b : constants.get(b);
  if (left !== undefined && right !== undefined) return integer(left + right);
  if (left === 0) return typeof b === "number" ? integer(b) : b;
  if (right === 0) return a;
  return i32.add(a, typeof b === "number" ? i32.const(b) : b);
}

/** a · factor. */
export function times(a: Integer, factor: number): Integer {
  const known = constants.get(a);
  if (known !== undefined) return integer(Math.imul(known, factor));
  if (factor === 0) return integer(0);
  if (factor === 1) return a;
  const shift = Math.log2(factor);
  return Number.isInteger(shift) ? i32.shl(a, i32.const(shift)) : i32.mul(a, i32.const(factor));
}

/** The value of an integer known while generating, or undefined. */
export const knownInteger = (a: Integer): number | undefined => constants.get(a);

export class Nest {
  readonly f: FunctionBuilder;
  /** Whether `relaxed_madd` may be used. */
  readonly fma: boolean;
  readonly #frames: Frame[] = [{ code: [], known: new Map() }];
  readonly #depths = new Map<Local, number>();

  constructor(f: FunctionBuilder, fma: boolean) {
    this.f = f;
    this.fma = fma;
  }

  get depth(): number {
    return this.#frames.length - 1;
  }

  /** The outermost frame in which `value` can be computed. Parameters and constants are known in frame 0. */
  depthOf(value: Expression): number {
    if (value instanceof Local) return this.#depths.get(value) ?? 0;
    let depth = 0;
    for (const source of value.sources) depth = Math.max(depth, this.depthOf(source));
    return value instanceof Choice ? Math.max(depth, this.depthOf(value.whenTrue), this.depthOf(value.whenFalse)) : depth;
  }

  /** A local holding `value`, computed as far out as possible; give it the same value every time it is reached. */
  hold<T extends ValueType>(value: Expression<T>): Expression<T> {
    if (value instanceof Local) return value;
    if (value.sources.length === 0) return value.type === "v128" ? this.f.constant(value) : value;
    return this.#place(value, this.depthOf(value));
  }

  /** A local holding what `value` is now, at this point of the current frame. */
  here<T extends ValueType>(value: Expression<T>): Local<T> {
    return this.#place(value, this.depth);
  }

  /** A variable of the current frame: set before the loops that change it, and known to the code after them. */
  variable<T extends ValueType>(initial: Expression<T>): Local<T> {
    return this.here(initial);
  }

  set<T extends ValueType>(variable: Local<T>, value: Expression<T>): void {
    this.#push((f) => f.set(variable, value));
  }

  do(effect: Expression<"void">): void {
    this.#push((f) => f.do(effect));
  }

  /** `make()`, or what it returned before for `key` in a frame that is still open. `depth` says where to keep it. */
  once<T>(key: unknown, make: () => T, depth: (value: T) => number): T {
    for (const frame of this.#frames) if (frame.known.has(key)) return frame.known.get(key) as T;
    const interleaved = this.#frames.filter(({ ahead }) => ahead);
    const pieces = interleaved.map(({ code }) => code);
    interleaved.forEach((frame) => (frame.code = frame.ahead!));
    const value = make();
    interleaved.forEach((frame, i) => (frame.code = pieces[i]!));
    this.#frames[depth(value)]!.known.set(key, value);
    return value;
  }

  /**
   * Independent pieces of code side by side: their statements take turns. A processor looks ahead over a hundred
   * operations or two, which is only a few vectors of a long function one after the other; side by side their chains
   * of dependent operations overlap. What pieces share through `once` is computed before them.
   */
  interleave<T>(pieces: readonly (() => T)[]): T[] {
    if (pieces.length === 1) return [pieces[0]!()];
    const frame = this.#frames[this.depth]!;
    const { code } = frame;
    const ahead: Statement[] = [];
    frame.ahead = ahead;
    const parts: Statement[][] = [];
    const results = pieces.map((piece) => {
      parts.push((frame.code = []));
      return piece();
    });
    frame.ahead = undefined;
    frame.code = code;
    code.push(...ahead);
    const longest = Math.max(...parts.map(({ length }) => length));
    for (let i = 0; i < longest; i++) for (const part of parts) if (i < part.length) code.push(part[i]!);
    return results;
  }

  /** Forgets every value kept by `once` whose key satisfies `stale`. */
  forget(stale: (key: unknown) => boolean): void {
    for (const { known } of this.#frames) for (const key of known.keys()) if (stale(key)) known.delete(key);
  }

  /** for (i = from; i < to; i += step) body(i). A single turn known while generating needs no loop. */
  loop(from: Integer, to: Integer, step: number, body: (i: Integer) => void): void {
    const start = knownInteger(from);
    const stop = knownInteger(to);
    const known = start !== undefined && stop !== undefined;
    if (known && start >= stop) return;
    if (known && start + step >= stop) return body(from);
    const i = this.f.local("i32");
    this.#depths.set(i, this.depth + 1);
    const code = this.#frame(() => body(i));
    this.#push((f) => {
      f.set(i, from);
      if (!known) return f.count(i, to, step, () => run(f, code));
      f.loop((again) => {
        run(f, code);
        f.increase(i, step);
        f.branchIf(again, i32.lt_s(i, to));
      });
    });
  }

  /**
   * The first i of from, from + step, … at which `found` holds; the first that is not below `to` where it never does.
   * `from` is always tried.
   */
  search(from: Integer, to: Integer, step: number, found: (i: Integer) => Integer): Integer {
    const i = this.f.local("i32");
    this.#depths.set(i, this.depth + 1);
    let stop: Integer;
    const code = this.#frame(() => {
      stop = found(i);
    });
    this.#push((f) => {
      f.set(i, from);
      f.block((exit) =>
        f.loop((again) => {
          run(f, code);
          f.branchIf(exit, stop);
          f.increase(i, step);
          f.branchIf(again, i32.lt_s(i, to));
        }),
      );
    });
    return this.here(i);
  }

  /** if (condition) body(). Values held inside may be computed before the branch. */
  when(condition: Integer, body: () => void): void {
    const code = this.#frame(body);
    if (code.length > 0) this.#push((f) => f.if(condition, () => run(f, code)));
  }

  /** Writes everything built so far into the function. */
  finish(): void {
    run(this.f, this.#frames[0]!.code);
  }

  #frame(body: () => void): Statement[] {
    const frame: Frame = { code: [], known: new Map() };
    this.#frames.push(frame);
    body();
    this.#frames.pop();
    return frame.code;
  }

  #place<T extends ValueType>(value: Expression<T>, depth: number): Local<T> {
    const local = this.f.local(value.type);
    this.#depths.set(local, depth);
    this.#frames[depth]!.code.push((f) => f.set(local, value));
    return local;
  }

  #push(statement: Statement): void {
    this.#frames[this.depth]!.code.push(statement);
  }
}

const run = (f: FunctionBuilder, code: readonly Statement[]): void => {
  for (const statement of code) statement(f);
};
