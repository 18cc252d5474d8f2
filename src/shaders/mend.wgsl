// mend: adds a network's correction to a warped frame where the warp is not trusted, and packs the frame as RGBA8.
//
//   gate = clamp(2.5 * max(1/2 - confidence, 0) + outside, 0, 1) * min(1, 8 * progress)
//   rgb  = clamp(warped + gate * delta, 0, 1), rounded to 8 bits; alpha 255
//
// Layout   warped [H', W', 32] as the kernel warp writes it   delta [H', W', 12]: channel, row, column of a block
//          y [H * W] RGBA8, rows from the top
// Threads  one block of 2 x 2 pixels each, 8 x 8 blocks in a workgroup.
// Exact    f32, rounded half to even or up by the device; the gate is zero at progress 0.
// Needs    grid (ceil(W' / 8), ceil(H' / 8), 1).
// Cost     48 values in, four words out. CPU reference: engine/kernels/mend.ts.

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let block = (wg.xy + p.base.xy) * 8u + lane.xy;
  let columns = (p.W + 3u) / 4u * 2u;
  if (block.x >= columns || block.y >= (p.H + 3u) / 4u * 2u) { return; }
  let index = block.y * columns + block.x;
  let at = index * 8u;
  let doubt = 2.5 * max(0.5 - loadWarped(at + 3u), vec4f()) + loadWarped(at + 5u);
  let gate = clamp(doubt, vec4f(), vec4f(1.0)) * min(vec4f(1.0), 8.0 * loadWarped(at + 6u));
  let red = loadWarped(at) + gate * loadDelta(index * 3u);
  let green = loadWarped(at + 1u) + gate * loadDelta(index * 3u + 1u);
  let blue = loadWarped(at + 2u) + gate * loadDelta(index * 3u + 2u);
  for (var i = 0u; i < 4u; i++) {
    let place = 2u * block + vec2u(i & 1u, i >> 1u);
    if (all(place < vec2u(p.W, p.H))) {
      y[place.y * p.W + place.x] = pack4x8unorm(vec4f(red[i], green[i], blue[i], 1.0));
    }
  }
}
