// avg-down: folds ft frames and fs x fs pixels into the channels, then averages runs of neighbouring channels.
//
//   folded[t,y,x,((c ft + a) fs + b) fs + e] = x[ft t + a - front, fs y + b, fs x + e, c]     zero before the first frame
//   y[t,y,x,o] = residual[t,y,x,o] + mean of folded[t,y,x, g o .. g o + g - 1]
//
// Layout   x [T, H, W, Cin]  residual, y [To, H / fs, W / fs, Cout]  g = Cin ft fs^2 / Cout
// Threads  one group of four channels of y each, 64 in a workgroup.
// Exact    f32 sums. Needs grid (ceil(groups / 64), 1, 1) with groups = To Ho Wo Cout4.
// Cost     reads x once, writes y. CPU reference: engine/kernels/avg-down.ts.
// Source   the parameter-free shortcut of the Wan 2.2 autoencoder.
#include "lib/lanes.wgsl"
#param HAS_RESIDUAL

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let groups = (p.Cout + 3u) / 4u;
  let pitch = (p.Cin + 3u) / 4u * 4u;
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= p.To * p.Ho * p.Wo * groups) { return; }
  let pixel = i / groups;
  let first = vec3u(pixel / (p.Wo * p.Ho) * p.ft, pixel / p.Wo % p.Ho * p.fs, pixel % p.Wo * p.fs);
  var v = vec4f();
  for (var lane4 = 0u; lane4 < 4u; lane4++) {
    let o = 4u * (i % groups) + lane4;
    if (o >= p.Cout) { break; }
    for (var k = o * p.g; k < o * p.g + p.g; k++) {
      let t = first.x + k / (p.fs * p.fs) % p.ft;
      if (t < p.front) { continue; }
      let at = ((t - p.front) * p.H + first.y + k / p.fs % p.fs) * p.W + first.z + k % p.fs;
      v[lane4] += atX(at * pitch + k / (p.fs * p.fs * p.ft));
    }
  }
  v /= f32(p.g);
#if HAS_RESIDUAL
  v += loadResidual(i);
#endif
  storeY(i, keep(v, 4u * (i % groups), p.Cout));
}
