// group-merge: mean and scale of each group of channels, from the moments of channels over slabs of pixels.
//
//   With m, q the mean and the sum of squared deviations of a part that holds n values, and d = m - m0 of the first part:
//   mean = m0 + sum n d / sum n        variance = (sum (q + n d^2) - (sum n d)^2 / sum n) / sum n
//   stats[n, g] = (mean, 1 / sqrt(variance + eps)) of the channels g SIZE .. g SIZE + SIZE - 1
//
// Layout   moments [N, slabs, 2, C]  stats [N, G, 2]
// Threads  one workgroup of LANES for each frame and group of channels; lanes stride over slabs and channels, AHEAD parts
//          asked for at once.
// Exact    f32; deviations from one of the means, so that a large mean cancels nothing.
// Needs    SIZE = C / G whole; grid (G, N, 1).
// Cost     reads moments. CPU reference: engine/kernels/group-merge.ts.
// Source   Chan, Golub & LeVeque 1979, parallel variance.
#param LANES
#param SIZE

const AHEAD = 4;

var<workgroup> partial: array<vec2f, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = wg + p.base;
  let pitch = (p.C + 3u) / 4u * 4u;
  let first = tile.y * p.slabs * 2u * pitch + tile.x * SIZE;
  let parts = p.slabs * SIZE;
  let values = f32(p.P * SIZE);
  let m0 = atMoments(first);

  var sums = vec2f();
  for (var i = lane; i < parts; i += LANES * AHEAD) {
#unroll k AHEAD
    let part$k = min(i + $ku * LANES, parts - 1u);
    let at$k = first + part$k / SIZE * 2u * pitch + part$k % SIZE;
    let mean$k = atMoments(at$k);
    let squares$k = atMoments(at$k + pitch);
#end
#unroll k AHEAD
    if (i + $ku * LANES < parts) {
      let slab = part$k / SIZE;
      let count = f32(min(p.P, slab * p.span + p.span) - slab * p.span);
      let d = mean$k - m0;
      sums += vec2f(count * d, squares$k + count * d * d);
    }
#end
  }
  partial[lane] = sums;
  for (var half = u32(LANES) / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  if (lane > 0u) { return; }
  let total = partial[0];
  let variance = max(0.0, total.y - total.x * total.x / values) / values;
  storeStats(tile.y * p.G + tile.x, vec4f(m0 + total.x / values, 1.0 / sqrt(variance + p.eps), 0.0, 0.0));
}
