// group-attention: each group of rows attends to a few keys of its own.
//
//   y[r,h,:] = sum_j w[j] v[g keys + j, h, :]    w = softmax_j(scale q[r,h,:] . k[g keys + j, h, :])
//   g = r / rowsPerGroup
//
// Layout   q, y [rows, heads * D]  k, v [groups * keys, heads * D]
// Threads  one row of one head each, 64 in a workgroup: the scores of all keys stay in registers.
// Exact    f32.
// Needs    D a multiple of 4, keys <= 8, scale > 0, rows = groups * rowsPerGroup; grid (ceil(rows * heads / 64), 1, 1).
// Cost     4 rows heads keys D flops; k and v come from caches. CPU reference: engine/kernels/group-attention.ts.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= p.rows * p.heads) { return; }
  let D4 = p.D / 4u;
  let head = i % p.heads;
  let first = i * D4; // rows of heads follow one another
  let key0 = (i / p.heads / p.rowsPerGroup) * p.keys;

  var s: array<f32, 8>;
  for (var d = 0u; d < D4; d++) {
    let q = loadQ(first + d);
    for (var j = 0u; j < p.keys; j++) { s[j] += dot(q, loadK(((key0 + j) * p.heads + head) * D4 + d)); }
  }
  var most = s[0];
  for (var j = 1u; j < p.keys; j++) { most = max(most, s[j]); }
  var total = 0.0;
  for (var j = 0u; j < p.keys; j++) {
    s[j] = exp(p.scale * (s[j] - most));
    total += s[j];
  }
  for (var d = 0u; d < D4; d++) {
    var sum = vec4f();
    for (var j = 0u; j < p.keys; j++) { sum += s[j] * loadV(((key0 + j) * p.heads + head) * D4 + d); }
    storeY(first + d, sum / total);
  }
}
