// matmul-matrix: matmul by subgroup matrices.
//
//   y = put(x wT), with all that rides on the last step: lib/matmul-out.wgsl
//
// Layout   x [M, K]  w [N, K], may be quantised: lib/weights.wgsl; the rest as in matmul
// Threads  128 in a workgroup make 2 SUB_M rows x 2 SUB_N columns of y: lib/matrix-product.wgsl
// Exact    x and w in the arithmetic type, sums of type Sum (f32 where the device has it).
// Needs    subgroups of 32; grid (ceil(N / (2 SUB_N)), ceil(M / (2 SUB_M)), 1).
// Cost     2 M N K flops. CPU reference: that of matmul.
#include "lib/matmul-out.wgsl"
#include "lib/weights.wgsl"
#include "lib/matrix-product.wgsl"

alias Line = u32; // where the row begins in x
alias Spot = u32;
alias Column = WeightRow;

fn lineOf(row: u32) -> Line { return min(row, p.M - 1u) * ((p.K + 3u) / 4u); }
fn spotOf(k: u32) -> Spot { return k; }
fn lineHolds(line: Line, spot: Spot) -> bool { return true; }
fn lineAt(line: Line, spot: Spot) -> Real4 { return realX(line + spot); }
fn columnOf(column: u32) -> Column { return weightRow(min(column, p.N - 1u)); }
fn columnAt(column: Column, k: u32) -> Real4 { return weightAt(column, k); }

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = wg + p.base;
  matrixProduct(tile.y * 2u * SUB_M, tile.x * 2u * SUB_N, lane, (p.K + 3u) / 4u);
}
