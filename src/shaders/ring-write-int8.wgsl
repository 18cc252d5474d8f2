// ring-write-int8: a block of rows as 8-bit integers in a ring, with one scale for each head of a row.
//
//   at = (step * slots + slot) * rows + r    scale[at, h] = max_d |x[r,h,d]| / 127    ring[at,h,d] = round(x[r,h,d] / scale)
//
// Layout   x [rows, heads * D]  ring [steps * slots * rows, heads * D] i8  scale [steps * slots * rows, heads]
//          step, slot [1] u32
// Threads  four heads of a row each, so that their scales are written as one vector; 64 in a workgroup.
// Exact    f32; a head of zeros has scale 0. A step or slot past the end writes to the last, never outside.
// Needs    D a multiple of 16; grid (ceil(rows * ceil(heads / 4) / 64), 1, 1).
// Cost     reads x twice, writes one byte a value. CPU reference: engine/kernels/ring-write-int8.ts.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let quads = (p.heads + 3u) / 4u;
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= p.rows * quads) { return; }
  let place = min(step[0], p.steps - 1u) * p.slots + min(slot[0], p.slots - 1u);
  let row = i / quads;
  let at = place * p.rows + row;
  let runs = p.D / 16u; // of 16 values, in a head
  var scales: vec4f;
  for (var h = 0u; h < min(4u, p.heads - 4u * (i % quads)); h++) {
    let head = 4u * (i % quads) + h;
    let first = (row * p.heads + head) * 4u * runs;
    var most = vec4f();
    for (var d = 0u; d < 4u * runs; d++) { most = max(most, abs(loadX(first + d))); }
    let largest = max(max(most.x, most.y), max(most.z, most.w));
    let factor = select(127.0 / largest, 0.0, largest == 0.0);
    scales[h] = largest / 127.0;
    for (var run = 0u; run < runs; run++) {
      var words: vec4u;
      for (var k = 0u; k < 4u; k++) {
        let b = vec4u(vec4i(round(loadX(first + 4u * run + k) * factor))) & vec4u(255u);
        words[k] = b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);
      }
      ring[(at * p.heads + head) * runs + run] = words;
    }
  }
  storeScale(at * quads + i % quads, scales);
}
