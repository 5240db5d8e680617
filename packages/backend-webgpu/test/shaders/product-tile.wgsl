// contract [] [256] [256] [64]: 4 workgroups
@group(0) @binding(0) var<storage, read> b0: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b1: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> b2: array<vec4<f32>>;
fn load_quad_float32_0(at: i32) -> vec4<f32> { return b0[u32(at) >> 2u]; }
fn load_quad_float32_1(at: i32) -> vec4<f32> { return b1[u32(at) >> 2u]; }
fn store_quad_float32_2(at: i32, value: vec4<f32>) { b2[u32(at) >> 2u] = value; }
fn lhs(batch: u32, at: u32, step: u32) -> vec4<f32> {
  let place = at;
  let m0 = i32(place);
  let k0 = i32(step);
  let four0 = load_quad_float32_0(m0 * 64 + k0);
  return four0;
}
var<workgroup> tile_lhs: array<vec4<f32>, 1024>;
fn rhs(batch: u32, at: u32, step: u32) -> vec4<f32> {
  let place = at;
  let n0 = i32(place);
  let k0 = i32(step);
  let four2 = load_quad_float32_1(n0 + k0 * 256);
  return four2;
}
var<workgroup> tile_rhs: array<vec4<f32>, 1024>;
fn put(batch: u32, slow: u32, fast: u32, product: vec4<f32>) {
  let m0 = i32(slow);
  let n0 = i32(fast);
  store_quad_float32_2(m0 * 256 + n0, product);
}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = group_id.x;
  let batch = group / 4u;
  let m_start = (group / 2u) % 2u * 128u;
  let n_start = group % 2u * 128u;
  let first = 0u;
  let last = 64u;
  let fast_lane = lane % 8u + lane / 32u % 2u * 8u;
  let slow_lane = lane / 8u % 4u + lane / 64u * 4u;
  var sum_0_0 = vec4<f32>();
  var sum_0_1 = vec4<f32>();
  var sum_1_0 = vec4<f32>();
  var sum_1_1 = vec4<f32>();
  var sum_2_0 = vec4<f32>();
  var sum_2_1 = vec4<f32>();
  var sum_3_0 = vec4<f32>();
  var sum_3_1 = vec4<f32>();
  var sum_4_0 = vec4<f32>();
  var sum_4_1 = vec4<f32>();
  var sum_5_0 = vec4<f32>();
  var sum_5_1 = vec4<f32>();
  var sum_6_0 = vec4<f32>();
  var sum_6_1 = vec4<f32>();
  var sum_7_0 = vec4<f32>();
  var sum_7_1 = vec4<f32>();
  var held_0 = vec4<f32>();
  var held_1 = vec4<f32>();
  var held_2 = vec4<f32>();
  var held_3 = vec4<f32>();
  var page = 0u;
  for (var start = first; start < last + 16u; start += 16u) {
    if (start < last) {
      {
        let taken = lane;
        if (taken < 128u) {
          let block = taken;
          let vector = (block / 2u) % 32u;
          let steps = 4u * (block % 2u + 2u * (block / 64u));
          held_0 = lhs(batch, m_start + vector * 4u + 0u, start + steps);
          held_1 = lhs(batch, m_start + vector * 4u + 1u, start + steps);
          held_2 = lhs(batch, m_start + vector * 4u + 2u, start + steps);
          held_3 = lhs(batch, m_start + vector * 4u + 3u, start + steps);
        }
        if (taken >= 128u) {
          let block = taken - 128u;
          let vector = block % 32u;
          let steps = 4u * (block / 32u);
          held_0 = rhs(batch, n_start + vector * 4u, start + steps + 0u);
          held_1 = rhs(batch, n_start + vector * 4u, start + steps + 1u);
          held_2 = rhs(batch, n_start + vector * 4u, start + steps + 2u);
          held_3 = rhs(batch, n_start + vector * 4u, start + steps + 3u);
        }
      }
    }
    if (start > first) {
      for (var step = 0u; step < 16u; step += 4u) {
        let slow_at = page * 512u + step * 32u + (slow_lane ^ (step & 4u));
        let fast_at = page * 512u + step * 32u + (fast_lane ^ (step & 4u));
        let slow_0_0 = tile_lhs[slow_at];
        let slow_0_1 = tile_lhs[slow_at + 16u];
        let fast_0_0 = tile_rhs[fast_at];
        let fast_0_1 = tile_rhs[fast_at + 16u];
        sum_0_0 = fma(vec4<f32>(slow_0_0[0]), fast_0_0, sum_0_0);
        sum_0_1 = fma(vec4<f32>(slow_0_0[0]), fast_0_1, sum_0_1);
        sum_1_0 = fma(vec4<f32>(slow_0_0[1]), fast_0_0, sum_1_0);
        sum_1_1 = fma(vec4<f32>(slow_0_0[1]), fast_0_1, sum_1_1);
        sum_2_0 = fma(vec4<f32>(slow_0_0[2]), fast_0_0, sum_2_0);
        sum_2_1 = fma(vec4<f32>(slow_0_0[2]), fast_0_1, sum_2_1);
        sum_3_0 = fma(vec4<f32>(slow_0_0[3]), fast_0_0, sum_3_0);
        sum_3_1 = fma(vec4<f32>(slow_0_0[3]), fast_0_1, sum_3_1);
        sum_4_0 = fma(vec4<f32>(slow_0_1[0]), fast_0_0, sum_4_0);
        sum_4_1 = fma(vec4<f32>(slow_0_1[0]), fast_0_1, sum_4_1);
        sum_5_0 = fma(vec4<f32>(slow_0_1[1]), fast_0_0, sum_5_0);
        sum_5_1 = fma(vec4<f32>(slow_0_1[1]), fast_0_1, sum_5_1);
        sum_6_0 = fma(vec4<f32>(slow_0_1[2]), fast_0_0, sum_6_0);
        sum_6_1 = fma(vec4<f32>(slow_0_1[2]), fast_0_1, sum_6_1);
        sum_7_0 = fma(vec4<f32>(slow_0_1[3]), fast_0_0, sum_7_0);
        sum_7_1 = fma(vec4<f32>(slow_0_1[3]), fast_0_1, sum_7_1);
        let slow_1_0 = tile_lhs[slow_at + 32u];
        let slow_1_1 = tile_lhs[slow_at + 48u];
        let fast_1_0 = tile_rhs[fast_at + 32u];
        let fast_1_1 = tile_rhs[fast_at + 48u];
        sum_0_0 = fma(vec4<f32>(slow_1_0[0]), fast_1_0, sum_0_0);
        sum_0_1 = fma(vec4<f32>(slow_1_0[0]), fast_1_1, sum_0_1);
        sum_1_0 = fma(vec4<f32>(slow_1_0[1]), fast_1_0, sum_1_0);
        sum_1_1 = fma(vec4<f32>(slow_1_0[1]), fast_1_1, sum_1_1);
        sum_2_0 = fma(vec4<f32>(slow_1_0[2]), fast_1_0, sum_2_0);
        sum_2_1 = fma(vec4<f32>(slow_1_0[2]), fast_1_1, sum_2_1);
        sum_3_0 = fma(vec4<f32>(slow_1_0[3]), fast_1_0, sum_3_0);
        sum_3_1 = fma(vec4<f32>(slow_1_0[3]), fast_1_1, sum_3_1);
        sum_4_0 = fma(vec4<f32>(slow_1_1[0]), fast_1_0, sum_4_0);
        sum_4_1 = fma(vec4<f32>(slow_1_1[0]), fast_1_1, sum_4_1);
        sum_5_0 = fma(vec4<f32>(slow_1_1[1]), fast_1_0, sum_5_0);
        sum_5_1 = fma(vec4<f32>(slow_1_1[1]), fast_1_1, sum_5_1);
        sum_6_0 = fma(vec4<f32>(slow_1_1[2]), fast_1_0, sum_6_0);
        sum_6_1 = fma(vec4<f32>(slow_1_1[2]), fast_1_1, sum_6_1);
        sum_7_0 = fma(vec4<f32>(slow_1_1[3]), fast_1_0, sum_7_0);
        sum_7_1 = fma(vec4<f32>(slow_1_1[3]), fast_1_1, sum_7_1);
        let slow_2_0 = tile_lhs[slow_at + 64u];
        let slow_2_1 = tile_lhs[slow_at + 80u];
        let fast_2_0 = tile_rhs[fast_at + 64u];
        let fast_2_1 = tile_rhs[fast_at + 80u];
        sum_0_0 = fma(vec4<f32>(slow_2_0[0]), fast_2_0, sum_0_0);
        sum_0_1 = fma(vec4<f32>(slow_2_0[0]), fast_2_1, sum_0_1);
        sum_1_0 = fma(vec4<f32>(slow_2_0[1]), fast_2_0, sum_1_0);
        sum_1_1 = fma(vec4<f32>(slow_2_0[1]), fast_2_1, sum_1_1);
        sum_2_0 = fma(vec4<f32>(slow_2_0[2]), fast_2_0, sum_2_0);
        sum_2_1 = fma(vec4<f32>(slow_2_0[2]), fast_2_1, sum_2_1);
        sum_3_0 = fma(vec4<f32>(slow_2_0[3]), fast_2_0, sum_3_0);
        sum_3_1 = fma(vec4<f32>(slow_2_0[3]), fast_2_1, sum_3_1);
        sum_4_0 = fma(vec4<f32>(slow_2_1[0]), fast_2_0, sum_4_0);
        sum_4_1 = fma(vec4<f32>(slow_2_1[0]), fast_2_1, sum_4_1);
        sum_5_0 = fma(vec4<f32>(slow_2_1[1]), fast_2_0, sum_5_0);
        sum_5_1 = fma(vec4<f32>(slow_2_1[1]), fast_2_1, sum_5_1);
        sum_6_0 = fma(vec4<f32>(slow_2_1[2]), fast_2_0, sum_6_0);
        sum_6_1 = fma(vec4<f32>(slow_2_1[2]), fast_2_1, sum_6_1);
        sum_7_0 = fma(vec4<f32>(slow_2_1[3]), fast_2_0, sum_7_0);
        sum_7_1 = fma(vec4<f32>(slow_2_1[3]), fast_2_1, sum_7_1);
        let slow_3_0 = tile_lhs[slow_at + 96u];
        let slow_3_1 = tile_lhs[slow_at + 112u];
        let fast_3_0 = tile_rhs[fast_at + 96u];
        let fast_3_1 = tile_rhs[fast_at + 112u];
        sum_0_0 = fma(vec4<f32>(slow_3_0[0]), fast_3_0, sum_0_0);
        sum_0_1 = fma(vec4<f32>(slow_3_0[0]), fast_3_1, sum_0_1);
        sum_1_0 = fma(vec4<f32>(slow_3_0[1]), fast_3_0, sum_1_0);
        sum_1_1 = fma(vec4<f32>(slow_3_0[1]), fast_3_1, sum_1_1);
        sum_2_0 = fma(vec4<f32>(slow_3_0[2]), fast_3_0, sum_2_0);
        sum_2_1 = fma(vec4<f32>(slow_3_0[2]), fast_3_1, sum_2_1);
        sum_3_0 = fma(vec4<f32>(slow_3_0[3]), fast_3_0, sum_3_0);
        sum_3_1 = fma(vec4<f32>(slow_3_0[3]), fast_3_1, sum_3_1);
        sum_4_0 = fma(vec4<f32>(slow_3_1[0]), fast_3_0, sum_4_0);
        sum_4_1 = fma(vec4<f32>(slow_3_1[0]), fast_3_1, sum_4_1);
        sum_5_0 = fma(vec4<f32>(slow_3_1[1]), fast_3_0, sum_5_0);
        sum_5_1 = fma(vec4<f32>(slow_3_1[1]), fast_3_1, sum_5_1);
        sum_6_0 = fma(vec4<f32>(slow_3_1[2]), fast_3_0, sum_6_0);
        sum_6_1 = fma(vec4<f32>(slow_3_1[2]), fast_3_1, sum_6_1);
        sum_7_0 = fma(vec4<f32>(slow_3_1[3]), fast_3_0, sum_7_0);
        sum_7_1 = fma(vec4<f32>(slow_3_1[3]), fast_3_1, sum_7_1);
      }
    }
    page = 1u - page;
    if (start < last) {
      {
        let taken = lane;
        if (taken < 128u) {
          let block = taken;
          let vector = (block / 2u) % 32u;
          let steps = 4u * (block % 2u + 2u * (block / 64u));
          let target_at = page * 512u + steps * 32u + (vector ^ (steps & 4u));
          tile_lhs[target_at + 0u] = vec4<f32>(held_0[0], held_1[0], held_2[0], held_3[0]);
          tile_lhs[target_at + 32u] = vec4<f32>(held_0[1], held_1[1], held_2[1], held_3[1]);
          tile_lhs[target_at + 64u] = vec4<f32>(held_0[2], held_1[2], held_2[2], held_3[2]);
          tile_lhs[target_at + 96u] = vec4<f32>(held_0[3], held_1[3], held_2[3], held_3[3]);
        }
        if (taken >= 128u) {
          let block = taken - 128u;
          let vector = block % 32u;
          let steps = 4u * (block / 32u);
          let target_at = page * 512u + steps * 32u + (vector ^ (steps & 4u));
          tile_rhs[target_at + 0u] = held_0;
          tile_rhs[target_at + 32u] = held_1;
          tile_rhs[target_at + 64u] = held_2;
          tile_rhs[target_at + 96u] = held_3;
        }
      }
    }
    workgroupBarrier();
  }
  put(batch, m_start + (slow_lane + 0u) * 4u + 0u, n_start + (fast_lane + 0u) * 4u, sum_0_0);
  put(batch, m_start + (slow_lane + 0u) * 4u + 0u, n_start + (fast_lane + 16u) * 4u, sum_0_1);
  put(batch, m_start + (slow_lane + 0u) * 4u + 1u, n_start + (fast_lane + 0u) * 4u, sum_1_0);
  put(batch, m_start + (slow_lane + 0u) * 4u + 1u, n_start + (fast_lane + 16u) * 4u, sum_1_1);
  put(batch, m_start + (slow_lane + 0u) * 4u + 2u, n_start + (fast_lane + 0u) * 4u, sum_2_0);
  put(batch, m_start + (slow_lane + 0u) * 4u + 2u, n_start + (fast_lane + 16u) * 4u, sum_2_1);
  put(batch, m_start + (slow_lane + 0u) * 4u + 3u, n_start + (fast_lane + 0u) * 4u, sum_3_0);
  put(batch, m_start + (slow_lane + 0u) * 4u + 3u, n_start + (fast_lane + 16u) * 4u, sum_3_1);
  put(batch, m_start + (slow_lane + 16u) * 4u + 0u, n_start + (fast_lane + 0u) * 4u, sum_4_0);
  put(batch, m_start + (slow_lane + 16u) * 4u + 0u, n_start + (fast_lane + 16u) * 4u, sum_4_1);
  put(batch, m_start + (slow_lane + 16u) * 4u + 1u, n_start + (fast_lane + 0u) * 4u, sum_5_0);
  put(batch, m_start + (slow_lane + 16u) * 4u + 1u, n_start + (fast_lane + 16u) * 4u, sum_5_1);
  put(batch, m_start + (slow_lane + 16u) * 4u + 2u, n_start + (fast_lane + 0u) * 4u, sum_6_0);
  put(batch, m_start + (slow_lane + 16u) * 4u + 2u, n_start + (fast_lane + 16u) * 4u, sum_6_1);
  put(batch, m_start + (slow_lane + 16u) * 4u + 3u, n_start + (fast_lane + 0u) * 4u, sum_7_0);
  put(batch, m_start + (slow_lane + 16u) * 4u + 3u, n_start + (fast_lane + 16u) * 4u, sum_7_1);
}
