// attention-matrix: attention by subgroup matrices.
//
//   y = put(softmax(scale q kT) v), with a bias on the last key: attention.wgsl, without its table of positions
//
// Layout   as in attention
// Threads  64 TEAMS in a workgroup make 32 TEAMS rows of one head. The two subgroups of a team have 32 rows together: each
//          scores them against half of the keys and sums half of their columns, so that what it reads of keys and values
//          serves 32 rows. Queries and sums stay in its matrices; keys and values pass through workgroup memory 32 at a
//          time, the next ones on their way meanwhile. Scores of the next keys are made beside the sums of these, with
//          the softmax in between: two invocations share a row of it, as matrices cannot be reached value by value.
// Exact    q (scaled), k, v and the weights in f16; products summed in f32; the softmax in f32, in powers of two. What
//          was summed so far shrinks when a row's maximum has grown by more than 8, so that weights stay below 256.
// Needs    D = 16 PIECES, PIECES even; TEAMS 2 or 4; subgroups of 32; matrices 16 x 16 x 16 from f16 to f32;
//          grid (ceil(Lq / (32 TEAMS)), heads, groups).
// Cost     4 Lq Lk D heads groups flops. Source: Dao 2023, arXiv:2307.08691; reference: that of attention.
#include "lib/attention-out.wgsl"
#include "lib/attention-weights.wgsl"
#param PIECES

const GROUPS = 4u * PIECES;     // groups of four along D
const PITCH = GROUPS + 2u;      // from row to row in workgroup memory: two more, so that rows lie in other banks
const VALUES = KEYS * PITCH;    // where the values begin

alias Left = subgroup_matrix_left<Real, 16, 16>;
alias Right = subgroup_matrix_right<Real, 16, 16>;
alias Sums = subgroup_matrix_result<f32, 16, 16>;

var<workgroup> tiles: array<Real4, 2u * VALUES>; // first the queries, 64 at a time; then keys and values

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let lane = invocation % LANES; // says how large it can be
  let row0 = (wg.x + p.base.x) * ROWS;
  let head = wg.y + p.base.y;
  let kvHead = head / (p.heads / p.kvHeads);
  let q0 = (wg.z + p.base.z) * p.Lq; // first row and key of the group
  let k0 = (wg.z + p.base.z) * p.Lk;
  let team = lane / 64u;
  let side = lane / 32u % 2u;        // which half of keys and columns the subgroup has
  let first = team * 32u;            // row of the team, then of the invocation and which half of its scores
  let row = lane / 2u;
  let half = lane % 2u;

#unroll r 2
#unroll d PIECES
  var query$r_$d: Left;
#end
#end
#unroll n TEAMS / 2
  for (var e = lane; e < 64u * GROUPS; e += LANES) {
    let at = ((q0 + min(row0 + $n * 64u + e / GROUPS, p.Lq - 1u)) * p.heads + head) * GROUPS + e % GROUPS;
    tiles[e / GROUPS * PITCH + e % GROUPS] = realQ(at) * Real(p.scale * LOG2E);
  }
  workgroupBarrier();
  if (team / 2u == $n) {
#unroll r 2
#unroll d PIECES
    query$r_$d = subgroupMatrixLoad<Left, row_major>(&tiles, (first % 64u + $r * 16u) * PITCH + $d * 4u, PITCH);
#end
#end
  }
  workgroupBarrier();
#end
#unroll n 2 * PIECES / TEAMS
  let line$n = (lane + $n * LANES) / GROUPS; // of the keys and values that this invocation fetches
  let slot$n = line$n * PITCH + (lane + $n * LANES) % GROUPS;
  let from$n = kvHead * GROUPS + (lane + $n * LANES) % GROUPS;
  let start$n = (k0 + min(line$n, p.Lk - 1u)) * p.kvHeads * GROUPS + from$n;
  var key$n = realK(start$n);
  var value$n = realV(start$n);
#end
#unroll r 2
#unroll d PIECES / 2
  var sum$r_$d = Sums();
#end
#end
  var most = LOWEST;
  var total = 0.0;
  var shrink = 1.0;

  // One step scores the keys from `begin` on and sums the values of those before, whose weights are zero at first.
  for (var begin = 0u; begin < p.Lk + KEYS; begin += KEYS) {
    if (begin > 0u) { shrink = weigh(lane, begin - KEYS, &most, &total); }
#unroll n 2 * PIECES / TEAMS
    tiles[slot$n] = key$n;
    tiles[VALUES + slot$n] = value$n;
#end
    if (workgroupUniformLoad(&grown) != 0u) {
#unroll d PIECES / 2
#unroll r 2
      subgroupMatrixStore<row_major>(&scores, (first + $r * 16u) * SCORE_PITCH + side * 4u, sum$r_$d, SCORE_PITCH);
#end
      workgroupBarrier();
#unroll i 4
      scores[row * SCORE_PITCH + half * 4u + $i] *= shrink;
#end
      workgroupBarrier();
#unroll r 2
      sum$r_$d = subgroupMatrixLoad<Sums, row_major>(&scores, (first + $r * 16u) * SCORE_PITCH + side * 4u, SCORE_PITCH);
#end
      workgroupBarrier();
#end
      atomicStore(&grown, 0u);
    }
#unroll n 2 * PIECES / TEAMS
    key$n = realK((k0 + min(begin + KEYS + line$n, p.Lk - 1u)) * p.kvHeads * GROUPS + from$n);
    value$n = realV((k0 + min(begin + line$n, p.Lk - 1u)) * p.kvHeads * GROUPS + from$n);
#end
    var scores0 = Sums();
    var scores1 = Sums();
#unroll d PIECES
    let keys$d = subgroupMatrixLoad<Right, col_major>(&tiles, side * 16u * PITCH + $d * 4u, PITCH);
    scores0 = subgroupMatrixMultiplyAccumulate(query0_$d, keys$d, scores0);
    scores1 = subgroupMatrixMultiplyAccumulate(query1_$d, keys$d, scores1);
#end
#unroll h 2
#unroll r 2
    let weights$r_$h = subgroupMatrixLoad<Left, row_major>(&weights, (first + $r * 16u) * WEIGHT_PITCH + $h * 4u, WEIGHT_PITCH);
#end
#end
#unroll d PIECES / 2
#unroll h 2
    let values$d_$h = subgroupMatrixLoad<Right, row_major>(&tiles, VALUES + $h * 16u * PITCH + side * GROUPS / 2u + $d * 4u, PITCH);
#unroll r 2
    sum$r_$d = subgroupMatrixMultiplyAccumulate(weights$r_$h, values$d_$h, sum$r_$d);
#end
#end
#end
    subgroupMatrixStore<row_major>(&scores, first * SCORE_PITCH + side * 4u, scores0, SCORE_PITCH);
    subgroupMatrixStore<row_major>(&scores, (first + 16u) * SCORE_PITCH + side * 4u, scores1, SCORE_PITCH);
    workgroupBarrier();
  }

  total += subgroupShuffleXor(total, 1u);
#unroll d PIECES / 2
#unroll r 2
  subgroupMatrixStore<row_major>(&scores, (first + $r * 16u) * SCORE_PITCH + side * 4u, sum$r_$d, SCORE_PITCH);
#end
  workgroupBarrier();
  if (row0 + row < p.Lq) {
    let at = ((q0 + row0 + row) * p.heads + head) * GROUPS + half * GROUPS / 2u + $d * 4u;
#unroll i 4
    put(at + $i, scores[row * SCORE_PITCH + half * 4u + $i] / total);
#end
  }
  workgroupBarrier();
#end
}
