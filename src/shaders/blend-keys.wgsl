// blend-keys: the motion field at the moment of one frame, from its key times.
//
//   y[cell] = (sum over i of weight[i] * keys[key[i], cell].xyz, progress),   i = 0 … 3
//   frames[step] = (key 0 … 3, weight 0 … 3, progress, -, -, -)
//
// Layout   keys [K, cells, 4]  frames [N, 12]  step [1] u32  y [cells, 4]: displacement x, y, confidence, progress
// Threads  one cell each, 64 in a workgroup.
// Exact    f32. A step past the end reads the last frame; keys are clamped to 0 … K - 1.
// Needs    grid (ceil(cells / 64), 1, 1).
// Cost     a few dozen kilobytes a frame. CPU reference: engine/kernels/blend-keys.ts.

fn keyAt(key: f32, cell: u32) -> vec4f {
  return loadKeys(min(u32(max(key, 0.0)), p.K - 1u) * p.cells + cell);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let cell = (wg.x + p.base.x) * 64u + lane;
  if (cell >= p.cells) { return; }
  let frame = min(step[0], p.N - 1u) * 3u;
  let key = loadFrames(frame);
  let weight = loadFrames(frame + 1u);
  let sum = weight.x * keyAt(key.x, cell) + weight.y * keyAt(key.y, cell)
    + weight.z * keyAt(key.z, cell) + weight.w * keyAt(key.w, cell);
  storeY(cell, vec4f(sum.xyz, loadFrames(frame + 2u).x));
}
