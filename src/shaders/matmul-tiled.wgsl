// matmul-tiled: matmul with large tiles in registers.
//
//   y = put(x wT), with all that rides on the last step: lib/matmul-out.wgsl
//
// Layout   x [M, K]  w [N, K], may be quantised: lib/weights.wgsl; the rest as in matmul
// Threads  128 in a workgroup make 8 SIDE rows x 16 SIDE columns of y: lib/register-product.wgsl
// Exact    in f16, 16 products are summed in f16, all else in f32.
// Needs    16 KiB of workgroup memory; grid (ceil(N / (16 SIDE)), ceil(M / (8 SIDE)), 1).
// Cost     2 M N K flops. CPU reference: that of matmul.
#include "lib/matmul-out.wgsl"
#include "lib/matmul-sides.wgsl"
#include "lib/register-product.wgsl"

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = wg + p.base;
  registerProduct(tile.y * TILE_M, tile.x * TILE_N, lane, (p.K + 3u) / 4u);
}
