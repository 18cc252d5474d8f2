// group-merge: mean and scale of each group of channels, from the moments of channels over slabs of pixels.
//
//   With m, q the mean and the sum of squared deviations of a part that holds n values:
//   mean = sum n m / sum n        variance = sum (q + n (m - mean)^2) / sum n
//   stats[n, g] = (mean, 1 / sqrt(variance + eps)) of the channels g C / G .. + C / G - 1
//
// Layout   moments [N, slabs, 2, C]  stats [N, G, 2]
// Threads  one workgroup of 64 for each frame and group of channels; lanes stride over slabs and channels.
// Exact    f32, means first, then squares: a large mean cancels nothing.
// Needs    G divides C; grid (G, N, 1).
// Cost     reads moments twice. CPU reference: engine/kernels/group-merge.ts.
// Source   Chan, Golub & LeVeque 1979, parallel variance.
var<workgroup> partial: array<f32, 64>;

// Sum of `mine` over the workgroup; every lane gets it.
fn total(lane: u32, mine: f32) -> f32 {
  partial[lane] = mine;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  workgroupBarrier();
  let sum = partial[0];
  workgroupBarrier();
  return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = wg + p.base;
  let pitch = (p.C + 3u) / 4u * 4u;
  let size = p.C / p.G;
  let first = tile.x * size;
  let values = f32(p.P * size);

  var sum = 0.0;
  for (var i = lane; i < p.slabs * size; i += 64u) {
    let slab = i / size;
    let count = f32(min(p.P, slab * p.span + p.span) - slab * p.span);
    sum += count * atMoments((tile.y * p.slabs + slab) * 2u * pitch + first + i % size);
  }
  let mean = total(lane, sum) / values;

  var squares = 0.0;
  for (var i = lane; i < p.slabs * size; i += 64u) {
    let slab = i / size;
    let count = f32(min(p.P, slab * p.span + p.span) - slab * p.span);
    let at = (tile.y * p.slabs + slab) * 2u * pitch + first + i % size;
    let d = atMoments(at) - mean;
    squares += atMoments(at + pitch) + count * d * d;
  }
  let scale = 1.0 / sqrt(total(lane, squares) / values + p.eps);
  if (lane == 0u) { storeStats(tile.y * p.G + tile.x, vec4f(mean, scale, 0.0, 0.0)); }
}
