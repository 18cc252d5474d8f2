// matmul-matrix-int8: matmul on 8-bit integers by subgroup matrices.
//
//   y = put(sum, …), sum[m,n] = xScale[m] / 128 * scale[n] / 128 * sum_k x[m,k] w[n,k]
//
// Layout   x [M, K] i8  xScale [M, 1] f16 (quantise-rows)  w [N, K] i8  scale [N, 1] f16; the rest as in matmul
// Threads  four subgroups of 32, two by two, each with SUB x SUB sums. x and w pass through workgroup memory in steps
//          of 64 along K, 16 bytes at a time; what the next step needs is on its way while this one multiplies.
// Exact    whole sums in i32 (K <= 131,072); scales and all that follows in f32.
// Needs    matrices i8 to i32, MM x MN x MK; grid (ceil(N / (2 SUB)), ceil(M / (2 SUB)), 1).
// Cost     2 M N K operations. CPU reference: that of matmul-dp4a.
#include "lib/matmul-out.wgsl"
#param SUB
#param MM
#param MN
#param MK

const SIDE = 2u * SUB;
const RUNS = 4u;            // runs of 16 integers in a step
const PITCH = 5u;           // from row to row in workgroup memory: one more, so that rows lie in other banks
const ROWS_AT_ONCE = 32u;   // rows that 128 invocations fetch at once, one run each
const PIECE = MM * MN / 4u;  // one matrix on its way out

var<workgroup> xTile: array<vec4u, SIDE * PITCH>;
var<workgroup> wTile: array<vec4u, SIDE * PITCH>;
var<workgroup> pieces: array<vec4i, 4u * PIECE>;

// What stands before the sums of four columns from `column` on.
fn factorOf(column: u32) -> vec4f {
  let last = p.N - 1u;
  return vec4f(
    atScale(4u * min(column, last)), atScale(4u * min(column + 1u, last)),
    atScale(4u * min(column + 2u, last)), atScale(4u * min(column + 3u, last)),
  ) / 16384.0;
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) invocation: u32) {
  let tile = wg + p.base;
  let firstRow = tile.y * SIDE;
  let firstColumn = tile.x * SIDE;
  let lane = invocation % 128u; // says how large it can be, so that indexes are not clamped
  let sub = lane / 32u;
  let subRow = sub / 2u * SUB;
  let subColumn = sub % 2u * SUB;
  let line = lane / RUNS;
  let slot = line * PITCH + lane % RUNS;
  let runs = (p.K + 15u) / 16u;
  let steps = (runs + RUNS - 1u) / RUNS;
  var run = lane % RUNS;
#unroll i 2 * SUB / ROWS_AT_ONCE
  let x$i = min(firstRow + line + $i * ROWS_AT_ONCE, p.M - 1u) * runs;
  let w$i = min(firstColumn + line + $i * ROWS_AT_ONCE, p.N - 1u) * runs;
  var a$i = x[x$i + min(run, runs - 1u)];
  var b$i = w[w$i + min(run, runs - 1u)];
#end
#unroll i SUB / MM
#unroll j SUB / MN
  var sum$i_$j = subgroup_matrix_result<i32, MN, MM>();
#end
#end
  for (var step = 1u; step <= steps; step++) {
#unroll i 2 * SUB / ROWS_AT_ONCE
    xTile[slot + $i * ROWS_AT_ONCE * PITCH] = select(vec4u(), a$i, run < runs);
    wTile[slot + $i * ROWS_AT_ONCE * PITCH] = select(vec4u(), b$i, run < runs);
#end
    workgroupBarrier();
    run = step * RUNS + lane % RUNS;
#unroll i 2 * SUB / ROWS_AT_ONCE
    a$i = x[x$i + min(run, runs - 1u)];
    b$i = w[w$i + min(run, runs - 1u)];
#end
#unroll s 64 / MK
#unroll j SUB / MN
    let right$s_$j = subgroupMatrixLoad<subgroup_matrix_right<i8, MN, MK>, col_major>(&wTile, (subColumn + $j * MN) * PITCH + $s * MK / 16u, PITCH);
#end
#unroll i SUB / MM
    let left$s_$i = subgroupMatrixLoad<subgroup_matrix_left<i8, MK, MM>, row_major>(&xTile, (subRow + $i * MM) * PITCH + $s * MK / 16u, PITCH);
#unroll j SUB / MN
    sum$i_$j = subgroupMatrixMultiplyAccumulate(left$s_$i, right$s_$j, sum$i_$j);
#end
#end
#end
    workgroupBarrier();
  }

#unroll i SUB / MM
#unroll j SUB / MN
  subgroupMatrixStore<row_major>(&pieces, sub * PIECE, sum$i_$j, MN / 4u);
  workgroupBarrier();
  for (var e = lane % 32u; e < PIECE; e += 32u) {
    let row = firstRow + subRow + $i * MM + e / (MN / 4u);
    let column = firstColumn + subColumn + $j * MN + e % (MN / 4u) * 4u;
    let scaled = vec4f(pieces[sub * PIECE + e]) * factorOf(column) * atXScale(4u * min(row, p.M - 1u));
    put(row, column, scaled);
  }
  workgroupBarrier();
#end
#end
}
