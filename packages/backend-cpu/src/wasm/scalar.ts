/**
 * Code for `Scalar` expressions, four neighbors at a time. A `Place` says where in the loops the code stands and along
 * which axis the four lanes lie; `ScalarCode.value` gives the lanes of an expression there and `store` writes them.
 * What does not change along an inner loop is computed outside of it (nest.ts). Owns addresses, loads, conditions and
 * stores; arithmetic is values.ts, loops are the caller's.
 *
 * @example
 * const nest = new Nest(f, options.fma);
 * const code = new ScalarCode(nest, kernel.args, parameters.arguments, [body]);
 * nest.loop(integer(0), integer(n), 4, (i) => {
 *   const place = { index: [row, i], lane: 1, shift: 0, active: 4, values: new Map() };
 *   code.store(target, at, code.value(body, place), place);
 * });
 * nest.finish();
 */
import { bytesOf } from "@dormouse/tensor/graph";
import type { DType } from "@dormouse/tensor";
import type { Affine, Condition, Indirect, KernelArgument, Scalar } from "@dormouse/tensor/graph";
import { operandsOf, scalarOrder } from "../scalar-order.ts";
import { Local, f32x4, i16x8, i32, i32x4, i8x16, v128 } from "./encoder.ts";
import type { Expression } from "./encoder.ts";
import type { Vector } from "./math.ts";
import { integer, knownInteger, plus, times } from "./nest.ts";
import type { Integer, Nest } from "./nest.ts";
import { Values } from "./values.ts";
import type { Value } from "./values.ts";

/** A group of up to four neighboring loop indices. */
export interface Place {
  /** Index of lane 0 along every axis of the kernel, as a local or a known integer. */
  readonly index: readonly Integer[];
  /** The axis along which the lanes lie; -1: there is one position, and every lane has its value. */
  readonly lane: number;
  /** Added to the index along `lane`: the number of a group in an unrolled loop, times 4. */
  readonly shift: number;
  /** Lanes that exist. The others may hold anything and are not stored. */
  readonly active: number;
  /** Values known here: fill in `result` scalars by stage number; the rest is for `ScalarCode`. */
  readonly values: Map<Scalar | number, Value>;
  /** Whether `result` scalars differ between lanes. */
  readonly resultsVary?: boolean;
}

/** What is known of an expression for lanes along one axis. */
interface Facts {
  /** It differs between lanes, results of stages aside. */
  readonly moves: boolean;
  readonly takesResult: boolean;
  /** It reads under a condition, or what the kernel writes: it may not be computed anywhere else. */
  readonly placed: boolean;
}

type Load = Scalar & { readonly op: "load" };
type Effect = Expression<"void">;

export class ScalarCode {
  readonly nest: Nest;
  readonly values: Values;
  readonly #dtypes: readonly DType[];
  readonly #written: ReadonlySet<number>;
  readonly #base: Integer;
  readonly #uses = new Map<Scalar, number>();
  /** What float32 sums and differences take. */
  readonly #addends = new Set<Scalar>();
  /** Facts by lane axis. */
  readonly #known = new Map<number, Map<Scalar, Facts>>();
  readonly #changing = new Map<Scalar, boolean>();

  /** `roots`: every expression that will be asked for. `argumentTable`: where the addresses of the arguments lie. */
  constructor(nest: Nest, args: readonly KernelArgument[], argumentTable: Integer, roots: readonly Scalar[]) {
    this.nest = nest;
    this.values = new Values(nest);
    this.#dtypes = args.map(({ dtype }) => dtype);
    this.#written = new Set(args.flatMap(({ access }, arg) => (access === "read" ? [] : [arg])));
    this.#base = argumentTable;
    const use = (scalar: Scalar): void => void this.#uses.set(scalar, (this.#uses.get(scalar) ?? 0) + 1);
    roots.forEach(use);
    for (const scalar of scalarOrder(roots)) {
      operandsOf(scalar).forEach(use);
      const adds = (scalar.op === "add" || scalar.op === "sub") && scalar.dtype === "float32";
      if (adds) scalar.sources.forEach((source) => this.#addends.add(source));
    }
  }

  /** The lanes of `root` at `place`. The expressions may be used once; hold them to use them again. */
  value(root: Scalar, place: Place): Value {
    for (const scalar of unknown(root, place)) {
      if (scalar.op === "result") {
        place.values.set(scalar, place.values.get(scalar.stage)!);
      } else if (this.#everywhereEqual(scalar, place)) {
        const key = scalar;
        const depth = (value: Value): number => Math.max(...value.map((part) => this.nest.depthOf(part)));
        place.values.set(scalar, this.nest.once(key, () => this.values.hold(this.#compute(scalar, place)), depth));
      } else {
        const value = this.#compute(scalar, place);
        place.values.set(scalar, this.#kept(scalar, value));
      }
    }
    return place.values.get(root)!;
  }

  /** `value` in a local, where it is used again, must not move, or is that of an outer loop. */
  #kept(scalar: Scalar, value: Value): Value {
    const shared = (this.#uses.get(scalar) ?? 0) > 1;
    // A product on its way into a sum costs nothing there, and is rounded the same whatever the loops around it and
    // whether the kernel overwrites its operands (which are locals then).
    if (!shared && scalar.op === "mul" && this.#addends.has(scalar)) return value;
    if (this.#changes(scalar)) return value.map((part) => this.nest.here(part));
    const outer = value.some((part) => this.nest.depthOf(part) < this.nest.depth);
    return shared || outer ? this.values.hold(value) : value;
  }

  /** Whether `scalar` depends on memory that the kernel writes, so that only its value at this point counts. */
  #changes(scalar: Scalar): boolean {
    let known = this.#changing.get(scalar);
    if (known === undefined) {
      known = (scalar.op === "load" && this.#written.has(scalar.arg)) || operandsOf(scalar).some((operand) => this.#changes(operand));
      this.#changing.set(scalar, known);
    }
    return known;
  }

  /** Whether the value of `scalar` differs between lanes. */
  varies(scalar: Scalar, place: Place): boolean {
    const { moves, takesResult } = this.#facts(scalar, place.lane);
    return moves || (takesResult && place.resultsVary === true);
  }

  /** Writes the active lanes of `value` to args[arg][at]. */
  store(arg: number, at: Affine, value: Value, place: Place): void {
    const dtype = this.#dtypes[arg]!;
    const bytes = bytesOf(dtype);
    const stride = place.lane < 0 ? 0 : at.strides[place.lane]!;
    const { address, offset } = this.#address(arg, at, place, true);
    const write = (effect: Effect): void => this.nest.do(effect);
    if (place.active === 4 && stride === 1) {
      if (bytes === 1) return write(v128.store32_lane(address, pack(dtype, value[0]!, this.nest), 0, offset));
      if (bytes === 2) return write(v128.store64_lane(address, packHalves(value[0]!, this.nest), 0, offset));
      if (value.length === 1) return write(v128.store(address, value[0]!, offset));
      const base = this.nest.here(address);
      value.forEach((part, i) => write(v128.store(base, part, offset + 16 * i)));
      return;
    }
    const lanes = stride === 0 ? 1 : place.active;
    const base = lanes === 1 ? address : this.nest.here(address);
    const parts = lanes === 1 ? value : value.map((part) => this.nest.here(part));
    const packed = bytes === 1 ? pack(dtype, parts[0]!, this.nest) : undefined;
    const bytesPart = packed && (lanes === 1 ? packed : this.nest.here(packed));
    for (let lane = 0; lane < lanes; lane++) {
      const step = lane * stride * bytes;
      const target = step < 0 ? plus(base, step) : base;
      const shift = offset + Math.max(step, 0);
      if (bytes === 8) write(v128.store64_lane(target, parts[lane >> 1]!, lane & 1, shift));
      else if (bytesPart) write(v128.store8_lane(target, bytesPart, lane, shift));
      else if (bytes === 2) write(v128.store16_lane(target, parts[0]!, 2 * lane, shift));
      else write(v128.store32_lane(target, parts[0]!, lane, shift));
    }
  }

  /** offset + Σ strides·index as an i32, the terms of outer loops summed outside. */
  integerAt(at: Affine, place: Place): Integer {
    return this.#sum(integer(0), "", at, 1, place, place.shift);
  }

  /** Address of the first element of an argument. */
  baseOf(arg: number): Integer {
    return this.nest.once(`argument ${arg}`, () => this.nest.hold(i32.load(this.#base, 4 * arg)), () => 0);
  }

  #everywhereEqual(scalar: Scalar, place: Place): boolean {
    const { moves, takesResult, placed } = this.#facts(scalar, place.lane);
    return !moves && !takesResult && !placed;
  }

  #facts(scalar: Scalar, lane: number): Facts {
    let known = this.#known.get(lane);
    if (!known) this.#known.set(lane, (known = new Map()));
    let facts = known.get(scalar);
    if (!facts) {
      const moving = ({ strides }: Affine): boolean => lane >= 0 && strides[lane] !== 0;
      const guards = scalar.op === "load" ? (scalar.valid ?? []) : [];
      const below = operandsOf(scalar).map((operand) => this.#facts(operand, lane));
      const own =
        scalar.op === "index" || scalar.op === "load" ? moving(scalar.at) || guards.some(moving)
        : scalar.op === "valid" && scalar.conditions.some(moving);
      facts = {
        moves: own || below.some(({ moves }) => moves),
        takesResult: scalar.op === "result" || below.some(({ takesResult }) => takesResult),
        placed: guards.length > 0 || (scalar.op === "load" && this.#written.has(scalar.arg)) || below.some(({ placed }) => placed),
      };
      known.set(scalar, facts);
    }
    return facts;
  }

  #compute(scalar: Scalar, place: Place): Value {
    switch (scalar.op) {
      case "const":
        return this.values.constant(scalar.dtype, scalar.value);
      case "index":
        return [this.#progression(scalar.at, place)];
      case "valid":
        return [this.#mask(scalar.conditions, place)];
      case "load":
        return this.#load(scalar, place);
      case "result":
        return place.values.get(scalar.stage)!;
      default:
        return this.#operation(scalar, place);
    }
  }

  #operation(scalar: Extract<Scalar, { readonly sources: readonly Scalar[] }>, place: Place): Value {
    const { op, dtype, sources } = scalar;
    const from = sources[op === "where" ? 1 : 0]!.dtype;
    const plain = from === "float32" && simple.has(op);
    const operands = sources.map((source) => {
      const value = place.values.get(source)!;
      return plain ? value : this.values.hold(value);
    });
    if (dtype === "float32") {
      const [a, b] = operands as unknown as readonly [Value, Value];
      const product = (value: Value): readonly Value[] | undefined =>
        this.nest.fma && value[0]!.name === "f32x4.mul" ? value[0]!.sources.map((part) => [part as Vector]) : undefined;
      if (op === "add" || op === "sub") {
        const right = product(b);
        if (right) return this.values.multiplyAdd(right[0]!, right[1]!, a, op === "sub");
        const left = op === "add" ? product(a) : undefined;
        if (left) return this.values.multiplyAdd(left[0]!, left[1]!, b, false);
      }
      // pmax(x, c) keeps a NaN of its first operand and costs one instruction where max costs seven.
      const limit = sources.findIndex((source) => source.op === "const" && !Number.isNaN(source.value));
      if ((op === "max" || op === "min") && limit >= 0) {
        return [(op === "max" ? f32x4.pmax : f32x4.pmin)(operands[1 - limit]![0]!, operands[limit]![0]!)];
      }
    }
    return this.values.operation(op, dtype, from, operands);
  }

  /** An affine function of the lanes as i32x4. */
  #progression(at: Affine, place: Place): Vector {
    const first = i32x4.splat(this.integerAt(at, place));
    const stride = place.lane < 0 ? 0 : at.strides[place.lane]!;
    return stride === 0 ? first : i32x4.add(first, this.nest.hold(i32x4.const(0, stride, 2 * stride, 3 * stride)));
  }

  #mask(conditions: readonly Condition[], place: Place): Vector {
    const [first, ...rest] = conditions.map((condition) =>
      // One unsigned comparison: a negative value is a large one.
      i32x4.lt_u(this.#progression(condition, place), this.nest.hold(i32x4.const(condition.below))),
    );
    return rest.reduce((all, mask) => v128.and(all, mask), first ?? this.nest.hold(i32x4.const(-1)));
  }

  #load(load: Load, place: Place): Value {
    const { dtype, at, valid = [], indirect = [] } = load;
    const guarded = valid.length > 0;
    const stride = place.lane < 0 ? 0 : at.strides[place.lane]!;
    let { address, offset } = this.#address(load.arg, at, place, !guarded);
    const scattered: Vector[] = [];
    for (const step of indirect) {
      const moves = this.nest.hold(this.#indirectBytes(step, bytesOf(dtype), place));
      if (this.varies(step.index, place)) scattered.push(moves);
      else address = i32.add(address, this.nest.hold(i32x4.extract_lane(moves, 0)));
    }
    const moves = scattered.length > 0 ? this.nest.hold(scattered.reduce((a, b) => i32x4.add(a, b))) : undefined;
    const reader: Reader = { dtype, address, offset, stride, moves, active: place.active, nest: this.nest };
    if (!guarded) return this.#decode(dtype, readAll(reader));
    return this.#guardedLoad(load, valid, reader, place);
  }

  /** Reads only where the conditions hold: all lanes at once where they hold for the first and the last. */
  #guardedLoad(load: Load, valid: readonly Condition[], reader: Reader, place: Place): Value {
    const { nest } = this;
    const held: Reader = { ...reader, address: nest.here(reader.address) };
    const parts = this.values.constant(load.dtype, load.fill ?? 0).map((part) => nest.here(rawFill(load.dtype, part, nest)));
    const moving = valid.filter(({ strides }) => place.lane >= 0 && strides[place.lane] !== 0);
    const test = (conditions: readonly Condition[], lane: number): Integer => {
      const tests = conditions.map((condition) => {
        const stride = place.lane < 0 ? 0 : condition.strides[place.lane]!;
        return i32.lt_u(plus(this.integerAt(condition, place), lane * stride), integer(condition.below));
      });
      return tests.length === 0 ? integer(1) : tests.reduce((a, b) => i32.and(a, b));
    };
    const still = nest.here(test(valid.filter((condition) => !moving.includes(condition)), 0));
    const whole = nest.here(moving.length === 0 ? still : i32.and(still, i32.and(test(moving, 0), test(moving, place.active - 1))));
    nest.when(whole, () => readAll(held).forEach((part, i) => nest.set(parts[i]!, part)));
    if (moving.length > 0) {
      nest.when(i32.and(still, i32.eqz(whole)), () => {
        for (let lane = 0; lane < place.active; lane++) {
          nest.when(test(moving, lane), () => {
            const part = parts.length === 2 ? lane >> 1 : 0;
            nest.set(parts[part]!, readLane(held, parts[part]!, lane));
          });
        }
      });
    }
    return this.#decode(load.dtype, parts);
  }

  /** Loaded integers as values: bool becomes a mask. */
  #decode(dtype: DType, parts: readonly Vector[]): Value {
    return dtype === "bool" ? [i32x4.ne(parts[0]!, this.nest.hold(i32x4.const(0)))] : parts;
  }

  /** clamp(index, 0, size - 1)·stride in bytes, per lane. */
  #indirectBytes({ index, size, stride }: Indirect, bytes: number, place: Place): Vector {
    const value = this.value(index, place)[0]!;
    const last = this.nest.hold(i32x4.const(Math.max(size - 1, 0)));
    const inside = index.dtype === "uint32"
      ? i32x4.min_u(value, last)
      : i32x4.min_s(i32x4.max_s(value, this.nest.hold(i32x4.const(0))), last);
    return i32x4.mul(inside, this.nest.hold(i32x4.const(stride * bytes)));
  }

  /** Address of lane 0 and an offset for the instruction, which must not be used where the address may be outside. */
  #address(arg: number, at: Affine, place: Place, inside: boolean): { address: Integer; offset: number } {
    const bytes = bytesOf(this.#dtypes[arg]!);
    const move = place.lane < 0 ? 0 : place.shift * at.strides[place.lane]! * bytes;
    const offset = inside && move > 0 ? move : 0;
    return { address: this.#sum(this.baseOf(arg), `${arg}`, at, bytes, place, offset === 0 ? place.shift : 0), offset };
  }

  /** base + factor·(offset + Σ strides·index), the terms of outer loops summed outside. */
  #sum(base: Integer, name: string, at: Affine, factor: number, place: Place, shift: number): Integer {
    let constant = at.offset + (place.lane < 0 ? 0 : shift * at.strides[place.lane]!);
    const terms: { index: Integer; stride: number; depth: number }[] = [];
    place.index.forEach((index, axis) => {
      const stride = at.strides[axis]!;
      if (stride === 0) return;
      const known = knownInteger(index);
      if (known !== undefined) constant += known * stride;
      else terms.push({ index, stride, depth: this.nest.depthOf(index) });
    });
    terms.sort((a, b) => a.depth - b.depth);
    let key = `sum ${name} ${factor} ${constant}`;
    const depth = (value: Integer): number => this.nest.depthOf(value);
    const heldOnce = (of: string, make: () => Integer): Integer =>
      this.nest.once(of, () => (knownInteger(make()) === undefined ? this.nest.hold(make()) : make()), depth);
    let sum = heldOnce(key, () => plus(base, constant * factor));
    for (const { index, stride } of terms) {
      const label = index instanceof Local ? index.index : -1;
      const scaled = heldOnce(`scaled ${label} ${stride * factor}`, () => times(index, stride * factor));
      key += ` ${label}*${stride}`;
      const before = sum;
      sum = heldOnce(key, () => plus(before, scaled));
    }
    return sum;
  }
}

/** What has to be computed for `root`, operands first: nothing below a value that is known. Iterative, as chains are long. */
function unknown(root: Scalar, place: Place): Scalar[] {
  const order: Scalar[] = [];
  const seen = new Set<Scalar>();
  const stack: { scalar: Scalar; ready: boolean }[] = [{ scalar: root, ready: false }];
  for (let top = stack.pop(); top; top = stack.pop()) {
    if (top.ready) {
      order.push(top.scalar);
    } else if (!seen.has(top.scalar) && !place.values.has(top.scalar)) {
      seen.add(top.scalar);
      stack.push({ scalar: top.scalar, ready: true });
      for (const operand of operandsOf(top.scalar)) stack.push({ scalar: operand, ready: false });
    }
  }
  return order;
}

/** Operations on float32 that use each operand once. */
const simple: ReadonlySet<string> = new Set([
  "neg", "sqrt", "floor", "round", "abs", "add", "sub", "mul", "div", "max", "min", "less", "lessEqual", "equal", "where",
]);

/** How the lanes of a load lie. */
interface Reader {
  readonly dtype: DType;
  readonly address: Integer;
  readonly offset: number;
  /** Elements from lane to lane. */
  readonly stride: number;
  /** Further bytes per lane. */
  readonly moves: Vector | undefined;
  readonly active: number;
  readonly nest: Nest;
}

/** All lanes: as one vector, as one element repeated, or one by one. Bytes come as 0..255, halves with their sign extended, in i32x4. */
function readAll(reader: Reader): Vector[] {
  const { dtype, address, offset, stride, moves, active, nest } = reader;
  const bytes = bytesOf(dtype);
  if (!moves && (stride === 0 || active === 1)) {
    if (bytes === 1) return [i32x4.splat(i32.load8_u(address, offset))];
    if (bytes === 2) return [i32x4.splat(i32.load16_s(address, offset))];
    if (bytes === 4) return [v128.load32_splat(address, offset)];
    const part = nest.here(v128.load64_splat(address, offset));
    return [part, part];
  }
  if (!moves && stride === 1) {
    if (bytes === 1) return [widen(v128.load32_zero(address, offset))];
    if (bytes === 2) return [v128.load16x4_s(address, offset)];
    if (bytes === 4) return [v128.load(address, offset)];
    const base = nest.here(address);
    return [v128.load(base, offset), v128.load(base, offset + 16)];
  }
  if (!moves && stride === -1 && bytes === 4 && active === 4) {
    const last = v128.load(plus(address, -12), offset);
    return [i32x4.shuffle(last, nest.hold(i32x4.const(0)), [3, 2, 1, 0])];
  }
  const held: Reader = { ...reader, address: nest.here(address) };
  const zero = nest.hold(i32x4.const(0));
  const parts: Vector[] = bytes === 8 ? [zero, zero] : [zero];
  for (let lane = 0; lane < active; lane++) {
    const part = bytes === 8 ? lane >> 1 : 0;
    parts[part] = readLane(held, parts[part]!, lane);
  }
  return parts;
}

/** `into` with one lane read from memory. */
function readLane({ dtype, address, offset, stride, moves }: Reader, into: Vector, lane: number): Vector {
  const bytes = bytesOf(dtype);
  const step = lane * stride * bytes;
  const moved = moves ? i32.add(address, i32x4.extract_lane(moves, lane)) : address;
  // A lane's own address is inside, so that the step may not hide in the instruction's offset.
  const at = step === 0 ? moved : plus(moved, step);
  if (bytes === 1) return i32x4.replace_lane(into, i32.load8_u(at, offset), lane);
  if (bytes === 2) return i32x4.replace_lane(into, i32.load16_s(at, offset), lane);
  if (bytes === 4) return v128.load32_lane(at, into, lane, offset);
  return v128.load64_lane(at, into, lane & 1, offset);
}

/** The fill of a guarded load in the form in which memory is read. */
const rawFill = (dtype: DType, part: Vector, nest: Nest): Vector =>
  dtype === "bool" ? v128.and(part, nest.hold(i32x4.const(1))) : part;

/** Four bytes in the lowest lane as i32x4. */
const widen = (x: Vector): Vector => i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(x));

/** The low half of every lane in the lower half of the vector. */
const packHalves = (value: Vector, nest: Nest): Vector =>
  i8x16.shuffle(value, nest.hold(i32x4.const(0)), [0, 1, 4, 5, 8, 9, 12, 13, 16, 16, 16, 16, 16, 16, 16, 16]);

/** The low byte of every lane in the lowest lane; masks become 0 and 1. */
function pack(dtype: DType, value: Vector, nest: Nest): Vector {
  const bits = dtype === "bool" ? v128.and(value, nest.hold(i32x4.const(1))) : value;
  return i8x16.shuffle(bits, nest.hold(i32x4.const(0)), [0, 4, 8, 12, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16]);
}
