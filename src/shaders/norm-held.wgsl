// norm-held: norm that reads each row once and keeps it in registers.
//
//   y = activate((h * weight + bias) * (1 + modulation[g, scalePart]) + modulation[g, shiftPart]), h and g as in norm
//
// Layout   as in norm: x, y [rows, C]  weight, bias [C]  modulation [groups, parts, C]
// Threads  a team of TEAM lanes for ROWS rows at a time, LANES / TEAM teams in a workgroup; a lane holds HELD runs of QUADS
//          groups of four values of each row. Weights are read once for all rows of a team.
// Exact    f32 throughout; variance about the mean.
// Needs    QUADS divides C4; HELD TEAM QUADS >= C4, equal where WHOLE; C a multiple of four where WHOLE; what lib/team-sums.wgsl says; grid (ceil(rows / ROWS / teams), 1, 1).
// Cost     reads x once, writes y once. CPU reference: engine/kernels/norm.ts.
#include "lib/activation.wgsl"
#include "lib/lanes.wgsl"
#include "lib/team-sums.wgsl"
#param KIND
#param HELD
#param WHOLE
#param QUADS
#param HAS_WEIGHT
#param HAS_BIAS
#param HAS_MODULATION

fn sumOf(run: Quads) -> f32 {
  var sum = 0.0;
#unroll q QUADS
  sum += dot(run[$q], vec4f(1.0));
#end
  return sum;
}

// Sum of squares about the mean of run `at`, nothing where the row has no such run.
fn squaresOf(run: Quads, mean: f32, at: u32, runs: u32) -> f32 {
  var sum = 0.0;
#unroll q QUADS
#if WHOLE
  let d$q = run[$q] - mean;
#else
  let d$q = keep(run[$q] - mean, 4u * (at * QUADS + $qu), p.C);
#endif
  sum += dot(d$q, d$q);
#end
  return select(0.0, sum, WHOLE || at < runs);
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) wg: vec3u,
#if SUBGROUPS
  @builtin(subgroup_id) index: u32,
  @builtin(num_subgroups) count: u32,
  @builtin(subgroup_invocation_id) place: u32,
  @builtin(subgroup_size) size: u32,
#else
  @builtin(local_invocation_index) lane: u32,
#endif
) {
#if SUBGROUPS
  let lane = teamLane(Subgroup(index, count, place), size);
#endif
  let runs = (p.C + 3u) / 4u / QUADS;
  let row = ((wg.x + p.base.x) * (LANES / TEAM) + lane / TEAM) * ROWS;
#unroll k HELD
  let at$k = lane % TEAM + $ku * TEAM;
#end
#unroll r ROWS
  let first$r = min(row + $ru, p.rows - 1u) * runs;
#unroll k HELD
  let x$r_$k = loadsX(first$r + select(min(at$k, runs - 1u), at$k, WHOLE));
#end
#end

  var mean = Sums();
#if KIND == layer
#unroll r ROWS
#unroll k HELD
  mean[$r] += select(0.0, sumOf(x$r_$k), WHOLE || at$k < runs);
#end
#end
  mean = teamSums(lane, mean);
#unroll r ROWS
  mean[$r] /= f32(p.C);
#end
#endif

  var squares = Sums();
#unroll r ROWS
#unroll k HELD
  squares[$r] += squaresOf(x$r_$k, mean[$r], at$k, runs);
#end
#end
  squares = teamSums(lane, squares);
  var scale = Sums();
#unroll r ROWS
#if KIND == l2
  scale[$r] = sqrt(f32(p.C)) / max(sqrt(squares[$r]), p.eps);
#else
  scale[$r] = 1.0 / sqrt(squares[$r] / f32(p.C) + p.eps);
#endif
  let group$r = min((row + $ru) / p.rowsPerGroup, p.groups - 1u) * p.parts;
#end

#unroll k HELD
  if (WHOLE || at$k < runs) {
#if HAS_WEIGHT
    let weight$k = loadsWeight(at$k);
#endif
#if HAS_BIAS
    let bias$k = loadsBias(at$k);
#endif
#if HAS_MODULATION
    // Rows of a team mostly share their group.
    var gain = loadsModulation((group0 + p.scalePart) * runs + at$k);
    var shift = loadsModulation((group0 + p.shiftPart) * runs + at$k);
#endif
#unroll r ROWS
    if (row + $ru < p.rows) {
      var v = x$r_$k;
#if HAS_MODULATION
      if (group$r != group0) {
        gain = loadsModulation((group$r + p.scalePart) * runs + at$k);
        shift = loadsModulation((group$r + p.shiftPart) * runs + at$k);
      }
#endif
#unroll q QUADS
      v[$q] = (v[$q] - mean[$r]) * scale[$r];
#if HAS_WEIGHT
      v[$q] *= weight$k[$q];
#endif
#if HAS_BIAS
      v[$q] += bias$k[$q];
#endif
#if HAS_MODULATION
      v[$q] = v[$q] * (1.0 + gain[$q]) + shift[$q];
#endif
#if WHOLE
      v[$q] = activate(v[$q]);
#else
      v[$q] = keep(activate(v[$q]), 4u * (at$k * QUADS + $qu), p.C);
#endif
#end
      storesY(first$r + at$k, v);
    }
#end
  }
#end
}
