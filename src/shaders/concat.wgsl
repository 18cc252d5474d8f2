// concat: lays two or three tensors end to end along one axis.
//
//   y[o, i, k, column] = a[o, i, ...] for i < aLength, then b, then c
//
// Layout   a [outer, aLength, inner, C], b and c alike, y [outer, aLength + bLength + cLength, inner, C].
//          LAST: the joined axis is the padded one: a [outer, aLength], b, c, y likewise; inner = C = 1.
// Threads  QUADS groups of four values of y each, LANES in a workgroup.
// Exact    copies, no arithmetic.
// Needs    QUADS divides C4, 1 where LAST; grid (ceil(groups of y / QUADS / LANES), 1, 1).
// Cost     reads and writes each value once. CPU reference: engine/kernels/concat.ts.
#include "lib/lanes.wgsl"
#param LAST
#param HAS_C
#param LANES
#param QUADS

#if LAST
fn pitch(length: u32) -> u32 { return (length + 3u) / 4u * 4u; }

fn pick(row: u32, column: u32) -> f32 {
  if (column < p.aLength) { return atA(row * pitch(p.aLength) + column); }
  let inB = column - p.aLength;
#if HAS_C
  if (inB >= p.bLength) { return atC(row * pitch(p.cLength) + inB - p.bLength); }
#endif
  return atB(row * pitch(p.bLength) + inB);
}
#endif

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let length = p.aLength + p.bLength + p.cLength;
  let i = (wg.x + p.base.x) * LANES + lane;
#if LAST
  let groups = (length + 3u) / 4u;
  if (i >= p.outer * groups) { return; }
  let column = 4u * (i % groups);
  var v = vec4f();
  for (var k = 0u; k < min(4u, length - column); k++) { v[k] = pick(i / groups, column + k); }
  storeY(i, v);
#else
  let span = p.inner * ((p.C + 3u) / 4u / QUADS); // runs in one entry of the joined axis
  if (i >= p.outer * length * span) { return; }
  let entry = i / span;
  let o = entry / length;
  let at = entry % length;
  let rest = i % span;
  if (at < p.aLength) {
    storesY(i, loadsA((o * p.aLength + at) * span + rest));
    return;
  }
  let inB = at - p.aLength;
#if HAS_C
  if (inB >= p.bLength) {
    storesY(i, loadsC((o * p.cLength + inB - p.bLength) * span + rest));
    return;
  }
#endif
  storesY(i, loadsB((o * p.bLength + inB) * span + rest));
#endif
}
