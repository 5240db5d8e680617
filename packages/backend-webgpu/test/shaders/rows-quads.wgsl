// loop [100] [1024]: sum, mul, div: 50 workgroups
enable subgroups;
diagnostic(off, subgroup_uniformity);
@group(0) @binding(0) var<storage, read> b0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> b1: array<vec4<f32>>;
fn load_quad_float32_0(at: i32) -> vec4<f32> { return b0[u32(at) >> 2u]; }
fn store_quad_float32_1(at: i32, value: vec4<f32>) { b1[u32(at) >> 2u] = value; }
var<workgroup> shared_f32: array<f32, 256>;
fn element3(x1: f32) -> f32 {
  let v2 = x1 * x1;
  return v2;
}
fn element9(x6: f32, x7: f32) -> f32 {
  let v8 = x6 / x7;
  return v8;
}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_size) subgroup_size: u32) {
  let group = group_id.x;
  let row = group * 2u + lane / 128u;
  let member = lane % 128u;
  let inside = row < 100u;
  let i0 = i32(row);
  var value0 = 0f;
  for (var position = member * 4u; position < select(0u, 1024u, inside); position += 512u) {
    let j0 = i32(position);
    let four0 = load_quad_float32_0(i0 * 1024 + j0);
    let four4 = vec4<f32>(element3(four0[0]), element3(four0[1]), element3(four0[2]), element3(four0[3]));
    value0 = value0 + four4[0];
    value0 = value0 + four4[1];
    value0 = value0 + four4[2];
    value0 = value0 + four4[3];
  }
  for (var apart = 1u; apart < min(128u, subgroup_size); apart *= 2u) {
    let other_value0 = subgroupShuffleXor(value0, apart);
    value0 = value0 + other_value0;
  }
  if (lane % subgroup_size == 0u) {
    shared_f32[lane / subgroup_size] = value0;
  }
  workgroupBarrier();
  if (subgroup_size < 128u) {
    value0 = shared_f32[(lane - member) / subgroup_size];
    for (var next = (lane - member) / subgroup_size + 1u; next < (lane - member + 128u) / subgroup_size; next++) {
      value0 = value0 + shared_f32[next];
    }
  }
  workgroupBarrier();
  let result0 = value0;
  for (var position = member * 4u; position < select(0u, 1024u, inside); position += 512u) {
    let j0 = i32(position);
    let four5 = load_quad_float32_0(i0 * 1024 + j0);
    let four10 = vec4<f32>(element9(four5[0], result0), element9(four5[1], result0), element9(four5[2], result0), element9(four5[3], result0));
    store_quad_float32_1(i0 * 1024 + j0, four10);
  }
}
