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
#include "lib/matmul-sides.wgsl"
#include "lib/matrix-product.wgsl"

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = wg + p.base;
  matrixProduct(tile.y * 2u * SUB_M, tile.x * 2u * SUB_N, lane, (p.K + 3u) / 4u);
}
