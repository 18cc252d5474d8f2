// conv-tiled: conv with large tiles in registers.
//
//   y = put(gathered x times wT): the sum of conv.wgsl, ends in lib/conv-ends.wgsl
//
// Layout   as in conv; K = (tap, group of input channels)
// Threads  128 in a workgroup make 8 SIDE pixels x 16 SIDE channels of y: lib/register-product.wgsl
// Exact    in f16, 16 products are summed in f16, all else in f32.
// Needs    16 KiB of workgroup memory; grid (ceil(Cout / (16 SIDE)), ceil(To Ho Wo / (8 SIDE)), 1).
// Cost     2 To Ho Wo Cout taps Cin flops. CPU reference: that of conv.
#include "lib/conv-ends.wgsl"
#include "lib/conv-sides.wgsl"
#include "lib/register-product.wgsl"

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = wg + p.base;
  registerProduct(tile.y * TILE_M, tile.x * TILE_N, lane, p.taps * ((p.Cin + 3u) / 4u));
}
