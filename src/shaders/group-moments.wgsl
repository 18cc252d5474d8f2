// group-moments: mean and sum of squared deviations of each channel, over a slab of pixels.
//
//   moments[n, slab, 0, c] = mean of x[n, p, c]     moments[n, slab, 1, c] = sum of (x[n, p, c] - mean)^2
//   over the pixels p of the slab: slab * span .. min(P, slab * span + span) - 1
//
// Layout   x [N, P, C]  moments [N, slabs, 2, C]
// Threads  QUADS groups of four channels of a slab each, LANES in a workgroup; ITEMS pixels are asked for before the first
//          is used.
// Exact    f32, in one pass: deviations from the mean of the slab's first ITEMS pixels, so that a large mean cancels nothing.
// Needs    QUADS divides C4; grid (ceil(N slabs C4 / QUADS / LANES), 1, 1).
// Cost     reads x. CPU reference: engine/kernels/group-moments.ts.
// Source   Chan, Golub & LeVeque 1983, shifted data.
#include "lib/lanes.wgsl"
#param LANES
#param ITEMS
#param QUADS

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let runs = (p.C + 3u) / 4u / QUADS;
  let i = (wg.x + p.base.x) * LANES + lane;
  if (i >= p.N * p.slabs * runs) { return; }
  let run = i % runs;
  let slab = i / runs % p.slabs;
  let first = slab * p.span;
  let end = min(p.P, first + p.span);
  let start = i / runs / p.slabs * p.P * runs + run;

  var base = Quads();
  var sum = Quads();
  var squares = Quads();
  for (var pixel = first; pixel < end; pixel += ITEMS) {
#unroll k ITEMS
    let x$k = loadsX(start + min(pixel + $ku, end - 1u) * runs);
#end
    if (pixel == first) {
#unroll k ITEMS
#unroll q QUADS
      base[$q] += x$k[$q] * (1.0 / f32(ITEMS));
#end
#end
    }
#unroll k ITEMS
    if (pixel + $ku < end) {
#unroll q QUADS
      let d$q = x$k[$q] - base[$q];
      sum[$q] += d$q;
      squares[$q] += d$q * d$q;
#end
    }
#end
  }

  let count = f32(end - first);
  let at = i / runs * 2u * runs + run;
#unroll q QUADS
  squares[$q] = max(vec4f(), squares[$q] - sum[$q] * sum[$q] / count);
  base[$q] = keep(base[$q] + sum[$q] / count, 4u * (run * QUADS + $qu), p.C);
#end
  storesMoments(at, base);
  storesMoments(at + runs, squares);
}
