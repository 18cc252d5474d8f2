// group-norm: normalises groups of channels with given mean and scale, then scales and shifts each channel.
//
//   y[n, p, c] = activate((x[n, p, c] - mean[n, g]) * scale[n, g] * weight[c] + bias[c])      g = c / SIZE
//
// Layout   x, y [N, P, C]  stats [N, G, 2] = mean, scale  weight, bias [C]
// Threads  QUADS groups of four channels of ITEMS pixels each, LANES in a workgroup; statistics and weights of the channels
//          are read once for all pixels.
// Exact    f32; the mean comes off before anything is scaled.
// Needs    SIZE = C / G whole; QUADS divides C4; grid (ceil(N ceil(P / ITEMS) C4 / QUADS / LANES), 1, 1).
// Cost     reads x, writes y. CPU reference: engine/kernels/group-norm.ts.
// Source   Wu & He 2018, arXiv:1803.08494, eq. 1-4; stats come from group-moments and group-merge.
#include "lib/activation.wgsl"
#include "lib/lanes.wgsl"
#param HAS_WEIGHT
#param HAS_BIAS
#param SIZE
#param LANES
#param ITEMS
#param QUADS

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let runs = (p.C + 3u) / 4u / QUADS;
  let blocks = (p.P + ITEMS - 1u) / ITEMS;
  let i = (wg.x + p.base.x) * LANES + lane;
  if (i >= p.N * blocks * runs) { return; }
  let run = i % runs;
  let n = i / runs / blocks;
  let pixel = i / runs % blocks * ITEMS;
  let start = n * p.P * runs + run;
#unroll k ITEMS
  let x$k = loadsX(start + min(pixel + $ku, p.P - 1u) * runs);
#end

  var mean = Quads();
  var scale = Quads();
  let column = 4u * QUADS * run;
#unroll q QUADS
#unroll c 4
  let held$q_$c = loadStats(n * p.G + min(column + 4u * $qu + $cu, p.C - 1u) / SIZE);
  mean[$q][$c] = held$q_$c.x;
  scale[$q][$c] = held$q_$c.y;
#end
#end
#if HAS_WEIGHT
  let weight = loadsWeight(run);
#endif
#if HAS_BIAS
  let bias = loadsBias(run);
#endif

#unroll k ITEMS
  if (pixel + $ku < p.P) {
    var v = x$k;
#unroll q QUADS
    v[$q] = (v[$q] - mean[$q]) * scale[$q];
#if HAS_WEIGHT
    v[$q] *= weight[$q];
#endif
#if HAS_BIAS
    v[$q] += bias[$q];
#endif
    v[$q] = keep(activate(v[$q]), column + 4u * $qu, p.C);
#end
    storesY(start + (pixel + $ku) * runs, v);
  }
#end
}
