// elementwise: activation of x, then a sum or product with b.
//
//   y = scale * activate(x) + shift, then combined with b:   none   add  y + b   mul  y * b
//   row r of x meets row (r / repeatEach) mod bRows of b
//
// Layout   x, y [rows, C]  b [bRows, C]
// Threads  one group of four values each, 64 in a workgroup.
// Exact    f32.
// Needs    grid (ceil(rows * C4 / 64), 1, 1), folded by the recorder when long.
// Cost     reads x and b, writes y. CPU reference: engine/kernels/elementwise.ts.
#include "lib/activation.wgsl"
#include "lib/lanes.wgsl"
#param COMBINE
#param HAS_B

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let groups = (p.C + 3u) / 4u;
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= p.rows * groups) { return; }
  var v = activate(loadX(i)) * p.scale + p.shift;
#if HAS_B
  let row = ((i / groups) / p.repeatEach) % p.bRows;
  let b = loadB(row * groups + i % groups);
#if COMBINE == add
  v += b;
#else
  v *= b;
#endif
#endif
  storeY(i, keep(v, 4u * (i % groups), p.C));
}
