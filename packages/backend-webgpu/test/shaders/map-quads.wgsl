// loop [37, 24] []: cast, mul: 1 workgroups
enable f16;
@group(0) @binding(0) var<storage, read> b0: array<vec4<f16>>;
@group(0) @binding(1) var<storage, read> b1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> b2: array<vec4<f16>>;
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn with_sign(size: f32, x: f32) -> f32 {
  return bitcast<f32>((bitcast<u32>(size) & 0x7fffffffu) | (bitcast<u32>(x) & 0x80000000u));
}
/** The nearest number that float16 has, ties to even: what a conversion by itself does with them is open. */
fn round_half(x: f32) -> f32 {
  let size = bitcast<u32>(x) & 0x7fffffffu;
  if (is_nan(x)) { return x; }
  // Subnormal halves are multiples of 2^-24.
  if (size < 0x38800000u) { return with_sign(round(abs(x) * 16777216.0f) * 5.9604644775390625e-8f, x); }
  let rounded = (size + 0xfffu + ((size >> 13u) & 1u)) & 0xffffe000u;
  return with_sign(bitcast<f32>(select(rounded, 0x7f800000u, rounded >= 0x47800000u)), x);
}
fn load_quad_float16_0(at: i32) -> vec4<f32> { return vec4<f32>(b0[u32(at) >> 2u]); }
fn load_quad_float32_1(at: i32) -> vec4<f32> { return b1[u32(at) >> 2u]; }
fn store_quad_float16_2(at: i32, value: vec4<f32>) { b2[u32(at) >> 2u] = vec4<f16>(value); }
fn element9(x3: f32, x5: f32) -> f32 {
  let v6 = x3;
  let v7 = v6 * x5;
  let v8 = round_half(v7);
  return v8;
}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = group_id.x;
  let row0 = (group * 256u + lane) * 4u;
  if (row0 >= 888u) { return; }
  let i1_0 = i32(row0 / 24u);
  let i1_1 = i32(row0 % 24u);
  let four2 = load_quad_float16_0(i1_0 * 24 + i1_1);
  let four4 = load_quad_float32_1(i1_1);
  let four10 = vec4<f32>(element9(four2[0], four4[0]), element9(four2[1], four4[1]), element9(four2[2], four4[2]), element9(four2[3], four4[3]));
  store_quad_float16_2(i1_0 * 24 + i1_1, four10);
}
