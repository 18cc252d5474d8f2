// frame-attention: each place attends to itself in all frames.
//
//   y[f,n,h,:] = sum_g w[g] v[g,n,h,:]    w = softmax_g(scale q[f,n,h,:] . k[g,n,h,:])
//
// Layout   q, k, v, y: rows of heads * D; frame f of place n is row f * frameStep + n * placeStep, so that frames may be
//          slowest (N, 1) or fastest (1, F): nothing is turned before or after.
// Threads  one row of one head each, 64 in a workgroup, heads fastest: neighbours read neighbouring memory.
// Exact    f32; online softmax: what was summed so far shrinks as the maximum grows.
// Needs    D = 4 D4, at most 128; grid (ceil(F * N * heads / 64), 1, 1).
// Cost     4 F F N heads D flops; k and v come from caches. CPU reference: engine/kernels/frame-attention.ts.
#param D4

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= p.F * p.N * p.heads) { return; }
  let row = i / p.heads;
  let head = i % p.heads;
  // Rows are taken in the order of memory.
  let place = select(row / p.F, row % p.N, p.placeStep == 1u) * p.placeStep;
  var q: array<vec4f, D4>;
  var sum: array<vec4f, D4>;
  for (var d = 0u; d < D4; d++) { q[d] = loadQ(i * D4 + d) * p.scale; }
  var most = -3.0e38;
  var total = 0.0;
  for (var frame = 0u; frame < p.F; frame++) {
    let at = ((place + frame * p.frameStep) * p.heads + head) * D4;
    var score = 0.0;
    for (var d = 0u; d < D4; d++) { score += dot(q[d], loadK(at + d)); }
    let next = max(most, score);
    let shrink = exp(most - next);
    let weight = exp(score - next);
    total = total * shrink + weight;
    most = next;
    for (var d = 0u; d < D4; d++) { sum[d] = sum[d] * shrink + weight * loadV(at + d); }
  }
  for (var d = 0u; d < D4; d++) { storeY(i * D4 + d, sum[d] / total); }
}
