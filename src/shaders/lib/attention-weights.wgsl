// weigh: the softmax of attention-matrix between its two products. Matrices cannot be reached value by value, so scores come
// and weights go through workgroup memory, 32 keys at a time.
//
//   weights = exp2(scores - most), total += their sum; most follows a row's maximum only when that has grown by more than 8
//
// Threads  two share a row, each has half of the keys.
#param TEAMS

const KEYS = 32u;
const ROWS = 32u * TEAMS;
const LANES = 64u * TEAMS;
const WEIGHT_PITCH = 10u;       // groups of four from row to row: two more, so that rows lie in other banks
const SCORE_PITCH = 9u;
const LOWEST = -3.0e38;
const SLACK = 8.0;
const LOG2E = 1.4426950408889634;

var<workgroup> weights: array<Real4, ROWS * WEIGHT_PITCH>;
var<workgroup> scores: array<vec4f, ROWS * SCORE_PITCH>;
var<workgroup> grown: atomic<u32>; // whether what was summed must shrink for some row

// Weighs half of a row's keys from `begin` on. Returns by what its sums so far shrink.
fn weigh(lane: u32, begin: u32, most: ptr<function, f32>, total: ptr<function, f32>) -> f32 {
  let row = lane % LANES / 2u; // says how large it can be, so that indexes are not clamped
  let half = lane % 2u;
  var tileMost = LOWEST;
#unroll i 4
  var s$i = scores[row * SCORE_PITCH + half * 4u + $i];
#end
  if (begin + KEYS >= p.Lk) { // the last keys
#unroll i 4
    {
      let keys = vec4u(begin + half * 16u + $i * 4u) + vec4u(0u, 1u, 2u, 3u);
      s$i = select(s$i, s$i + p.lastKeyBias * LOG2E, keys == vec4u(p.Lk - 1u));
      s$i = select(vec4f(LOWEST), s$i, keys < vec4u(p.Lk));
    }
#end
  }
#unroll i 4
  tileMost = max(tileMost, max(max(s$i.x, s$i.y), max(s$i.z, s$i.w)));
#end
  tileMost = max(tileMost, subgroupShuffleXor(tileMost, 1u));
  let grows = tileMost > *most + SLACK;
  let shrink = select(1.0, exp2(*most - tileMost), grows);
  if (grows && *most > LOWEST) { atomicStore(&grown, 1u); }
  *most = select(*most, tileMost, grows);
  *total *= shrink;
#unroll i 4
  let weight$i = exp2(s$i - *most);
  *total += dot(weight$i, vec4f(1.0));
  weights[row * WEIGHT_PITCH + half * 4u + $i] = Real4(weight$i);
#end
  return shrink;
}
