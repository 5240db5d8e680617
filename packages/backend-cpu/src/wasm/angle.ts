/**
 * Sine and cosine: the reduction of an angle to [-π/4, π/4] and a quadrant, then the polynomials of math.ts. Both
 * widths reduce in float64, so a float32 angle keeps all of its digits.
 */
import { f32x4, f64x2, i32x4 } from "./encoder.ts";
import { Lanes } from "./math.ts";
import type { MathContext, Vector } from "./math.ts";

/** π/2 as a sum: two parts of 33 bits, so that multiples up to 2^20 are exact, and the rest. */
const halfPi = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21] as const;
const magic = 1.5 * 2 ** 52;

/** angle and quadrant with x = angle + quadrant·π/2; the quadrant is in the low bits of each 64-bit lane. */
function reduce(lanes: Lanes, x: Vector): { angle: Vector; quadrant: Vector } {
  const quadrant = lanes.hold(lanes.madd(x, lanes.constant(2 / Math.PI), lanes.constant(magic)));
  const turns = lanes.hold(f64x2.sub(quadrant, lanes.constant(magic)));
  const angle = halfPi.reduce<Vector>((rest, part) => lanes.nmadd(turns, lanes.constant(part), rest), x);
  return { angle: lanes.hold(angle), quadrant };
}

/** Sine (turn 0) or cosine (turn 1) of float32 lanes. */
export function sine32(context: MathContext, x: Vector, turn: 0 | 1): Vector {
  const wide = new Lanes(context, 64);
  const narrow = new Lanes(context, 32);
  const held = narrow.hold(x);
  const low = reduce(wide, wide.hold(f64x2.promote_low_f32x4(held)));
  const high = reduce(wide, wide.hold(f64x2.promote_low_f32x4(i32x4.shuffle(held, held, [2, 3, 2, 3]))));
  const angle = narrow.hold(i32x4.shuffle(f32x4.demote_f64x2_zero(low.angle), f32x4.demote_f64x2_zero(high.angle), [0, 1, 4, 5]));
  const quadrant = i32x4.shuffle(low.quadrant, high.quadrant, [0, 2, 4, 6]);
  return keepZero(narrow, held, narrow.sinOfReduced(angle, quadrant, turn), turn);
}

/** Sine (turn 0) or cosine (turn 1) of float64 lanes. */
export function sine64(context: MathContext, x: Vector, turn: 0 | 1): Vector {
  const lanes = new Lanes(context, 64);
  const held = lanes.hold(x);
  const { angle, quadrant } = reduce(lanes, held);
  return keepZero(lanes, held, lanes.sinOfReduced(angle, quadrant, turn), turn);
}

/** sin(-0) is -0. */
const keepZero = (lanes: Lanes, x: Vector, result: Vector, turn: 0 | 1): Vector =>
  turn === 1 ? result : lanes.select(lanes.float.eq(x, lanes.constant(0)), x, result);
