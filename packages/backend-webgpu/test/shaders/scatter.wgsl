// scatter [4, 3]: 1 workgroups
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read> b1: array<i32>;
@group(0) @binding(2) var<storage, read_write> b2: array<f32>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = group_id.x;
  let place = group * 256u + lane;
  if (place >= 27u) { return; }
  let p0 = i32(place / 3u);
  let p1 = i32(place % 3u);
  var sum = 0f;
  for (var step = 0u; step < 4u; step++) {
    let s0 = i32(step);
    let v0 = b1[s0];
    if (v0 == p0) {
      let v1 = b0[s0 * 3 + p1];
      sum = sum + v1;
    }
  }
  b2[p1 + p0 * 3] = sum;
}
