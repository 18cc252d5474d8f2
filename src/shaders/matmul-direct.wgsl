// matmul-direct: matmul for adapters that run on the processor: no workgroup memory, no barrier, no running index.
//
//   y[m,n] = residual[m,n] + gate[g(m),n] * (factor[m,n] * activate(sum_k x[m,k] w[n,k] + bias[n]))
//   g(m) = min(m / rowsPerGroup, gateGroups - 1)
//
// Layout   x [M, K]  w [N, K]  bias [N]  gate [gateGroups, gateParts, N]  factor, residual, y [M, N]
//          w may be quantised, with scales beside it: lib/weights.wgsl
// Threads  16 in a workgroup, each 8 rows x 8 columns of y, written out so that all sums stay in registers.
// Exact    f32 arithmetic.
// Needs    grid (ceil(N / 128), ceil(M / 8), 1).
// Cost     2 M N K flops. SwiftShader: 1.5 GFLOP a core-second, matmul 0.3; lavapipe 4.5, matmul 2.2 (f16: 7.9, 2.1).
// CPU reference: engine/kernels/matmul.ts.
#include "lib/matmul-out.wgsl"
#include "lib/weights.wgsl"

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = wg + p.base;
  let row0 = tile.y * 8u;
  let column0 = (tile.x * 16u + lane) * 8u;
  if (column0 >= p.N) { return; }
  let kGroups = (p.K + 3u) / 4u;
#unroll i 8
  let x$i = min(row0 + $iu, p.M - 1u) * kGroups;
  let w$i = weightRow(min(column0 + $iu, p.N - 1u));
  var low$i = vec4f();
  var high$i = vec4f();
#end
  for (var k = 0u; k < kGroups; k++) {
#unroll j 8
#if W_TYPE == plain
    let b$j = loadW(w$j.at + k);
#else
    let b$j = vec4f(weightAt(w$j, k));
#endif
#end
#unroll i 8
    let a$i = loadX(x$i + k);
    low$i += vec4f(dot(a$i, b0), dot(a$i, b1), dot(a$i, b2), dot(a$i, b3));
    high$i += vec4f(dot(a$i, b4), dot(a$i, b5), dot(a$i, b6), dot(a$i, b7));
#end
  }
#unroll i 8
  put(row0 + $iu, column0, low$i);
  put(row0 + $iu, column0 + 4u, high$i);
#end
}
