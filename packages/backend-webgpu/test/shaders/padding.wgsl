// loop [9] []: copy: 1 workgroups
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read_write> b1: array<f32>;
var<private> opaque_zero: u32;
/** x, about which a compiler knows nothing. */
fn opaque(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) | opaque_zero); }
fn infinity() -> f32 { return bitcast<f32>(0x7f800000u | opaque_zero); }
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = group_id.x;
  opaque_zero = group_id.z;
  let row = group * 256u + lane;
  let inside = row < 9u;
  if (!inside) { return; }
  let i0 = i32(row);
  {
    var v0 = -infinity();
    if (u32(i0 - 2) < 5u) { v0 = b0[i0 - 2]; }
    b1[i0] = v0;
  }
}
