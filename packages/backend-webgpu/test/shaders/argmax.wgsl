// loop [5] [7]: argmax: 1 workgroups
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read_write> b1: array<i32>;
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
var<workgroup> shared_f32: array<f32, 256>;
var<workgroup> positions: array<i32, 256>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = group_id.x;
  let row = group * 256u + lane;
  let inside = row < 5u;
  if (!inside) { return; }
  let i0 = i32(row);
  var value0 = 0f;
  var at0 = -1;
  for (var position = 0u; position < 7u; position += 1u) {
    let j0 = i32(position);
    let v0 = b0[i0 * 7 + j0];
    if (at0 < 0 || (!is_nan(value0) && (is_nan(v0) || v0 > value0))) { value0 = v0; at0 = i32(position); }
  }
  let result0 = max(at0, 0);
  {
    b1[i0] = result0;
  }
}
