// resample: frames at another size, by the taps around each point.
//
//   centre = (Y + 1/2) H / Y's height - 1/2, and so for columns; the border repeats
//   nearest: the value at floor(Y H / height)    bilinear: 2 x 2 taps    bicubic: 4 x 4 taps, Keys with a = -3/4
//
// Layout   x [F, H, W, C]  y [F, height, width, C]
// Threads  one group of four channels of y each, 64 in a workgroup.
// Exact    f32. The same taps as torch's interpolate (align_corners off, no antialiasing).
// Needs    grid (ceil(F height width C4 / 64), 1, 1).
// Cost     reads 1, 4 or 16 groups, most of them from cache, and writes one. CPU reference: engine/kernels/resample.ts.
#param FILTER

#if FILTER == bicubic
const TAPS = 4;
fn weights(t: f32) -> vec4f {
  let d = vec4f(1.0 + t, t, 1.0 - t, 2.0 - t);
  let near = (1.25 * d - 2.25) * d * d + 1.0;
  let far = ((-0.75 * d + 3.75) * d - 6.0) * d + 3.0;
  return vec4f(far.x, near.y, near.z, far.w);
}
#elif FILTER == bilinear
const TAPS = 2;
fn weights(t: f32) -> vec4f { return vec4f(1.0 - t, t, 0.0, 0.0); }
#endif

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let groups = (p.C + 3u) / 4u;
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= p.F * p.height * p.width * groups) { return; }
  let group = i % groups;
  let column = (i / groups) % p.width;
  let row = (i / (groups * p.width)) % p.height;
  let frame = i / (groups * p.width * p.height) * p.H;
#if FILTER == nearest
  storeY(i, loadX(((frame + row * p.H / p.height) * p.W + column * p.W / p.width) * groups + group));
#else
  let centre = (vec2f(f32(row), f32(column)) + 0.5) * vec2f(f32(p.H) / f32(p.height), f32(p.W) / f32(p.width)) - 0.5;
  let first = vec2i(floor(centre)) - (TAPS / 2 - 1);
  let byRow = weights(fract(centre.x));
  let byColumn = weights(fract(centre.y));
  var sum = vec4f();
  for (var a = 0; a < TAPS; a++) {
    let y0 = u32(clamp(first.x + a, 0, i32(p.H) - 1));
    var line = vec4f();
    for (var b = 0; b < TAPS; b++) {
      let x0 = u32(clamp(first.y + b, 0, i32(p.W) - 1));
      line += byColumn[b] * loadX(((frame + y0) * p.W + x0) * groups + group);
    }
    sum += byRow[a] * line;
  }
  storeY(i, sum);
#endif
}
