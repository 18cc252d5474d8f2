// normRope: RMS norm of a row of x, then rotation of pairs of values: the sum of qk-norm-rope.wgsl. The kernel says where
// values go: put(group, values).
#param PAIRING
#param NORM
#param TEAM
#param HAS_WEIGHT
#param HAS_TABLE

var<workgroup> partial: array<f32, 64>;

fn normed(first: u32, i: u32, scale: f32, weights: u32) -> vec4f {
#if HAS_WEIGHT
  return loadX(first + i) * scale * loadWeight(weights + i);
#else
  return loadX(first + i) * scale;
#endif
}

fn normRope(workgroup: u32, invocation: u32) {
  let lane = invocation % 64u; // says how large it can be
  let row = workgroup * (64u / TEAM) + lane / TEAM;
  let own = lane % TEAM;
  let D4 = p.D / 4u;
  let groups = p.heads * D4;
  let first = min(row, p.rows - 1u) * groups;
  var scale = 1.0;
#if NORM
  var squares = 0.0;
  for (var i = own; i < groups; i += TEAM) {
    let v = loadX(first + i);
    squares += dot(v, v);
  }
  partial[lane] = squares;
  for (var half = u32(TEAM) / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (own < half) { partial[lane] += partial[lane + half]; }
  }
  workgroupBarrier();
  scale = 1.0 / sqrt(partial[lane - own] / f32(4u * groups) + p.eps);
#endif

  if (row >= p.rows) { return; }
  let weights = row / p.planeRows * groups;
  for (var i = own; i < groups; i += TEAM) {
    let v = normed(first, i, scale, weights);
#if HAS_TABLE
    let position = row % p.planeRows / p.rowsPerPosition * D4;
#if PAIRING == interleaved
    let t = loadTable(position + i % D4); // cos, sin of two pairs
    put(first + i, vec4f(v.x * t.x - v.y * t.y, v.x * t.y + v.y * t.x, v.z * t.z - v.w * t.w, v.z * t.w + v.w * t.z));
#else
    let H4 = D4 / 2u;
    let j = i % D4 % H4; // four pairs: cos and sin alternate over two groups of the table
    let t = loadTable(position + 2u * j);
    let u = loadTable(position + 2u * j + 1u);
    let upper = i % D4 >= H4;
    let other = normed(first, select(i + H4, i - H4, upper), scale, weights) * select(-1.0, 1.0, upper);
    put(first + i, v * vec4f(t.xz, u.xz) + other * vec4f(t.yw, u.yw));
#endif
#else
    put(first + i, v);
#endif
  }
}
