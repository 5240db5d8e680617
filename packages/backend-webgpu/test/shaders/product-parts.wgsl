// contract [] [132] [72] [2051]: 72 workgroups
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read> b1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> b2: array<f32>;
@group(0) @binding(3) var<storage, read_write> scratch: array<vec4<f32>>;
fn load_quad_float32_1(at: i32) -> vec4<f32> { return b1[u32(at) >> 2u]; }
fn lhs_one(batch: u32, at: u32, step: u32) -> f32 {
  if (step >= 2051u) { return f32(); }
  let place = min(at, 131u);
  let m0 = i32(place);
  let k0 = i32(step);
  let v0 = b0[m0 * 2051 + k0];
  return v0;
}
fn lhs(batch: u32, at: u32, step: u32) -> vec4<f32> {
  return vec4<f32>(lhs_one(batch, at, step + 0u), lhs_one(batch, at, step + 1u), lhs_one(batch, at, step + 2u), lhs_one(batch, at, step + 3u));
}
var<workgroup> tile_lhs: array<vec4<f32>, 512>;
fn rhs(batch: u32, at: u32, step: u32) -> vec4<f32> {
  if (step >= 2051u) { return vec4<f32>(); }
  let place = min(at, 68u);
  let n0 = i32(place);
  let k0 = i32(step);
  let four1 = load_quad_float32_1(n0 + k0 * 72);
  return four1;
}
var<workgroup> tile_rhs: array<vec4<f32>, 256>;
fn put(batch: u32, slow: u32, fast: u32, product: vec4<f32>) {
  if (slow >= 132u || fast >= 72u) { return; }
  scratch[((batch * 132u + slow) * 72u + fast) / 4u] = product;
}
@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = group_id.x;
  let part = group / 9u;
  let batch = group / 9u % 1u;
  let m_start = (group / 3u) % 3u * 64u;
  let n_start = group % 3u * 32u;
  let first = part * 272u;
  let last = min(first + 272u, 2051u);
  let fast_lane = lane % 8u + lane / 32u % 1u * 8u;
  let slow_lane = lane / 8u % 4u + lane / 32u * 4u;
  var sum_0_0 = vec4<f32>();
  var sum_1_0 = vec4<f32>();
  var sum_2_0 = vec4<f32>();
  var sum_3_0 = vec4<f32>();
  var held_0 = vec4<f32>();
  var held_1 = vec4<f32>();
  var held_2 = vec4<f32>();
  var held_3 = vec4<f32>();
  var page = 0u;
  for (var start = first; start < last + 16u; start += 16u) {
    if (start < last) {
      {
        let taken = lane;
        if (taken < 64u) {
          let block = taken;
          let vector = (block / 2u) % 16u;
          let steps = 4u * (block % 2u + 2u * (block / 32u));
          held_0 = lhs(batch, m_start + vector * 4u + 0u, start + steps);
          held_1 = lhs(batch, m_start + vector * 4u + 1u, start + steps);
          held_2 = lhs(batch, m_start + vector * 4u + 2u, start + steps);
          held_3 = lhs(batch, m_start + vector * 4u + 3u, start + steps);
        }
        if (taken >= 64u && taken < 96u) {
          let block = taken - 64u;
          let vector = block % 8u;
          let steps = 4u * (block / 8u);
          held_0 = rhs(batch, n_start + vector * 4u, start + steps + 0u);
          held_1 = rhs(batch, n_start + vector * 4u, start + steps + 1u);
          held_2 = rhs(batch, n_start + vector * 4u, start + steps + 2u);
          held_3 = rhs(batch, n_start + vector * 4u, start + steps + 3u);
        }
      }
    }
    if (start > first) {
      for (var step = 0u; step < 16u; step += 4u) {
        let slow_at = page * 256u + step * 16u + (slow_lane ^ (step & 4u));
        let fast_at = page * 128u + step * 8u + (fast_lane ^ (step & 4u));
        let slow_0_0 = tile_lhs[slow_at];
        let fast_0_0 = tile_rhs[fast_at];
        sum_0_0 = fma(vec4<f32>(slow_0_0[0]), fast_0_0, sum_0_0);
        sum_1_0 = fma(vec4<f32>(slow_0_0[1]), fast_0_0, sum_1_0);
        sum_2_0 = fma(vec4<f32>(slow_0_0[2]), fast_0_0, sum_2_0);
        sum_3_0 = fma(vec4<f32>(slow_0_0[3]), fast_0_0, sum_3_0);
        let slow_1_0 = tile_lhs[slow_at + 16u];
        let fast_1_0 = tile_rhs[fast_at + 8u];
        sum_0_0 = fma(vec4<f32>(slow_1_0[0]), fast_1_0, sum_0_0);
        sum_1_0 = fma(vec4<f32>(slow_1_0[1]), fast_1_0, sum_1_0);
        sum_2_0 = fma(vec4<f32>(slow_1_0[2]), fast_1_0, sum_2_0);
        sum_3_0 = fma(vec4<f32>(slow_1_0[3]), fast_1_0, sum_3_0);
        let slow_2_0 = tile_lhs[slow_at + 32u];
        let fast_2_0 = tile_rhs[fast_at + 16u];
        sum_0_0 = fma(vec4<f32>(slow_2_0[0]), fast_2_0, sum_0_0);
        sum_1_0 = fma(vec4<f32>(slow_2_0[1]), fast_2_0, sum_1_0);
        sum_2_0 = fma(vec4<f32>(slow_2_0[2]), fast_2_0, sum_2_0);
        sum_3_0 = fma(vec4<f32>(slow_2_0[3]), fast_2_0, sum_3_0);
        let slow_3_0 = tile_lhs[slow_at + 48u];
        let fast_3_0 = tile_rhs[fast_at + 24u];
        sum_0_0 = fma(vec4<f32>(slow_3_0[0]), fast_3_0, sum_0_0);
        sum_1_0 = fma(vec4<f32>(slow_3_0[1]), fast_3_0, sum_1_0);
        sum_2_0 = fma(vec4<f32>(slow_3_0[2]), fast_3_0, sum_2_0);
        sum_3_0 = fma(vec4<f32>(slow_3_0[3]), fast_3_0, sum_3_0);
      }
    }
    page = 1u - page;
    if (start < last) {
      {
        let taken = lane;
        if (taken < 64u) {
          let block = taken;
          let vector = (block / 2u) % 16u;
          let steps = 4u * (block % 2u + 2u * (block / 32u));
          let target_at = page * 256u + steps * 16u + (vector ^ (steps & 4u));
          tile_lhs[target_at + 0u] = vec4<f32>(held_0[0], held_1[0], held_2[0], held_3[0]);
          tile_lhs[target_at + 16u] = vec4<f32>(held_0[1], held_1[1], held_2[1], held_3[1]);
          tile_lhs[target_at + 32u] = vec4<f32>(held_0[2], held_1[2], held_2[2], held_3[2]);
          tile_lhs[target_at + 48u] = vec4<f32>(held_0[3], held_1[3], held_2[3], held_3[3]);
        }
        if (taken >= 64u && taken < 96u) {
          let block = taken - 64u;
          let vector = block % 8u;
          let steps = 4u * (block / 8u);
          let target_at = page * 128u + steps * 8u + (vector ^ (steps & 4u));
          tile_rhs[target_at + 0u] = held_0;
          tile_rhs[target_at + 8u] = held_1;
          tile_rhs[target_at + 16u] = held_2;
          tile_rhs[target_at + 24u] = held_3;
        }
      }
    }
    workgroupBarrier();
  }
  put(part * 1u + batch, m_start + (slow_lane + 0u) * 4u + 0u, n_start + (fast_lane + 0u) * 4u, sum_0_0);
  put(part * 1u + batch, m_start + (slow_lane + 0u) * 4u + 1u, n_start + (fast_lane + 0u) * 4u, sum_1_0);
  put(part * 1u + batch, m_start + (slow_lane + 0u) * 4u + 2u, n_start + (fast_lane + 0u) * 4u, sum_2_0);
  put(part * 1u + batch, m_start + (slow_lane + 0u) * 4u + 3u, n_start + (fast_lane + 0u) * 4u, sum_3_0);
}

// contract [] [132] [72] [2051]: 38 workgroups
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read> b1: array<f32>;
@group(0) @binding(2) var<storage, read_write> b2: array<f32>;
@group(0) @binding(3) var<storage, read_write> scratch: array<f32>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = group_id.x;
  let row = group * 256u + lane;
  if (row >= 9504u) { return; }
  let i0 = i32(row / 72u);
  let i1 = i32(row % 72u);
  var product = f32();
  for (var part = 0u; part < 8u; part++) { product += scratch[part * 9504u + row]; }
  b2[i0 * 72 + i1] = product;
}
