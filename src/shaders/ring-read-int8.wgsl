// ring-read-int8: what a block attends to, in one piece: its step's part of a ring of 8-bit integers, then rows that stay.
//
//   y[i,h,:] = ring[step * ringRows + i, h, :] * scale[step * ringRows + i, h]     i < filled
//   y[filled + i, :] = turned(stay[i, :])                                         i < stayRows, as in ring-read
//
// Layout   ring [steps * ringRows, heads * D] i8  scale [steps * ringRows, heads]  stay [stayRows, heads * D]
//          table [stayRows, D]: cos and sin of pair j at 2j and 2j + 1  step [1] u32  y [filled + stayRows, heads * D]
// Threads  one group of four values of y each, 64 in a workgroup.
// Exact    f32.
// Needs    D a multiple of 16; filled <= ringRows; grid (ceil((filled + stayRows) * heads * D4 / 64), 1, 1).
// Cost     one byte read a value, y written once. CPU reference: engine/kernels/ring-read-int8.ts.
#include "lib/turn-pairs.wgsl"
#param HAS_TABLE

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let D4 = p.D / 4u;
  let width = p.heads * D4;
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= (p.filled + p.stayRows) * width) { return; }
  if (i < p.filled * width) {
    let row = min(step[0], p.steps - 1u) * p.ringRows + i / width;
    let group = row * width + i % width;
    let word = ring[group / 4u][group % 4u];
    let ints = vec4i(vec4u(word << 24u, word << 16u, word << 8u, word)) >> vec4u(24u); // with their signs
    storeY(i, vec4f(ints) * atScale(row * ((p.heads + 3u) / 4u * 4u) + i % width / D4));
    return;
  }
  let own = i - p.filled * width;
#if HAS_TABLE
  storeY(i, turnPairs(loadStay(own), loadTable(own / width * D4 + own % D4)));
#else
  storeY(i, loadStay(own));
#endif
}
