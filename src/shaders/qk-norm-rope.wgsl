// qk-norm-rope: RMS norm of each row, then rotation of pairs of values by the angle of their position.
//
//   h = x / sqrt(mean(x²) + eps) * weight                      (NORM; else h = x)
//   y[a] = h[a] cos t - h[b] sin t    y[b] = h[a] sin t + h[b] cos t,  t = angle of (position, j)
//   pair j of a head: a, b = 2j, 2j + 1 (interleaved) or j, j + D/2 (half)
//
// Layout   x, y [rows, heads * D]  weight [planes, heads * D]  table [positions, D]: cos and sin of pair j at 2j and
//          2j + 1. Planes of planeRows rows lie behind one another, queries and keys; row r of one stands at position
//          r / rowsPerPosition.
// Threads  a team of TEAM lanes for each row, 64 / TEAM rows in a workgroup; lanes stride over groups of four columns. With
//          interleaved pairs a lane reads only what it writes, so that y may lie over x.
// Exact    f32 throughout; angles come from the CPU, where they are formed in f64.
// Needs    D a multiple of 4 (8 for half); TEAM a power of two <= 64; grid (ceil(rows / (64 / TEAM)), 1, 1).
// Cost     reads x twice (caches hold a row), writes y once. CPU reference: engine/kernels/qk-norm-rope.ts.
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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let lane = invocation % 64u; // says how large it can be
  let row = (wg.x + p.base.x) * (64u / TEAM) + lane / TEAM;
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
    storeY(first + i, vec4f(v.x * t.x - v.y * t.y, v.x * t.y + v.y * t.x, v.z * t.z - v.w * t.w, v.z * t.w + v.w * t.z));
#else
    let H4 = D4 / 2u;
    let j = i % D4 % H4; // four pairs: cos and sin alternate over two groups of the table
    let t = loadTable(position + 2u * j);
    let u = loadTable(position + 2u * j + 1u);
    let upper = i % D4 >= H4;
    let other = normed(first, select(i + H4, i - H4, upper), scale, weights) * select(-1.0, 1.0, upper);
    storeY(first + i, v * vec4f(t.xz, u.xz) + other * vec4f(t.yw, u.yw));
#endif
#else
    storeY(first + i, v);
#endif
  }
}
