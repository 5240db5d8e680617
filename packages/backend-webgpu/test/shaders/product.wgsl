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
  let place = at;
  let m0 = i32(place);
  let k0 = i32(step);
  let v0 = b0[m0 * 48 + k0];
  return v0;
}
var<workgroup> tile_lhs: array<f32, 544>;
fn rhs(batch: u32, at: u32, step: u32) -> f32 {
  let place = min(at, 39u);
  let n0 = i32(place);
  let k0 = i32(step);
  let v1 = b1[n0 + k0 * 40];
  return v1;
}
var<workgroup> tile_rhs: array<f32, 544>;
fn put(batch: u32, slow: u32, fast: u32, product: f32) {
  if (fast >= 40u) { return; }
  let m0 = i32(slow);
  let n0 = i32(fast);
  let v2 = max_f32(product, 0f);
  b2[m0 * 40 + n0] = v2;
}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = group_id.x;
  let batch = group / 12u;
  let m_start = (group / 3u) % 4u * 16u;
  let n_start = group % 3u * 16u;
  let first = 0u;
  let last = 48u;
  let fast_lane = lane % 16u;
  let slow_lane = lane / 16u;
  var sum_0_0 = f32();
  var page = 0u;
  for (var start = first; start < last + 16u; start += 16u) {
    if (start > first) {
      for (var step = 0u; step < 16u; step += 4u) {
        let slow_at = page * 272u + step * 17u + slow_lane;
        let fast_at = page * 272u + step * 17u + fast_lane;
        let slow_0_0 = tile_lhs[slow_at];
        let fast_0_0 = tile_rhs[fast_at];
        sum_0_0 = fma(slow_0_0, fast_0_0, sum_0_0);
        let slow_1_0 = tile_lhs[slow_at + 17u];
        let fast_1_0 = tile_rhs[fast_at + 17u];
        sum_0_0 = fma(slow_1_0, fast_1_0, sum_0_0);
        let slow_2_0 = tile_lhs[slow_at + 34u];
        let fast_2_0 = tile_rhs[fast_at + 34u];
        sum_0_0 = fma(slow_2_0, fast_2_0, sum_0_0);
        let slow_3_0 = tile_lhs[slow_at + 51u];
        let fast_3_0 = tile_rhs[fast_at + 51u];
        sum_0_0 = fma(slow_3_0, fast_3_0, sum_0_0);
      }
    }
    page = 1u - page;
    if (start < last) {
      for (var e = lane; e < 256u; e += 256u) {
        let at = e / 16u;
        let step = e % 16u;
        tile_lhs[page * 272u + step * 17u + at] = lhs(batch, m_start + at, start + step);
      }
      for (var e = lane; e < 256u; e += 256u) {
        let at = e % 16u;
        let step = e / 16u;
        tile_rhs[page * 272u + step * 17u + at] = rhs(batch, n_start + at, start + step);
      }
    }
    workgroupBarrier();
  }
  put(batch, m_start + slow_lane + 0u, n_start + fast_lane + 0u, sum_0_0);
}
