// softmax: exponentials of each row as shares of their sum.
//
//   y[r, c] = exp(s[r, c] - m[r]) / sum_c exp(s[r, c] - m[r])     s = scale * x, + lastBias in the last column
//   m[r] = max_c s[r, c]
//
// Layout   x, y [rows, C]
// Threads  one workgroup of 256 for each row; lanes stride over groups of four columns.
// Exact    f32 throughout; the row's maximum is taken off first, so that nothing overflows.
// Needs    grid (rows, 1, 1) folded by the recorder when long.
// Cost     reads x three times (caches hold a row), writes y once. CPU reference: engine/kernels/softmax.ts.
#include "lib/lanes.wgsl"

const LANES = 256u;
const LOWEST = -3.4e38;

var<workgroup> partial: array<f32, 256>;

// Score of group i of a row; lanes past its end count for nothing.
fn score(first: u32, i: u32) -> vec4f {
  let columns = 4u * i + vec4u(0u, 1u, 2u, 3u);
  let s = loadX(first + i) * p.scale + select(vec4f(0.0), vec4f(p.lastBias), columns == vec4u(p.C - 1u));
  return select(s, vec4f(LOWEST), columns >= vec4u(p.C));
}

fn rowMax(lane: u32, mine: f32) -> f32 {
  partial[lane] = mine;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] = max(partial[lane], partial[lane + half]); }
  }
  workgroupBarrier();
  let most = partial[0];
  workgroupBarrier();
  return most;
}

fn rowSum(lane: u32, mine: f32) -> f32 {
  partial[lane] = mine;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  workgroupBarrier();
  return partial[0];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wg.x + p.base.x;
  let groups = (p.C + 3u) / 4u;
  let first = min(row, p.rows - 1u) * groups;

  var mine = LOWEST;
  for (var i = lane; i < groups; i += LANES) {
    let s = score(first, i);
    mine = max(mine, max(max(s.x, s.y), max(s.z, s.w)));
  }
  let most = rowMax(lane, mine);

  var sum = 0.0;
  for (var i = lane; i < groups; i += LANES) {
    sum += dot(keep(exp(score(first, i) - most), 4u * i, p.C), vec4f(1.0));
  }
  let share = 1.0 / rowSum(lane, sum);

  if (row >= p.rows) { return; }
  for (var i = lane; i < groups; i += LANES) {
    storeY(first + i, keep(exp(score(first, i) - most) * share, 4u * i, p.C));
  }
}
