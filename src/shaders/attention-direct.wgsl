// attention-direct: attention for adapters that run on the processor: no workgroup memory, no barrier, no running index.
//
//   s[i,j] = scale * sum_d q[i,h,d] k[j,h',d] + bias[h, j - i + Lq - 1] + (j == Lk - 1 ? lastKeyBias : 0)
//   y[i,h,:] = sum_j exp(s[i,j]) v[j,h',:] / sum_j exp(s[i,j]) + residual[i,h,:]        h' = h / (heads / kvHeads)
//
// Layout   q, residual, y [groups, Lq, heads * D]  k, v [groups, Lk, kvHeads * D]  bias [heads, Lq + Lk - 1]
// Threads  16 in a workgroup, each ROWS rows of one head: row 16 ROWS x + lane + 16 r. Keys come one by one.
// Exact    f32 arithmetic; online softmax as in attention.
// Needs    D = 4 D4, at most 64; grid (ceil(Lq / (16 ROWS)), heads, groups).
// Cost     4 Lq Lk D heads groups flops. CPU reference: engine/kernels/attention.ts.
#include "lib/attention-out.wgsl"
#param D4
#param ROWS
#param HAS_BIAS

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = wg.y + p.base.y;
  let kvHead = head / (p.heads / p.kvHeads);
  let group = wg.z + p.base.z;
  let first = (wg.x + p.base.x) * 16u * ROWS + lane;
#unroll r ROWS
  let row$r = min(first + 16u * $ru, p.Lq - 1u);
  var most$r = -3.0e38;
  var total$r = 0.0;
#unroll d D4
  let q$r_$d = loadQ(((group * p.Lq + row$r) * p.heads + head) * D4 + $du) * p.scale;
  var o$r_$d = vec4f();
#end
#end
  for (var j = 0u; j < p.Lk; j++) {
    let at = ((group * p.Lk + j) * p.kvHeads + kvHead) * D4;
    let extra = select(0.0, p.lastKeyBias, j == p.Lk - 1u);
#unroll r ROWS
    var s$r = extra;
#if HAS_BIAS
    s$r += atBias(head * ((p.Lq + p.Lk + 2u) / 4u * 4u) + p.Lq - 1u - row$r + j);
#endif
#end
#unroll d D4
    let k$d = loadK(at + $du);
#unroll r ROWS
    s$r += dot(q$r_$d, k$d);
#end
#end
#unroll r ROWS
    let next$r = max(most$r, s$r);
    let shrink$r = exp(most$r - next$r);
    let weight$r = exp(s$r - next$r);
    total$r = total$r * shrink$r + weight$r;
    most$r = next$r;
#end
#unroll d D4
    let v$d = loadV(at + $du);
#unroll r ROWS
    o$r_$d = o$r_$d * shrink$r + weight$r * v$d;
#end
#end
  }
#unroll r ROWS
  if (first + 16u * $ru < p.Lq) {
#unroll d D4
    put(((group * p.Lq + row$r) * p.heads + head) * D4 + $du, o$r_$d / total$r);
#end
  }
#end
}
