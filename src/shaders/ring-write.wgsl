// ring-write: a block of rows takes the place of the oldest one in a ring, at a place that is known on the device alone.
//
//   ring[(step * slots + slot) * rows + r, :] = x[r, :]
//
// Layout   x [rows, C]  ring [steps * slots * rows, C]  step, slot [1] u32
// Threads  one group of four values each, 64 in a workgroup.
// Exact    a copy. A step or slot past the end writes to the last, never outside.
// Needs    grid (ceil(rows * C4 / 64), 1, 1).
// Cost     reads and writes rows * C values. CPU reference: engine/kernels/ring-write.ts.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let groups = p.rows * ((p.C + 3u) / 4u);
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= groups) { return; }
  let place = min(step[0], p.steps - 1u) * p.slots + min(slot[0], p.slots - 1u);
  storeRing(place * groups + i, loadX(i));
}
