// gated-add: residual sum with a gate that is shared by groups of rows.
//
//   y[r,c] = residual[r,c] + gate[min(r / rowsPerGroup, gateGroups - 1), gatePart, c] * x[r,c]
//
// Layout   x, residual, y [rows, C]  gate [gateGroups, gateParts, C]
// Threads  one group of four values each, 64 in a workgroup.
// Exact    f32.
// Needs    grid (ceil(rows * C4 / 64), 1, 1), folded by the recorder when long.
// Cost     reads x and residual, writes y. CPU reference: engine/kernels/gated-add.ts.
#include "lib/lanes.wgsl"

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let groups = (p.C + 3u) / 4u;
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= p.rows * groups) { return; }
  let group = min(i / groups / p.rowsPerGroup, p.gateGroups - 1u);
  let gate = loadGate((group * p.gateParts + p.gatePart) * groups + i % groups);
  storeY(i, keep(loadResidual(i) + gate * loadX(i), 4u * (i % groups), p.C));
}
