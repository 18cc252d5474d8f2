// norm: normalises each row, then scales, shifts and modulates it.
//
//   layer  h = (x - mean) / sqrt(variance + eps)          rms  h = x / sqrt(mean(x^2) + eps)
//   l2     h = x / max(sqrt(sum x^2), eps) * sqrt(C)      (the channel norm of the Wan autoencoders)
//   y = activate((h * weight + bias) * (1 + modulation[g, scalePart]) + modulation[g, shiftPart])
//   g = min(row / rowsPerGroup, groups - 1)
//
// Layout   x, y [rows, C]  weight, bias [C]  modulation [groups, parts, C]
// Threads  a team of TEAM lanes for each row, 64 / TEAM rows in a workgroup; lanes stride over groups of four columns.
// Exact    f32 throughout; variance in a second pass over x (E[x^2] - E[x]^2 cancels when |mean| is large).
// Needs    TEAM a power of two <= 64; SUBGROUPS only with TEAM = 64; grid (ceil(rows / (64 / TEAM)), 1, 1) folded by the recorder when long.
// Gain     SUBGROUPS: 4 % (f32) and 8 % (f16) on an H200 at 8192 rows of 1536.
// Cost     reads x two or three times (caches hold a row), writes y once. CPU reference: engine/kernels/norm.ts.
#include "lib/activation.wgsl"
#include "lib/lanes.wgsl"
#param KIND
#param TEAM
#param SUBGROUPS
#param HAS_WEIGHT
#param HAS_BIAS
#param HAS_MODULATION

#if SUBGROUPS
enable subgroups;
#endif

var<workgroup> partial: array<f32, 64>;

#if SUBGROUPS
var<private> subgroupIndex: u32;
var<private> subgroupCount: u32;
var<private> subgroupLane: u32;

// Sum of `mine` over the workgroup, which is one team: each subgroup by itself, then the subgroups in order.
fn teamSum(lane: u32, mine: f32) -> f32 {
  let sum = subgroupAdd(mine);
  if (subgroupLane == 0u) { partial[subgroupIndex] = sum; }
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < subgroupCount; i++) { total += partial[i]; }
  workgroupBarrier();
  return total;
}
#else
// Sum of `mine` over the TEAM lanes of a row; every lane of the team gets it.
fn teamSum(lane: u32, mine: f32) -> f32 {
  partial[lane] = mine;
  for (var half = u32(TEAM) / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane % TEAM < half) { partial[lane] += partial[lane + half]; }
  }
  workgroupBarrier();
  let total = partial[lane - lane % TEAM];
  workgroupBarrier();
  return total;
}
#endif

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wg: vec3u,
  @builtin(local_invocation_index) lane: u32,
#if SUBGROUPS
  @builtin(subgroup_id) index: u32,
  @builtin(num_subgroups) count: u32,
  @builtin(subgroup_invocation_id) own_lane: u32,
#endif
) {
#if SUBGROUPS
  subgroupIndex = index;
  subgroupCount = count;
  subgroupLane = own_lane;
#endif
  let row = (wg.x + p.base.x) * (64u / TEAM) + lane / TEAM;
  let groups = (p.C + 3u) / 4u;
  let first = min(row, p.rows - 1u) * groups;
  let own = lane % TEAM;

#if KIND == layer
  var sum = 0.0;
  for (var i = own; i < groups; i += TEAM) { sum += dot(loadX(first + i), vec4f(1.0)); }
  let mean = teamSum(lane, sum) / f32(p.C);
#else
  let mean = 0.0;
#endif

  var squares = 0.0;
  for (var i = own; i < groups; i += TEAM) {
    let d = keep(loadX(first + i) - mean, 4u * i, p.C);
    squares += dot(d, d);
  }
  let total = teamSum(lane, squares);
#if KIND == l2
  let scale = sqrt(f32(p.C)) / max(sqrt(total), p.eps);
#else
  let scale = 1.0 / sqrt(total / f32(p.C) + p.eps);
#endif

  if (row >= p.rows) { return; }
  let group = min(row / p.rowsPerGroup, p.groups - 1u) * p.parts;
  for (var i = own; i < groups; i += TEAM) {
    var v = (loadX(first + i) - mean) * scale;
#if HAS_WEIGHT
    v *= loadWeight(i);
#endif
#if HAS_BIAS
    v += loadBias(i);
#endif
#if HAS_MODULATION
    v = v * (1.0 + loadModulation((group + p.scalePart) * groups + i)) + loadModulation((group + p.shiftPart) * groups + i);
#endif
    storeY(first + i, keep(activate(v), 4u * i, p.C));
  }
}
