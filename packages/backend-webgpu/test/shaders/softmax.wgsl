// loop [5] [67]: max, sum, sub, exp, div: 1 workgroups
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32>;
var<private> opaque_zero: u32;
/** x, about which a compiler knows nothing. */
fn opaque(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) | opaque_zero); }
fn infinity() -> f32 { return bitcast<f32>(0x7f800000u | opaque_zero); }
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn max_f32(x: f32, y: f32) -> f32 {
  if (is_nan(x) || x > y) { return x; }
  return select(y, bitcast<f32>(bitcast<u32>(x) & bitcast<u32>(y)), x == y && !is_nan(y));
}
/** e^r - 1 for |r| at most log(2)/2. */
fn exp_tail(r: f32) -> f32 { return fma(r * r, fma(fma(fma(fma(0.0013811702374368906f, r, 0.00837013404816389f), r, 0.04166852682828903f), r, 0.16666509211063385f), r, 0.4999999403953552f), r); }
/** x - n·log 2, the first factor short enough that its product is exact. */
fn exp_fraction(x: f32, n: f32) -> f32 { return fma(n, 0.00021219444f, fma(n, -0.693359375f, x)); }
/** 2^n where that is a normal number. */
fn power_of_two(n: i32) -> f32 { return bitcast<f32>(u32(n + 127) << 23u); }
fn exp_f32(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let bounded = clamp(x, -104.0f, 89.0f);
  let n = round(bounded * 1.4426950408889634f);
  let first = i32(n) >> 1u;
  let value = 1.0f + exp_tail(exp_fraction(bounded, n));
  return value * power_of_two(first) * power_of_two(i32(n) - first);
}
var<workgroup> shared_f32: array<f32, 256>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = group_id.x;
  opaque_zero = group_id.z;
  let row = group * 16u + lane / 16u;
  let member = lane % 16u;
  let inside = row < 5u;
  let i0 = i32(row);
  var value0 = -infinity();
  for (var position = member; position < select(0u, 67u, inside); position += 16u) {
    let j0 = i32(position);
    let v0 = b0[i0 * 67 + j0];
    value0 = max_f32(value0, v0);
  }
  shared_f32[lane] = value0;
  workgroupBarrier();
  for (var half = 8u; half > 0u; half /= 2u) {
    if (member < half) {
      shared_f32[lane] = max_f32(shared_f32[lane], shared_f32[lane + half]);
    }
    workgroupBarrier();
  }
  value0 = shared_f32[lane - member];
  workgroupBarrier();
  let result0 = value0;
  var value1 = 0f;
  for (var position = member; position < select(0u, 67u, inside); position += 16u) {
    let j0 = i32(position);
    let v1 = b0[i0 * 67 + j0];
    let v2 = v1 - result0;
    let v3 = exp_f32(v2);
    value1 = value1 + v3;
  }
  shared_f32[lane] = value1;
  workgroupBarrier();
  for (var half = 8u; half > 0u; half /= 2u) {
    if (member < half) {
      shared_f32[lane] = shared_f32[lane] + shared_f32[lane + half];
    }
    workgroupBarrier();
  }
  value1 = shared_f32[lane - member];
  workgroupBarrier();
  let result1 = value1;
  for (var position = member; position < select(0u, 67u, inside); position += 16u) {
    let j0 = i32(position);
    let v4 = b0[i0 * 67 + j0];
    let v5 = v4 - result0;
    let v6 = exp_f32(v5);
    let v7 = v6 / result1;
    b1[i0 * 67 + j0] = v7;
  }
}
