// frame-attention: each pixel attends to itself in all frames.
//
//   y[f,n,h,:] = sum_g w[g] v[g,n,h,:]    w = softmax_g(scale q[f,n,h,:] . k[g,n,h,:])
//
// Layout   q, k, v, y [F, N, heads * D], frames slowest: nothing is turned before or after.
// Threads  one row of one head each, 64 in a workgroup, heads fastest: neighbours read neighbouring memory.
// Exact    f32; online softmax: what was summed so far shrinks as the maximum grows.
// Needs    D = 4 D4, at most 128; grid (ceil(F * N * heads / 64), 1, 1).
// Cost     4 F F N heads D flops; k and v come from caches. CPU reference: engine/kernels/frame-attention.ts.
#param D4

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wg.x + p.base.x) * 64u + lane;
  let perFrame = p.N * p.heads;
  if (i >= p.F * perFrame) { return; }
  var q: array<vec4f, D4>;
  var sum: array<vec4f, D4>;
  for (var d = 0u; d < D4; d++) { q[d] = loadQ(i * D4 + d) * p.scale; }
  var most = -3.0e38;
  var total = 0.0;
  for (var frame = 0u; frame < p.F; frame++) {
    let at = (frame * perFrame + i % perFrame) * D4;
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
