// attention-tiled: attention with its tiles in registers, for heads of up to 128.
//
//   y = put(softmax(scale q kT) v), with a bias on the last key: attention.wgsl, without its table of positions
//
// Layout   as in attention
// Threads  128 in a workgroup make 8 ROWS rows of one head, 16 side by side (tx) and 8 above each other (ty): rows
//          ty + 8 i, keys KEYS tx + j of a tile of 16 KEYS, columns of group tx + 16 c. q and k pass through workgroup
//          memory as units of 16 bytes along D, UNITS in a step, laid out [unit][row] so that neighbours read neighbours;
//          what the next step needs is on its way while this one multiplies. Values come straight from memory, where
//          neighbours read neighbours anyway.
// Exact    in f16, 16 products are summed in f16 (even and odd places of D apart, q scaled before), all else in f32; the
//          softmax in powers of two.
// Needs    D <= 64 BLOCKS; ROWS 4 or 8; 22 KiB of workgroup memory; grid (ceil(Lq / (8 ROWS)), heads, groups).
// Cost     4 Lq Lk D heads groups flops. Source: Dao 2023, arXiv:2307.08691; reference: that of attention.
#include "lib/attention-out.wgsl"
#include "lib/attention-tile.wgsl"
#include "lib/attention-gather.wgsl"

const LINES = 128u / UNITS; // rows fetched at once

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let lane = invocation % 128u; // says how large it can be
  let tx = lane % 16u;
  let ty = lane / 16u;
  let row0 = (wg.x + p.base.x) * 8u * ROWS;
  let head = wg.y + p.base.y;
  let firstRow = (wg.z + p.base.z) * p.Lq; // first row and key of the group
  let firstKey = (wg.z + p.base.z) * p.Lk;
  let D4 = p.D / 4u;
  let stride = p.kvHeads * D4;
  let first = head / (p.heads / p.kvHeads) * D4;
  let line = lane / UNITS; // what this invocation fetches of a tile, and where along D
  let unit = lane % UNITS;
  var at = unit * GROUPS;
#unroll n UNITS * ROWS / 16
  let query$n = ((firstRow + min(row0 + line + $n * LINES, p.Lq - 1u)) * p.heads + head) * D4;
  var nextQ$n = unitOfQ(query$n, at, D4);
#end
#unroll n UNITS * KEYS / 8
  var nextK$n = unitOfK((firstKey + min(line + $n * LINES, p.Lk - 1u)) * stride + first, at, D4);
#end
  var o: Sums;
  var most: Rows;
  var total: Rows;
#unroll i ROWS
  most[$i] = LOWEST;
#end

  for (var key = 0u; key < p.Lk; key += TILE) {
    var s = Scores();
    for (var step = 0u; step < D4; step += UNITS * GROUPS) {
      workgroupBarrier();
#unroll n UNITS * ROWS / 16
      queries[unit][line + $n * LINES] = nextQ$n;
#end
#unroll n UNITS * KEYS / 8
      keys[unit][standing(line + $n * LINES)] = nextK$n;
#end
      workgroupBarrier();
      let ends = step + UNITS * GROUPS >= D4; // then the next tile begins
      let next = key + select(0u, TILE, ends) + line;
      at = select(at + UNITS * GROUPS, unit * GROUPS, ends);
#unroll n UNITS * ROWS / 16
      nextQ$n = unitOfQ(query$n, at, D4);
#end
#unroll n UNITS * KEYS / 8
      nextK$n = unitOfK((firstKey + min(next + $n * LINES, p.Lk - 1u)) * stride + first, at, D4);
#end
      multiply(&s, D4 - step, lane);
    }
    weighTile(&s, &o, &most, &total, key, lane);
    gather(&o, key, firstKey, stride, first, D4, lane);
  }

#unroll i ROWS
  ofRow[(ty + $i * 8u) * ASIDE + tx] = total[$i];
#end
  workgroupBarrier();
#unroll i ROWS
  {
    let row = row0 + ty + $i * 8u;
    var whole = 0.0;
    for (var x = 0u; x < 16u; x++) { whole += ofRow[(ty + $i * 8u) * ASIDE + x]; }
#unroll c BLOCKS
    if (row < p.Lq && tx + $c * 16u < D4) { put(((firstRow + row) * p.heads + head) * D4 + tx + $c * 16u, o[$i][$c] / whole); }
#end
  }
#end
}
