// guide: the outputs of a step's network calls as one.
//
//   y = u + gi (i - u) + g (c - i)    with i = image      y = u + g (c - u)    without
//
// Layout   c, u, image, y: the same count of groups of four. coefficients [N, 12], row = step[0]: g in column 8, gi in 9.
// Threads  one group of four values each, 64 in a workgroup.
// Exact    f32.
// Needs    a step past the end takes the last row; grid (ceil(groups / 64), 1, 1).
// Cost     reads two or three, writes one. CPU reference: engine/kernels/guide.ts.
// Source   Ho & Salimans 2022, arXiv:2207.12598; with two pulls Brooks et al. 2023, arXiv:2211.09800, eq. 3.
#param HAS_IMAGE

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (wg.x + p.base.x) * 64u + lane;
  if (at >= p.groups) { return; }
  let row = loadCoefficients(3u * min(step[0], p.N - 1u) + 2u);
  let c = loadC(at);
  let u = loadU(at);
#if HAS_IMAGE
  let i = loadImage(at);
  storeY(at, u + row.y * (i - u) + row.x * (c - i));
#else
  storeY(at, u + row.x * (c - u));
#endif
}
