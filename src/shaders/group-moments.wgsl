// group-moments: mean and sum of squared deviations of each channel, over a slab of pixels.
//
//   moments[n, slab, 0, c] = mean of x[n, p, c]     moments[n, slab, 1, c] = sum of (x[n, p, c] - mean)^2
//   over the pixels p of the slab: slab * span .. min(P, slab * span + span) - 1
//
// Layout   x [N, P, C]  moments [N, slabs, 2, C]
// Threads  one group of four channels each, 64 in a workgroup, striding over no pixels but their own slab's.
// Exact    f32; the squares in a second pass over the slab, so that a large mean cancels nothing.
// Needs    grid (ceil(C4 / 64), slabs, N).
// Cost     reads x twice (the second time from a cache). CPU reference: engine/kernels/group-moments.ts.
#include "lib/lanes.wgsl"

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = wg + p.base;
  let groups = (p.C + 3u) / 4u;
  let group = tile.x * 64u + lane;
  if (group >= groups) { return; }
  let first = tile.y * p.span;
  let end = min(p.P, first + p.span);
  let start = tile.z * p.P * groups + group;
  var sum = vec4f();
  for (var i = first; i < end; i++) { sum += loadX(start + i * groups); }
  let mean = sum / f32(end - first);
  var squares = vec4f();
  for (var i = first; i < end; i++) {
    let d = loadX(start + i * groups) - mean;
    squares += d * d;
  }
  let at = (tile.z * p.slabs + tile.y) * 2u * groups + group;
  storeMoments(at, keep(mean, 4u * group, p.C));
  storeMoments(at + groups, keep(squares, 4u * group, p.C));
}
