// ring-read: what a block attends to, in one piece: its step's part of a ring, then rows that stay, turned to their places.
//
//   y[i, :] = ring[step * ringRows + i, :]                 i < filled
//   y[filled + i, :] = turned(stay[i, :])                  i < stayRows
//   turned   pairs 2j, 2j + 1 of each head by the angle in table[i]; without a table, as they are
//
// Layout   ring [steps * ringRows, heads * D]  stay [stayRows, heads * D]  table [stayRows, D]: cos and sin of pair j at
//          2j and 2j + 1  step [1] u32  y [filled + stayRows, heads * D]
// Threads  one group of four values of y each, 64 in a workgroup.
// Exact    copies; the rotation in f32.
// Needs    D a multiple of 4; filled <= ringRows; grid (ceil((filled + stayRows) * heads * D4 / 64), 1, 1).
// Cost     reads and writes y once. CPU reference: engine/kernels/ring-read.ts.
#include "lib/turn-pairs.wgsl"
#param HAS_TABLE

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let D4 = p.D / 4u;
  let width = p.heads * D4;
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= (p.filled + p.stayRows) * width) { return; }
  if (i < p.filled * width) {
    storeY(i, loadRing(min(step[0], p.steps - 1u) * p.ringRows * width + i));
    return;
  }
  let own = i - p.filled * width;
#if HAS_TABLE
  storeY(i, turnPairs(loadStay(own), loadTable(own / width * D4 + own % D4)));
#else
  storeY(i, loadStay(own));
#endif
}
