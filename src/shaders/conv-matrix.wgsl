// conv-matrix: conv by subgroup matrices.
//
//   y = put(gathered x times wT): the sum of conv.wgsl, ends in lib/conv-ends.wgsl
//
// Layout   as in conv; K = (tap, group of input channels)
// Threads  128 in a workgroup make 2 SUB_M pixels x 2 SUB_N channels of y: lib/matrix-product.wgsl
// Exact    x and w in the arithmetic type, sums of type Sum (f32 where the device has it).
// Needs    subgroups of 32; grid (ceil(Cout / (2 SUB_N)), ceil(To Ho Wo / (2 SUB_M)), 1).
// Cost     2 To Ho Wo Cout taps Cin flops. CPU reference: that of conv.
#include "lib/conv-ends.wgsl"
#include "lib/conv-sides.wgsl"
#include "lib/matrix-product.wgsl"

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = wg + p.base;
  matrixProduct(tile.y * 2u * SUB_M, tile.x * 2u * SUB_N, lane, p.taps * ((p.Cin + 3u) / 4u));
}
