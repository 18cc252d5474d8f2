// conv-direct: conv for adapters that run on the processor: no workgroup memory, no barrier, no running index.
//
//   y[t,h,w,o] = residual[t,h,w,o] + activate(bias[o] + sum_{a,b,e,c} w[o,(a,b,e),c] x[t st + a - front, h sh + b - top, w sw + e - left, c])
//   Outside of x stands zero; frames before the first come from hist [front, H, W, Cin] when that is bound.
//   With doubled = 1, x is read as if each pixel stood there twice along rows and columns.
//
// Layout   x [T, H, W, Cin]  w [Cout, taps, Cin]  bias [Cout]  residual, y [To, Ho, Wo, Cout]
// Threads  16 in a workgroup, each 4 pixels x 8 channels of y, written out so that all sums stay in registers.
//          Pixels are numbered along columns, rows, then frames.
// Exact    f32 arithmetic.
// Needs    grid (ceil(Cout / 8), ceil(To Ho Wo / 64), 1).
// Cost     2 To Ho Wo Cout taps Cin flops. CPU reference: engine/kernels/conv.ts.
#include "lib/conv-ends.wgsl"

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = wg + p.base;
  let column0 = tile.x * 8u;
  let first = (tile.y * 16u + lane) * 4u;
  let channels = (p.Cin + 3u) / 4u;
  let groups = p.taps * channels;
#unroll i 4
  let pixel$i = first + $iu;
  let origin$i = originOf(pixel$i);
  var low$i = vec4f();
  var high$i = vec4f();
#end
#unroll j 8
  let row$j = min(column0 + $ju, p.Cout - 1u) * groups;
#end
  for (var tap = 0u; tap < p.taps; tap++) {
    let shift = tapOf(tap * channels).shift;
    for (var c = 0u; c < channels; c++) {
#unroll j 8
      let b$j = loadW(row$j + tap * channels + c);
#end
#unroll i 4
      let x$i = vec4f(fetch(origin$i + shift, c));
      low$i += vec4f(dot(x$i, b0), dot(x$i, b1), dot(x$i, b2), dot(x$i, b3));
      high$i += vec4f(dot(x$i, b4), dot(x$i, b5), dot(x$i, b6), dot(x$i, b7));
#end
    }
  }
#unroll i 4
  put(pixel$i, column0, low$i);
  put(pixel$i, column0 + 4u, high$i);
#end
}
