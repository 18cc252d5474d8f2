// teamSums: sums over the TEAM lanes that work on the same rows, for ROWS rows at once; every lane of the team gets them.
//
// Lane i of the workgroup belongs to team i / TEAM. With SUBGROUPS that i is counted along the subgroups (`teamLane`), and
// a team is the whole workgroup or divides a subgroup.
#param LANES
#param TEAM
#param ROWS
#param SUBGROUPS

alias Sums = array<f32, ROWS>;

#if SUBGROUPS
enable subgroups;

var<workgroup> partial: array<Sums, 64>;
var<private> own: Subgroup;

struct Subgroup { index: u32, count: u32, lane: u32 }

fn teamLane(subgroup: Subgroup, size: u32) -> u32 {
  own = subgroup;
  return subgroup.index * size + subgroup.lane;
}

fn teamSums(lane: u32, mine: Sums) -> Sums {
  var sums = mine;
#if TEAM <= 32
  for (var far = u32(TEAM) / 2u; far > 0u; far /= 2u) {
#unroll r ROWS
    sums[$r] += subgroupShuffleXor(sums[$r], far);
#end
  }
#else
#unroll r ROWS
  sums[$r] = subgroupAdd(sums[$r]);
#end
  if (own.lane == 0u) { partial[own.index] = sums; }
  workgroupBarrier();
  sums = partial[0];
  for (var i = 1u; i < own.count; i++) {
#unroll r ROWS
    sums[$r] += partial[i][$r];
#end
  }
  workgroupBarrier();
#endif
  return sums;
}
#else
var<workgroup> partial: array<Sums, LANES>;

fn teamSums(lane: u32, mine: Sums) -> Sums {
  partial[lane] = mine;
  for (var half = u32(TEAM) / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane % TEAM < half) {
#unroll r ROWS
      partial[lane][$r] += partial[lane + half][$r];
#end
    }
  }
  workgroupBarrier();
  let sums = partial[lane - lane % TEAM];
  workgroupBarrier();
  return sums;
}
#endif
