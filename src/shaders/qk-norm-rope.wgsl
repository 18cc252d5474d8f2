// qk-norm-rope: RMS norm of each row, then rotation of pairs of values by the angle of their position.
//
//   h = x / sqrt(mean(x²) + eps) * weight                      (NORM; else h = x)
//   y[a] = h[a] cos t - h[b] sin t    y[b] = h[a] sin t + h[b] cos t,  t = angle of (position, j)
//   pair j of a head: a, b = 2j, 2j + 1 (interleaved) or j, j + D/2 (half)
//
// Layout   x, y [rows, heads * D]  weight [planes, heads * D]  table [positions, D]: cos and sin of pair j at 2j and
//          2j + 1. Planes of planeRows rows lie behind one another, queries and keys; row r of one stands at position
//          r / rowsPerPosition.
// Threads  a team of TEAM lanes for each row, 64 / TEAM rows in a workgroup; lanes stride over groups of four columns.
// Exact    f32 throughout; angles come from the CPU, where they are formed in f64.
// Needs    D a multiple of 4 (8 for half); TEAM a power of two <= 64; grid (ceil(rows / (64 / TEAM)), 1, 1).
// Cost     reads x twice (caches hold a row), writes y once. CPU reference: engine/kernels/qk-norm-rope.ts.
#include "lib/norm-rope.wgsl"

fn put(i: u32, values: vec4f) { storeY(i, values); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  normRope(wg.x + p.base.x, lane);
}
