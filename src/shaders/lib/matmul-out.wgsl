// put: the last step of a matrix product: bias, activation, factor, gate and residual on the way out.
//
//   y[row, column..] = residual + gate[g(row)] * (factor * activate(sum + bias))    g(row) = min(row / rowsPerGroup, gateGroups - 1)
//
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
  storeY(at, keep(v, column, p.N));
}
