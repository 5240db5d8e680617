// loop [5, 7] []: cast, less: 1 workgroups
@group(0) @binding(0) var<storage, read> b0: array<f32>;
@group(0) @binding(1) var<storage, read> b1: array<u32>;
@group(0) @binding(2) var<storage, read_write> b2: array<atomic<u32>>;
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn less_f32(x: f32, y: f32) -> bool { return x < y && !is_nan(x) && !is_nan(y); }
fn load_byte_1(at: i32) -> u32 { return (b1[u32(at) >> 2u] >> ((u32(at) & 3u) * 8u)) & 255u; }
fn store_byte_2(at: i32, value: u32) {
  let shift = (u32(at) & 3u) * 8u;
  atomicAnd(&b2[u32(at) >> 2u], ~(255u << shift));
  atomicOr(&b2[u32(at) >> 2u], value << shift);
}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group_id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = group_id.x;
  let row = group * 256u + lane;
  let inside = row < 35u;
  if (!inside) { return; }
  let i0 = i32(row / 7u);
  let i1 = i32(row % 7u);
  {
    let v0 = b0[i0 + i1 * 5];
    let v1 = load_byte_1(i0 * 7 + i1);
    let v2 = f32(v1);
    let v3 = less_f32(v0, v2);
    store_byte_2(i0 * 7 + i1, u32(v3));
  }
}
