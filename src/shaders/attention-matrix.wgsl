// attention-matrix: attention by subgroup matrices.
//
//   y = put(softmax(scale q kT) v), with a bias on the last key: attention.wgsl, without its table of positions
//
// Layout   as in attention
// Threads  128 in a workgroup make 64 rows of one head, each subgroup 16 of them. Queries and sums stay in its matrices;
//          keys and values pass through workgroup memory 32 at a time, the next ones on their way meanwhile. Two
//          invocations share a row of the softmax, as matrices cannot be reached value by value.
// Exact    q (scaled), k, v and the weights in f16; products summed in f32; the softmax in f32, in powers of two. What
//          was summed so far shrinks when a row's maximum has grown by more than 8, so that weights stay below 256.
// Needs    D = 16 PIECES; subgroups of 32; matrices 16 x 16 x 16 from f16 to f32; grid (ceil(Lq / 64), heads, groups).
// Cost     4 Lq Lk D heads groups flops. Source: Dao 2023, arXiv:2307.08691; reference: that of attention.
#include "lib/attention-out.wgsl"
#param PIECES

const KEYS = 32u;
const GROUPS = 4u * PIECES;     // groups of four along D
const PITCH = GROUPS + 2u;      // from row to row in workgroup memory: two more, so that rows lie in other banks
const WEIGHT_PITCH = 10u;
const SCORE_PITCH = 9u;
const VALUES = max(KEYS * PITCH, 64u * WEIGHT_PITCH); // where the values begin
const LOWEST = -3.0e38;
const SLACK = 8.0;

alias Left = subgroup_matrix_left<Real, 16, 16>;
alias Right = subgroup_matrix_right<Real, 16, 16>;
alias Sums = subgroup_matrix_result<f32, 16, 16>;

var<workgroup> tiles: array<Real4, VALUES + KEYS * PITCH>; // first the queries; then keys, later their weights, and values
var<workgroup> scores: array<vec4f, 64u * SCORE_PITCH>;
var<workgroup> grown: atomic<u32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row0 = (wg.x + p.base.x) * 64u;
  let head = wg.y + p.base.y;
  let kvHead = head / (p.heads / p.kvHeads);
  let q0 = (wg.z + p.base.z) * p.Lq; // first row and key of the group
  let k0 = (wg.z + p.base.z) * p.Lk;
  let first = lane / 32u * 16u;      // row of the subgroup, then of the invocation and which half of it
  let row = first + lane % 32u / 2u;
  let half = lane % 2u;

  for (var e = lane; e < 64u * GROUPS; e += 128u) {
    let at = ((q0 + min(row0 + e / GROUPS, p.Lq - 1u)) * p.heads + head) * GROUPS + e % GROUPS;
    tiles[e / GROUPS * PITCH + e % GROUPS] = realQ(at) * Real(p.scale * 1.4426950408889634);
  }
  workgroupBarrier();
#unroll d PIECES
  let query$d = subgroupMatrixLoad<Left, row_major>(&tiles, first * PITCH + $d * 4u, PITCH);
  var sum$d = Sums();
  let line$d = (lane + $d * 128u) / GROUPS; // of the keys and values that this invocation fetches
  let slot$d = line$d * PITCH + (lane + $d * 128u) % GROUPS;
  let from$d = kvHead * GROUPS + (lane + $d * 128u) % GROUPS;
  let start$d = (k0 + min(line$d, p.Lk - 1u)) * p.kvHeads * GROUPS + from$d;
  var key$d = realK(start$d);
  var value$d = realV(start$d);
#end
  var most = LOWEST;
  var total = 0.0;

  for (var begin = 0u; begin < p.Lk; begin += KEYS) {
    workgroupBarrier();
#unroll d PIECES
    tiles[slot$d] = key$d;
    tiles[VALUES + slot$d] = value$d;
#end
    workgroupBarrier();
    var scores0 = Sums();
    var scores1 = Sums();
#unroll d PIECES
    scores0 = subgroupMatrixMultiplyAccumulate(query$d, subgroupMatrixLoad<Right, col_major>(&tiles, $d * 4u, PITCH), scores0);
    scores1 = subgroupMatrixMultiplyAccumulate(query$d, subgroupMatrixLoad<Right, col_major>(&tiles, 16u * PITCH + $d * 4u, PITCH), scores1);
    let next$d = (k0 + min(begin + KEYS + line$d, p.Lk - 1u)) * p.kvHeads * GROUPS + from$d;
    key$d = realK(next$d);
    value$d = realV(next$d);
#end
    subgroupMatrixStore<row_major>(&scores, first * SCORE_PITCH, scores0, SCORE_PITCH);
    subgroupMatrixStore<row_major>(&scores, first * SCORE_PITCH + 4u, scores1, SCORE_PITCH);
    workgroupBarrier();

    var tileMost = LOWEST;
#unroll i 4
    var s$i = scores[row * SCORE_PITCH + half * 4u + $i];
    {
      let keys = vec4u(begin + half * 16u + $i * 4u) + vec4u(0u, 1u, 2u, 3u);
      s$i = select(s$i, s$i + p.lastKeyBias * 1.4426950408889634, keys == vec4u(p.Lk - 1u));
      s$i = select(vec4f(LOWEST), s$i, keys < vec4u(p.Lk));
      tileMost = max(tileMost, max(max(s$i.x, s$i.y), max(s$i.z, s$i.w)));
    }
#end
    tileMost = max(tileMost, subgroupShuffleXor(tileMost, 1u));
    let grows = tileMost > most + SLACK;
    let shrink = select(1.0, exp2(most - tileMost), grows);
    if (grows && most > LOWEST) { atomicStore(&grown, 1u); }
    most = select(most, tileMost, grows);
    total *= shrink;
#unroll i 4
    let weight$i = exp2(s$i - most);
    total += dot(weight$i, vec4f(1.0));
    tiles[row * WEIGHT_PITCH + half * 4u + $i] = Real4(weight$i);
#end
    if (workgroupUniformLoad(&grown) != 0u) {
#unroll d PIECES
      subgroupMatrixStore<row_major>(&scores, first * SCORE_PITCH, sum$d, SCORE_PITCH);
      workgroupBarrier();
      scores[row * SCORE_PITCH + half * 2u] *= shrink;
      scores[row * SCORE_PITCH + half * 2u + 1u] *= shrink;
      workgroupBarrier();
      sum$d = subgroupMatrixLoad<Sums, row_major>(&scores, first * SCORE_PITCH, SCORE_PITCH);
      workgroupBarrier();
#end
      atomicStore(&grown, 0u);
    }
    let weights0 = subgroupMatrixLoad<Left, row_major>(&tiles, first * WEIGHT_PITCH, WEIGHT_PITCH);
    let weights1 = subgroupMatrixLoad<Left, row_major>(&tiles, first * WEIGHT_PITCH + 4u, WEIGHT_PITCH);
#unroll d PIECES
    sum$d = subgroupMatrixMultiplyAccumulate(weights0, subgroupMatrixLoad<Right, row_major>(&tiles, VALUES + $d * 4u, PITCH), sum$d);
    sum$d = subgroupMatrixMultiplyAccumulate(weights1, subgroupMatrixLoad<Right, row_major>(&tiles, VALUES + 16u * PITCH + $d * 4u, PITCH), sum$d);
#end
  }

  total += subgroupShuffleXor(total, 1u);
#unroll d PIECES
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores, first * SCORE_PITCH, sum$d, SCORE_PITCH);
  workgroupBarrier();
  if (row0 + row < p.Lq) {
    let at = ((q0 + row0 + row) * p.heads + head) * GROUPS + $d * 4u + half * 2u;
    put(at, scores[row * SCORE_PITCH + half * 2u] / total);
    put(at + 1u, scores[row * SCORE_PITCH + half * 2u + 1u] / total);
  }
#end
}
