// scheduler-step: one step of a sampler, in place, from the model's velocity and a row of coefficients.
//
//   w = u + g (v - u), v the velocity and u the unguided one, or v without u      m = k0 x + k1 w
//   xbar' = k2 x + k3 w + k4 m1 + k5 m2 + k6 xbar    x' = k7 x + k8 w + k9 m1 + k10 m2 + k11 xbar
//   m2' = m1   m1' = m   x, m1, m2, xbar on the right are the old ones; g = k14
//
// Layout   x, m1, m2, xbar, velocity, unguided: the same count of groups of four. coefficients [N, 16], row = step[0].
// Threads  one group of four values each, 64 in a workgroup.
// Exact    f32. A coefficient of zero drops its term, so that memory never written does not count.
// Needs    step[0] < N (a step past the end changes nothing); grid (ceil(groups / 64), 1, 1).
// Cost     reads six, writes four. CPU reference: engine/kernels/scheduler-step.ts, solvers: engine/sampling.
#param HAS_UNGUIDED

fn term(k: f32, v: vec4f) -> vec4f { return select(vec4f(), k * v, k != 0.0); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= p.groups || step[0] >= p.N) { return; }
  let row = 4u * step[0];
  let k0 = loadCoefficients(row);
  let k1 = loadCoefficients(row + 1u);
  let k2 = loadCoefficients(row + 2u);
  let k3 = loadCoefficients(row + 3u);
  let x = loadX(i);
  let m1 = loadM1(i);
  let m2 = loadM2(i);
  let xbar = loadXbar(i);
  var w = loadVelocity(i);
#if HAS_UNGUIDED
  let u = loadUnguided(i);
  w = u + k3.z * (w - u);
#endif
  storeXbar(i, term(k0.z, x) + term(k0.w, w) + term(k1.x, m1) + term(k1.y, m2) + term(k1.z, xbar));
  storeX(i, term(k1.w, x) + term(k2.x, w) + term(k2.y, m1) + term(k2.z, m2) + term(k2.w, xbar));
  storeM2(i, m1);
  storeM1(i, k0.x * x + k0.y * w);
}
