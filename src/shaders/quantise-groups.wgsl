// quantise-groups: rows of values as 4-bit integers with a scale for every 32 or 64 values along the row.
//
//   S[m,g] = -(the value of largest magnitude in the group), rounded to f16    q = clamp(round(x * 8 / S), -8, 7)
//
// Layout   x [M, K]  q [M, K] i4 or i4x64 (packing: engine/gpu/integers.ts)  scale [M, ceil(K / group)] f16
// Threads  64 in a workgroup, each four groups of one row, as four scales are stored together.
// Exact    f32; a group of zeros has scale 0 and integers 0.
// Needs    grid (ceil(M * ceil(K / (4 group)) / 64), 1, 1).
// Cost     reads x twice, writes half a byte a value. CPU reference: engine/kernels/quantisation.ts.
#include "lib/magnitude.wgsl"
#param Q_TYPE

#if Q_TYPE == i4x64
const GROUP = 64u;
#else
const GROUP = 32u;
#endif

// Four integers with 8 added, one in each byte.
fn packed(v: vec4f) -> u32 {
  let n = vec4u(clamp(vec4i(round(v)), vec4i(-8), vec4i(7)) + vec4i(8));
  return n.x | (n.y << 8u) | (n.z << 16u) | (n.w << 24u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (wg.x + p.base.x) * 64u + lane;
  let quads = (p.K + 3u) / 4u;
  let runs = (p.K + 31u) / 32u;           // of 32 values, in 16 bytes
  let groups = (p.K + GROUP - 1u) / GROUP;
  let perRow = (groups + 3u) / 4u;        // fours of groups
  let row = index / perRow;
  if (row >= p.M) { return; }
  let four = index % perRow;
  var scales: vec4f;
  for (var g = 0u; g < 4u; g++) {
    let first = (4u * four + g) * (GROUP / 4u);
    let end = min(first + GROUP / 4u, quads);
    var largest = 0.0;
    for (var k = first; k < end; k++) { largest = larger(largest, larger4(loadX(row * quads + k))); }
    let s = stored(clamp(-largest, -65504.0, 65504.0));
    scales[g] = s;
    let factor = select(8.0 / s, 0.0, s == 0.0);
    for (var run = first / 8u; run < (first + GROUP / 4u) / 8u && run < runs; run++) {
      var words = vec4u(0x88888888u);
      for (var i = 0u; i < 4u; i++) {
        let k = 8u * run + 2u * i;
        if (k < end) { words[i] = packed(loadX(row * quads + k) * factor) | 0x80808080u; }
        if (k + 1u < end) {
          words[i] = (words[i] & 0x0f0f0f0fu) | (packed(loadX(row * quads + k + 1u) * factor) << 4u);
        }
      }
      q[row * runs + run] = words;
    }
  }
  storeScale(row * perRow + four, scales);
}
