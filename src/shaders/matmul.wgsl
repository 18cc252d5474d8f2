// matmul: product of activations and a weight matrix, with everything that can ride on its last step.
//
//   y[m,n] = residual[m,n] + gate[g(m),n] * (factor[m,n] * activate(sum_k x[m,k] w[n,k] + bias[n]))
//   g(m) = min(m / rowsPerGroup, gateGroups - 1)
//
// Layout   x [M, K]  w [N, K]  bias [N]  gate [gateGroups, gateParts, N]  factor, residual, y [M, N]
//          w may be quantised, with scales beside it: lib/weights.wgsl
// Threads  16 x 16 in a workgroup; each makes RM x 4 values of y: rows ty + 16 i, columns 4 tx .. 4 tx + 3.
//          x and w pass through workgroup memory in steps of 16 along K, laid out [k / 4][row] so that neighbours
//          read neighbours.
// Exact    products of four in the arithmetic type, sums along K in f32.
// Needs    grid (ceil(N / 64), ceil(M / (16 RM)), 1).
// Cost     2 M N K flops. CPU reference: engine/kernels/matmul.ts.
#include "lib/matmul-out.wgsl"
#include "lib/weights.wgsl"
#param RM

const STEP = 4u; // groups of four along K in one pass
const ROWS = 16u * RM;

var<workgroup> xs: array<Real4, STEP * ROWS>;
var<workgroup> ws: array<Real4, STEP * 64u>;

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) wg: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = wg + p.base;
  let row0 = tile.y * ROWS;
  let column0 = tile.x * 64u;
  let kGroups = (p.K + 3u) / 4u;
  var sums: array<vec4f, RM>;

  for (var k0 = 0u; k0 < kGroups; k0 += STEP) {
    for (var i = lane; i < STEP * ROWS; i += 256u) {
      let row = row0 + i / STEP;
      let k = k0 + i % STEP;
      var v = Real4();
      if (row < p.M && k < kGroups) { v = realX(row * kGroups + k); }
      xs[(i % STEP) * ROWS + i / STEP] = v;
    }
    {
      let column = column0 + lane / STEP;
      let k = k0 + lane % STEP;
      var v = Real4();
      if (column < p.N && k < kGroups) { v = weightAt(weightRow(column), k); }
      ws[(lane % STEP) * 64u + lane / STEP] = v;
    }
    workgroupBarrier();
    for (var k = 0u; k < STEP; k++) {
      let at = k * 64u + 4u * local.x;
      let w0 = ws[at];
      let w1 = ws[at + 1u];
      let w2 = ws[at + 2u];
      let w3 = ws[at + 3u];
      for (var i = 0u; i < u32(RM); i++) {
        let a = xs[k * ROWS + local.y + 16u * i];
        sums[i] += vec4f(vec4<Real>(dot(a, w0), dot(a, w1), dot(a, w2), dot(a, w3)));
      }
    }
    workgroupBarrier();
  }

  for (var i = 0u; i < u32(RM); i++) {
    put(row0 + local.y + 16u * i, column0 + 4u * local.x, sums[i]);
  }
}
