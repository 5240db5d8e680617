/**
 * Sine and cosine: the reduction of an angle to [-π/4, π/4] and a quadrant, then the polynomials of math.ts. Both
 * widths reduce in float64, so a float32 angle keeps all of its digits. Vectors with an angle beyond the reach of the
 * quick reduction leave it to `large-angle.ts`.
 */
import { choose, f32x4, f64x2, i32x4, i64x2, v128 } from "./encoder.ts";
import { largeAngle } from "./large-angle.ts";
import { Lanes } from "./math.ts";
import type { Vector } from "./math.ts";
import { type FunctionReference, type ModuleBuilder, call } from "./module.ts";
import { Nest } from "./nest.ts";

/** π/2 in parts of 33 bits, so that multiples up to 2^20 are exact, and the rest. */
const halfPi64 = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32];
/** No float32 below the limit comes nearer to a multiple of π/2 than 2^-29: the rest needs no third part. */
const halfPi32 = [1.5707963267341256, 6.077100506506192e-11];
/** Angles that turn less than 2^20 times, with room for the rounding of the quotient. */
const limit = 1.6e6;
const magic = 1.5 * 2 ** 52;

/** A remainder and a quadrant with x = angle + quadrant·π/2; the quadrant is in the low bits of each 64-bit lane. */
interface Reduced {
  readonly angle: Vector;
  readonly quadrant: Vector;
}

function reduce(lanes: Lanes, x: Vector, halfPi: readonly number[]): Reduced {
  const quadrant = lanes.hold(lanes.madd(x, lanes.constant(2 / Math.PI), lanes.constant(magic)));
  const turns = lanes.hold(f64x2.sub(quadrant, lanes.constant(magic)));
  const angle = halfPi.reduce<Vector>((rest, part) => lanes.nmadd(turns, lanes.constant(part), rest), x);
  return { angle: lanes.hold(angle), quadrant };
}

/** The same for large angles in both lanes. */
function reduceLarge(nest: Nest, x: Vector): Reduced {
  const one = largeAngle(nest.f.module);
  const [low, high] = ([0, 1] as const).map((lane) => nest.hold(call(one, f64x2.extract_lane(x, lane)))) as [Vector, Vector];
  return { angle: nest.hold(i64x2.shuffle(low, high, [0, 2])), quadrant: nest.hold(i64x2.shuffle(low, high, [1, 3])) };
}

/** The lower or upper two of four float32 lanes, as float64. */
const widened = (lanes: Lanes, x: Vector): [Vector, Vector] => [
  lanes.hold(f64x2.promote_low_f32x4(x)),
  lanes.hold(f64x2.promote_low_f32x4(i32x4.shuffle(x, x, [2, 3, 2, 3]))),
];

function joined(lanes: Lanes, low: Reduced, high: Reduced): Reduced {
  const [left, right] = [f32x4.demote_f64x2_zero(low.angle), f32x4.demote_f64x2_zero(high.angle)];
  return {
    angle: lanes.hold(i32x4.shuffle(left, right, [0, 1, 4, 5])),
    quadrant: i32x4.shuffle(low.quadrant, high.quadrant, [0, 2, 4, 6]),
  };
}

/** Sine (turn 0) or cosine (turn 1) of float32 lanes. */
export function sine32(nest: Nest, x: Vector, turn: 0 | 1): Vector {
  const wide = new Lanes(nest, 64);
  const narrow = new Lanes(nest, 32);
  const held = narrow.hold(x);
  const [low, high] = widened(wide, held);
  const { angle, quadrant } = joined(narrow, reduce(wide, low, halfPi32), reduce(wide, high, halfPi32));
  return guarded(nest, narrow, held, keepZero(narrow, held, narrow.sinOfReduced(angle, quadrant, turn), turn), turn);
}

/** Sine (turn 0) or cosine (turn 1) of float64 lanes. */
export function sine64(nest: Nest, x: Vector, turn: 0 | 1): Vector {
  const lanes = new Lanes(nest, 64);
  const held = lanes.hold(x);
  const { angle, quadrant } = reduce(lanes, held, halfPi64);
  return guarded(nest, lanes, held, keepZero(lanes, held, lanes.sinOfReduced(angle, quadrant, turn), turn), turn);
}

/** sin(-0) is -0. */
const keepZero = (lanes: Lanes, x: Vector, result: Vector, turn: 0 | 1): Vector =>
  turn === 1 ? result : lanes.select(lanes.float.eq(x, lanes.constant(0)), x, result);

/** `quick`, put right where any lane was too large for it. */
function guarded(nest: Nest, lanes: Lanes, x: Vector, quick: Vector, turn: 0 | 1): Vector {
  const held = nest.hold(quick);
  const isLarge = v128.any_true(lanes.float.gt(lanes.float.abs(x), lanes.constant(limit)));
  return nest.hold(choose(isLarge, call(sineOfLarge(nest.f.module, nest.fma, lanes.bits, turn), x, held), held));
}

/** A function of lanes of which some are large and of their sines as they would be if none were. */
function sineOfLarge(module: ModuleBuilder, fma: boolean, bits: 32 | 64, turn: 0 | 1): FunctionReference<"v128"> {
  const name = `${turn === 0 ? "sine" : "cosine"}OfLarge${bits}`;
  largeAngle(module);
  return module.shared(name, () =>
    module.function({ name, parameters: { x: "v128", quick: "v128" }, result: "v128" }, (f, { x, quick }) => {
      const nest = new Nest(f, fma);
      const lanes = new Lanes(nest, bits);
      const { abs, gt, lt } = lanes.float;
      const large = (part: Vector): Reduced => reduceLarge(nest, part);
      const { angle, quadrant } = bits === 64 ? large(x) : joined(lanes, ...(widened(new Lanes(nest, 64), x).map(large) as [Reduced, Reduced]));
      const size = lanes.hold(abs(x));
      // Of infinities and NaN the quick way makes NaN.
      const chosen = v128.and(gt(size, lanes.constant(limit)), lt(size, lanes.constant(Infinity)));
      const result = nest.hold(lanes.select(chosen, lanes.sinOfReduced(angle, quadrant, turn), quick));
      nest.finish();
      return result;
    }),
  );
}
