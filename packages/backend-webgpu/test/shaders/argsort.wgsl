// argsort [5, 7, 1]: 1 workgroups
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read_write> b1: array<i32>;
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn less_f32(x: f32, y: f32) -> bool { return x < y && !is_nan(x) && !is_nan(y); }
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = group_id.x;
  let element = group * 256u + lane;
  if (element >= 35u) { return; }
  let i0 = i32(element / 7u);
  let i1 = i32(element % 7u);
  let base = i0 * 7 + 0;
  let start = i1 / 4096 * 4096;
  let mine = b0[base + (i1) * 1];
  var rank = start;
  for (var step = start; step < min(start + 4096, 7); step++) {
    let other = b0[base + (step) * 1];
    if (((!is_nan(other) && is_nan(mine)) || less_f32(other, mine)) || (step < i1 && !((!is_nan(mine) && is_nan(other)) || less_f32(mine, other)))) { rank++; }
  }
  b1[base + (rank) * 1] = i1;
}
