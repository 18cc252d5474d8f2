// to-rgba: frames of numbers become pixels of four bytes, ready for a canvas or an encoder.
//
//   byte = round(255 clamp(scale * x + shift, 0, 1)) for red, green and blue; alpha as given
//
// Layout   x [pixels, 3]  y [pixels] u32, red in the lowest byte
// Threads  one pixel each, 64 in a workgroup.
// Exact    f32, rounded to nearest. A value that is not a number becomes 0.
// Needs    grid (ceil(pixels / 64), 1, 1).
// Cost     reads 8 or 16 bytes a pixel, writes 4. CPU reference: engine/kernels/to-rgba.ts.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= p.pixels) { return; }
  let v = loadX(i).rgb * p.scale + p.shift;
  let shown = select(vec3f(), clamp(v, vec3f(), vec3f(1.0)), v == v);
  y[i] = pack4x8unorm(vec4f(shown, p.alpha));
}
