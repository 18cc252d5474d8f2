// ddim-step: one step of DDIM, in place, from the network's output and a row of coefficients.
//
//   w = v (r sc / sv + 1 - r), where sc and sv are the spreads of the conditional and of the guided output; else w = v
//   x0 = clamp(k0 x + k1 w, -k7, k7)    eps = k2 x + k3 w    x' = k4 x0 + k5 eps + k6 noise    r = k10
//
// Layout   x, v, noise, x0: the same count of groups of four. coefficients [N, 12], row = step[0]. conditional and
//          guided: stats of group-merge with one group, (mean, 1 / spread).
// Threads  one group of four values each, 64 in a workgroup.
// Exact    f32.
// Needs    step[0] < N (a step past the end changes nothing); grid (ceil(groups / 64), 1, 1).
// Cost     reads three, writes two. CPU reference: engine/kernels/ddim-step.ts, coefficients: engine/sampling/ddim.ts.
// Source   Song et al. 2020, arXiv:2010.02502, eq. 12; Lin et al. 2024, arXiv:2305.08891, eq. 15-16.
#param HAS_NOISE
#param HAS_GUIDED

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= p.groups || step[0] >= p.N) { return; }
  let row = 3u * step[0];
  let k0 = loadCoefficients(row);
  let k1 = loadCoefficients(row + 1u);
  let x = loadX(i);
  var w = loadV(i);
#if HAS_GUIDED
  let share = loadCoefficients(row + 2u).z;
  w *= share * loadGuided(0u).y / loadConditional(0u).y + 1.0 - share;
#endif
  let x0 = clamp(k0.x * x + k0.y * w, vec4f(-k1.w), vec4f(k1.w));
  var next = k1.x * x0 + k1.y * (k0.z * x + k0.w * w);
#if HAS_NOISE
  next += k1.z * loadNoise(i);
#endif
  storeX0(i, x0);
  storeX(i, next);
}
