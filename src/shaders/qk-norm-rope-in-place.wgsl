// qk-norm-rope-in-place: qk-norm-rope where x is not needed afterwards: each row is written over itself.
//
//   x = the y of qk-norm-rope.wgsl
//
// Layout   x [rows, heads * D]; the rest as in qk-norm-rope
// Threads  as in qk-norm-rope; a lane writes the groups that it read itself, once its team has the row's mean.
// Exact    as qk-norm-rope.
// Needs    pairs of neighbours (interleaved); the rest as in qk-norm-rope.
// Cost     reads x twice (caches hold a row), writes it once. CPU reference: that of qk-norm-rope.
#include "lib/norm-rope.wgsl"

fn put(i: u32, values: vec4f) { storeX(i, values); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  normRope(wg.x + p.base.x, lane);
}
