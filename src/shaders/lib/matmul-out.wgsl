// put: the last step of a matrix product: bias, activation, factor, gate and residual on the way out.
//
//   y[row, column..] = residual + gate[g(row)] * (factor * activate(sum + bias))    g(row) = min(row / rowsPerGroup, gateGroups - 1)
//
// With planes > 1, y is cut into matrices [M, N / planes] that lie behind one another; N / planes is a multiple of four.
// Used by matmul and matmul-direct; places outside of y are passed over.
#include "lib/activation.wgsl"
#include "lib/lanes.wgsl"
#param HAS_BIAS
#param HAS_GATE
#param HAS_FACTOR
#param HAS_RESIDUAL

fn put(row: u32, column: u32, sum: vec4f) {
  if (row >= p.M || column >= p.N) { return; }
  let nGroups = (p.N + 3u) / 4u;
  let at = row * nGroups + column / 4u;
  var v = sum;
#if HAS_BIAS
  v += loadBias(column / 4u);
#endif
  v = activate(v);
#if HAS_FACTOR
  v *= loadFactor(at);
#endif
#if HAS_GATE
  let group = min(row / p.rowsPerGroup, p.gateGroups - 1u);
  v *= loadGate((group * p.gateParts + p.gatePart) * nGroups + column / 4u);
#endif
#if HAS_RESIDUAL
  v += loadResidual(at);
#endif
  if (p.planes > 1u) {
    let width = nGroups / p.planes;
    let group = column / 4u;
    storeY((group / width * p.M + row) * width + group % width, v);
    return;
  }
  storeY(at, keep(v, column, p.N));
}
