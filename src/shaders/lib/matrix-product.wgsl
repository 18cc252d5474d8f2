// matrixProduct: a tile of a product A Bt by subgroup matrices; the kernel says where A and B come from and where sums go.
//
//   Line, lineOf(row), Spot, spotOf(k)   A: what is known of a row, and of a group of four along K
//   lineHolds(line, spot), lineAt(...)   whether A is not zero there, and its values if so (else any)
//   Tile, tileOf(row, rows), memoryOf(tile, spot)    which of two memories all rows of a tile read: lib/memories.wgsl
//   lineAtFirst, lineAtSecond(line, tile, spot)        and their values, if there is one
//   Column, columnOf(column), columnAt(column, k)   B likewise, as it is held until it is needed: valuesOf(held) are its values
//   put(row, column, sums)                             takes four sums of a row
//
// Threads  four subgroups of 32, two by two, each with SUB_M x SUB_N sums. A and B pass through workgroup memory in
//          steps of 32 along K; what the next step needs is on its way while this one multiplies.
// Exact    products and sums as the device's matrix unit makes them: f16 or f32 values, sums of type Sum.
// Needs    A and B bound read_write: compilers move loads of read-only memory down to their first use, behind the
//          barrier, and the time of the load shows (249 instead of 228 TFLOP/s on an H200 at 4096 x 4096 x 4096).
#param BLOCK
#param EVEN
#param MM
#param MN
#param MK
#param Sum type

#if BLOCK == large
const SUB_M = 64u; const SUB_N = 64u;
#elif BLOCK == slim
const SUB_M = 64u; const SUB_N = 48u;
#elif BLOCK == broad
const SUB_M = 48u; const SUB_N = 80u;
#elif BLOCK == wide
const SUB_M = 32u; const SUB_N = 64u;
#else
const SUB_M = 32u; const SUB_N = 32u;
#endif
const STEP = 8u;             // groups of four along K in one step
const PITCH = 10u;           // groups from row to row in workgroup memory: two more, so that rows lie in other banks
const ROWS_AT_ONCE = 16u;    // rows that 128 invocations fetch at once, one group each
const PIECE = MM * MN / 4u;   // one matrix on its way out; little, so that several workgroups fit a processor

var<workgroup> aTile: array<Real4, 2u * SUB_M * PITCH>;
var<workgroup> bTile: array<Real4, 2u * SUB_N * PITCH>;
var<workgroup> pieces: array<vec4<Sum>, 4u * PIECE>;

// Whether group k of four counts; where K is a multiple of a step, what lies past the end is fetched but never stored.
fn within(k: u32, groups: u32) -> bool { return EVEN || k < groups; }

fn matrixProduct(firstRow: u32, firstColumn: u32, invocation: u32, groups: u32) {
  let lane = invocation % 128u; // says how large it can be: without, each index is clamped and loads fall apart
  let sub = lane / 32u;
  let subRow = sub / 2u * SUB_M;
  let subColumn = sub % 2u * SUB_N;
  let line = lane / STEP;
  let slot = line * PITCH + lane % STEP;
#unroll i 2 * SUB_M / ROWS_AT_ONCE
  let line$i = lineOf(firstRow + line + $i * ROWS_AT_ONCE);
  var a$i: Real4;
#end
#unroll i 2 * SUB_N / ROWS_AT_ONCE
  let column$i = columnOf(firstColumn + line + $i * ROWS_AT_ONCE);
  var b$i: Held;
#end
#unroll i SUB_M / MM
#unroll j SUB_N / MN
  var sum$i_$j = subgroup_matrix_result<Sum, MN, MM>();
#end
#end

  // Workgroups begin at different steps, so that they do not all ask the same part of memory at once.
  let steps = (groups + STEP - 1u) / STEP;
  let turn = firstRow / (2u * SUB_M) * 3u + firstColumn / (2u * SUB_N) * 5u;
  var k = turn % steps * STEP + lane % STEP;
  var inside = within(k, groups);
  var spot = spotOf(min(k, groups - 1u));
  let tile = tileOf(firstRow, 2u * SUB_M);
#unroll i 2 * SUB_M / ROWS_AT_ONCE
  a$i = lineAt(line$i, spot);
#end
#unroll i 2 * SUB_N / ROWS_AT_ONCE
  b$i = columnAt(column$i, min(k, groups - 1u));
#end
  for (var step = 1u; step <= steps; step++) {
#unroll i 2 * SUB_M / ROWS_AT_ONCE
    aTile[slot + $i * ROWS_AT_ONCE * PITCH] = select(Real4(), a$i, inside && lineHolds(line$i, spot));
#end
#unroll i 2 * SUB_N / ROWS_AT_ONCE
    bTile[slot + $i * ROWS_AT_ONCE * PITCH] = select(Real4(), valuesOf(b$i), inside);
#end
    workgroupBarrier();
#unroll i SUB_M / MM
    var left$i = subgroupMatrixLoad<subgroup_matrix_left<Real, MK, MM>, row_major>(&aTile, (subRow + $i * MM) * PITCH, PITCH);
#end
#unroll j SUB_N / MN
    var right$j = subgroupMatrixLoad<subgroup_matrix_right<Real, MN, MK>, col_major>(&bTile, (subColumn + $j * MN) * PITCH, PITCH);
#end
    // Behind the first loads of this step, so that these need not wait for memory.
    k = (turn + step) % steps * STEP + lane % STEP;
    inside = within(k, groups);
    spot = spotOf(min(k, groups - 1u));
    let memory = memoryOf(tile, spot); // one branch for all rows
    if (memory == FIRST) {
#unroll i 2 * SUB_M / ROWS_AT_ONCE
      a$i = lineAtFirst(line$i, tile, spot);
#end
    } else if (memory == SECOND) {
#unroll i 2 * SUB_M / ROWS_AT_ONCE
      a$i = lineAtSecond(line$i, tile, spot);
#end
    } else {
#unroll i 2 * SUB_M / ROWS_AT_ONCE
      a$i = lineAt(line$i, spot);
#end
    }
#unroll i 2 * SUB_N / ROWS_AT_ONCE
    b$i = columnAt(column$i, min(k, groups - 1u));
#end
#unroll s 4 * STEP / MK
#unroll j SUB_N / MN
#unroll i SUB_M / MM
    sum$i_$j = subgroupMatrixMultiplyAccumulate(left$i, right$j, sum$i_$j);
#end
#end
    if (($s + 1) * MK < 4 * i32(STEP)) {
#unroll i SUB_M / MM
      left$i = subgroupMatrixLoad<subgroup_matrix_left<Real, MK, MM>, row_major>(&aTile, (subRow + $i * MM) * PITCH + ($s + 1) * MK / 4u, PITCH);
#end
#unroll j SUB_N / MN
      right$j = subgroupMatrixLoad<subgroup_matrix_right<Real, MN, MK>, col_major>(&bTile, (subColumn + $j * MN) * PITCH + ($s + 1) * MK / 4u, PITCH);
#end
    }
#end
    workgroupBarrier();
  }

#unroll i SUB_M / MM
#unroll j SUB_N / MN
  subgroupMatrixStore<row_major>(&pieces, sub * PIECE, sum$i_$j, MN / 4u);
  workgroupBarrier();
  for (var e = lane % 32u; e < PIECE; e += 32u) {
    let row = firstRow + subRow + $i * MM + e / (MN / 4u);
    put(row, firstColumn + subColumn + $j * MN + e % (MN / 4u) * 4u, vec4f(pieces[sub * PIECE + e]));
  }
  workgroupBarrier();
#end
#end
}
