// dup-up: repeats channels and unfolds them into ft frames and fs x fs pixels.
//
//   full[ft t + a, fs y + b, fs x + e, o] = x[t, y, x, (((o ft + a) fs + b) fs + e) / r]      r = Cout ft fs^2 / Cin
//   y[t] = residual[t] + full[t + skip]
//
// Layout   x [T, H, W, Cin]  residual, y [To, fs H, fs W, Cout]
// Threads  one group of four channels of y each, LANES in a workgroup. Where y has every RATIO-th channel of x, RATIO 1
//          or 2, whole groups are read.
// Exact    copies and one sum. Needs grid (ceil(groups / LANES), 1, 1) with groups = To Ho Wo Cout4.
// Cost     reads x, writes y. CPU reference: engine/kernels/dup-up.ts.
// Source   the parameter-free shortcut of the Wan 2.2 autoencoder.
#include "lib/lanes.wgsl"
#param HAS_RESIDUAL
#param RATIO
#param LANES

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let groups = (p.Cout + 3u) / 4u;
  let pitch = (p.Cin + 3u) / 4u * 4u;
  let i = (wg.x + p.base.x) * LANES + lane;
  if (i >= p.To * p.Ho * p.Wo * groups) { return; }
  let pixel = i / groups;
  let t = pixel / (p.Wo * p.Ho) + p.skip;
  let h = pixel / p.Wo % p.Ho;
  let w = pixel % p.Wo;
  let source = ((t / p.ft * p.H + h / p.fs) * p.W + w / p.fs) * pitch;
#if RATIO == 1
  var v = loadX(source / 4u + i % groups);
#elif RATIO == 2
  let begin = source / 4u + 2u * (i % groups);
  let upper = ((t % p.ft * p.fs + h % p.fs) * p.fs + w % p.fs) / p.r == 1u;
  let low = loadX(begin);
  let high = loadX(min(begin + 1u, source / 4u + pitch / 4u - 1u));
  var v = select(vec4f(low.xz, high.xz), vec4f(low.yw, high.yw), upper);
#else
  var v = vec4f();
  for (var lane4 = 0u; lane4 < 4u; lane4++) {
    let o = min(4u * (i % groups) + lane4, p.Cout - 1u);
    v[lane4] = atX(source + (((o * p.ft + t % p.ft) * p.fs + h % p.fs) * p.fs + w % p.fs) / p.r);
  }
#endif
#if HAS_RESIDUAL
  v += loadResidual(i);
#endif
  storeY(i, keep(v, 4u * (i % groups), p.Cout));
}
