// group-norm: normalises groups of channels with given mean and scale, then scales and shifts each channel.
//
//   y[n, p, c] = activate((x[n, p, c] - mean[n, g]) * scale[n, g] * weight[c] + bias[c])      g = c / (C / G)
//
// Layout   x, y [N, P, C]  stats [N, G, 2] = mean, scale  weight, bias [C]
// Threads  one group of four values each, 64 in a workgroup.
// Exact    f32; the mean comes off before anything is scaled.
// Needs    G divides C; grid (ceil(N P C4 / 64), 1, 1).
// Cost     reads x, writes y. CPU reference: engine/kernels/group-norm.ts.
// Source   Wu & He 2018, arXiv:1803.08494, eq. 1-4; stats come from group-moments and group-merge.
#include "lib/activation.wgsl"
#include "lib/lanes.wgsl"
#param HAS_WEIGHT
#param HAS_BIAS

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let groups = (p.C + 3u) / 4u;
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= p.N * p.P * groups) { return; }
  let n = i / (p.P * groups);
  let column = 4u * (i % groups);
  var mean = vec4f();
  var scale = vec4f();
  for (var k = 0u; k < 4u; k++) {
    let held = loadStats(n * p.G + min(column + k, p.C - 1u) / (p.C / p.G));
    mean[k] = held.x;
    scale[k] = held.y;
  }
  var v = (loadX(i) - mean) * scale;
#if HAS_WEIGHT
  v *= loadWeight(column / 4u);
#endif
#if HAS_BIAS
  v += loadBias(column / 4u);
#endif
  storeY(i, keep(activate(v), column, p.C));
}
