// contract [] [64] [40] [48]: 12 workgroups
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read> b1: array<f32>;
@group(0) @binding(2) var<storage, read_write> b2: array<f32>;
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn max_f32(x: f32, y: f32) -> f32 {
  if (is_nan(x) || x > y) { return x; }
  return select(y, bitcast<f32>(bitcast<u32>(x) & bitcast<u32>(y)), x == y && !is_nan(y));
}
fn lhs(batch: u32, at: u32, step: u32) -> f32 {
  let m0 = i32(at);
  let k0 = i32(step);
  let v0 = b0[m0 * 48 + k0];
  return v0;
}
fn rhs(batch: u32, at: u32, step: u32) -> f32 {
  let n0 = i32(at);
  let k0 = i32(step);
  let v1 = b1[n0 + k0 * 40];
  return v1;
}
fn put(batch: u32, m: u32, n: u32, product: f32) {
  if (m >= 64u || n >= 40u) { return; }
  let m0 = i32(m);
  let n0 = i32(n);
  let v2 = max_f32(product, 0f);
  b2[m0 * 40 + n0] = v2;
}
var<workgroup> tile_lhs: array<f32, 272>;
var<workgroup> tile_rhs: array<f32, 272>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = group_id.x;
  let batch = group / 12u;
  let m_start = (group / 3u) % 4u * 16u;
  let n_start = group % 3u * 16u;
  var sum_0_0 = f32(0);
  for (var start = 0u; start < 48u; start += 16u) {
    for (var e = lane; e < 256u; e += 256u) {
      let at = e / 16u;
      let step = e % 16u;
      var value = f32(0);
      if (m_start + at < 64u && start + step < 48u) { value = lhs(batch, m_start + at, start + step); }
      tile_lhs[step * 17u + at] = value;
    }
    for (var e = lane; e < 256u; e += 256u) {
      let at = e % 16u;
      let step = e / 16u;
      var value = f32(0);
      if (n_start + at < 40u && start + step < 48u) { value = rhs(batch, n_start + at, start + step); }
      tile_rhs[step * 17u + at] = value;
    }
    workgroupBarrier();
    for (var step = 0u; step < 16u; step++) {
      let l0 = tile_lhs[step * 17u + (lane / 16u) * 1u + 0u];
      let r0 = tile_rhs[step * 17u + (lane % 16u) + 0u];
      sum_0_0 = fma(l0, r0, sum_0_0);
    }
    workgroupBarrier();
  }
  var sums = array<f32, 1>(sum_0_0);
  for (var r = 0u; r < 1u; r++) {
    let i = r / 1u;
    let j = r % 1u;
    put(batch, m_start + (lane / 16u) * 1u + i, n_start + (lane % 16u) + 16u * j, sums[r]);
  }
}
