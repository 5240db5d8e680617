// loop [5, 7] []: cast, less: 1 workgroups
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read> b1: array<u32>;
@group(0) @binding(2) var<storage, read_write> b2: array<u32>;
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn less_f32(x: f32, y: f32) -> bool { return x < y && !is_nan(x) && !is_nan(y); }
fn load_quad_uint8_1(at: i32) -> vec4<u32> { return ((vec4<u32>(b1[u32(at) >> 2u]) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u)); }
fn store_some_bool_2(at: i32, value: vec4<bool>, count: u32) {
  let mask = select(0xffffffffu, (1u << (8u * count)) - 1u, count < 4u);
  b2[u32(at) >> 2u] = (b2[u32(at) >> 2u] & ~mask) | (dot(vec4<u32>(value), vec4<u32>(1u, 256u, 65536u, 16777216u)) & mask);
}
fn element10(x6: u32, at0: i32, at1: i32) -> bool {
  let v7 = b0[at0 + at1 * 5];
  let v8 = f32(x6);
  let v9 = less_f32(v7, v8);
  return v9;
}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = group_id.x;
  let row0 = (group * 256u + lane) * 4u;
  if (row0 >= 35u) { return; }
  let i1_0 = i32(row0 / 7u);
  let i1_1 = i32(row0 % 7u);
  let i2_0 = i32((row0 + 1u) / 7u);
  let i2_1 = i32((row0 + 1u) % 7u);
  let i3_0 = i32((row0 + 2u) / 7u);
  let i3_1 = i32((row0 + 2u) % 7u);
  let i4_0 = i32((row0 + 3u) / 7u);
  let i4_1 = i32((row0 + 3u) % 7u);
  let four5 = load_quad_uint8_1(i32(row0));
  let four11 = vec4<bool>(element10(four5[0], i1_0, i1_1), element10(four5[1], i2_0, i2_1), element10(four5[2], i3_0, i3_1), element10(four5[3], i4_0, i4_1));
  store_some_bool_2(i32(row0), four11, 35u - row0);
}
