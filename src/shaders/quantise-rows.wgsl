// quantise-rows: rows of values as 8-bit integers with one scale a row.
//
//   S[m] = -(the value of largest magnitude in row m), rounded to f16    q = clamp(round(x * 128 / S), -128, 127)
//
// Layout   x [M, K]  q [M, K] i8  scale [M, 1] f16
// Threads  one workgroup of 64 for a row; each takes every 64th run of 16 values, twice.
// Exact    f32; a row of zeros has scale 0 and integers 0.
// Needs    grid (M, 1, 1).
// Cost     reads x twice, writes one byte a value. CPU reference: engine/kernels/quantisation.ts.
#include "lib/magnitude.wgsl"

var<workgroup> largest: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wg.x + p.base.x;
  let quads = (p.K + 3u) / 4u;
  let runs = (p.K + 15u) / 16u;
  var mine = 0.0;
  for (var k = lane; k < quads; k += 64u) { mine = larger(mine, larger4(loadX(row * quads + k))); }
  largest[lane] = mine;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { largest[lane] = larger(largest[lane], largest[lane + half]); }
  }
  workgroupBarrier();
  let s = stored(clamp(-largest[0], -65504.0, 65504.0));
  if (lane == 0u) { storeScale(row, vec4f(s, 0.0, 0.0, 0.0)); }
  let factor = select(128.0 / s, 0.0, s == 0.0);
  for (var run = lane; run < runs; run += 64u) {
    var words: vec4u;
    for (var i = 0u; i < 4u; i++) {
      let k = 4u * run + i;
      if (k < quads) {
        let b = vec4u(clamp(vec4i(round(loadX(row * quads + k) * factor)), vec4i(-128), vec4i(127))) & vec4u(255u);
        words[i] = b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);
      }
    }
    q[row * runs + run] = words;
  }
}
