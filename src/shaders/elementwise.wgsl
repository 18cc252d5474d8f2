// elementwise: activation of x, then a sum or product with b.
//
//   y = scale * activate(x) + shift, then combined with b:   none   add  y + b   mul  y * b
//   row r of x meets row (r / repeatEach) mod bRows of b (REPEATS; else row r)
//
// Layout   x, y [rows, C]  b [bRows, C]
// Threads  LANES in a workgroup; each takes ITEMS runs of QUADS groups of four values, LANES runs apart, and asks for all
//          of them before it uses the first.
// Exact    f32.
// Needs    QUADS divides C4; grid (ceil(rows * C4 / QUADS / ITEMS / LANES), 1, 1), folded by the recorder when long.
// Cost     reads x and b, writes y. CPU reference: engine/kernels/elementwise.ts.
#include "lib/activation.wgsl"
#include "lib/lanes.wgsl"
#param COMBINE
#param HAS_B
#param REPEATS
#param LANES
#param ITEMS
#param QUADS

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let width = (p.C + 3u) / 4u / QUADS;
  let runs = p.rows * width;
  let first = (wg.x + p.base.x) * (LANES * ITEMS) + lane;
#unroll k ITEMS
  let i$k = min(first + $ku * LANES, runs - 1u);
  let x$k = loadsX(i$k);
#if HAS_B
#if REPEATS
  let b$k = loadsB(i$k / width / p.repeatEach % p.bRows * width + i$k % width);
#else
  let b$k = loadsB(i$k);
#endif
#endif
#end
#unroll k ITEMS
  if (first + $ku * LANES < runs) {
    var v = x$k;
#unroll q QUADS
    v[$q] = activate(v[$q]) * p.scale + p.shift;
#if HAS_B
#if COMBINE == add
    v[$q] += b$k[$q];
#else
    v[$q] *= b$k[$q];
#endif
#endif
    if (p.C % 4u != 0u) { v[$q] = keep(v[$q], 4u * (i$k * QUADS + $qu) % (width * QUADS * 4u), p.C); }
#end
    storesY(i$k, v);
  }
#end
}
