// attention: softmax(scale q kᵀ + bias) v for each head, without ever storing the scores.
//
//   s[i,j] = scale * sum_d q[i,h,d] k[j,h',d] + bias[h, j - i + Lq - 1] + (j == Lk - 1 ? lastKeyBias : 0)
//   y[i,h,:] = sum_j exp(s[i,j]) v[j,h',:] / sum_j exp(s[i,j]) + residual[i,h,:]        h' = h / (heads / kvHeads)
//
// Layout   q, residual, y [groups, Lq, heads * D]  k, v [groups, Lk, kvHeads * D]  bias [heads, Lq + Lk - 1]
// Threads  256 in a workgroup make BQ rows of one head, TX side by side and TY = 256 / TX above each other: rows
//          ty + TY i, keys tx + TX c of a tile of 4 TX keys, output columns of slab g: 4 (tx + TX g) .. + 3.
//          q and k pass through workgroup memory in steps of 16 along D, k turned so that one vector holds four keys;
//          the weights exp(s - m) stay there while v passes in slabs of TX groups.
// Exact    products of 16 values in the arithmetic type (q is scaled before, so that f16 holds it), all longer sums, the
//          maximum m and exp in f32 (online softmax: the sums shrink by exp(m_old - m_new) as the maximum grows).
// Needs    D a multiple of 4, at most 32 BLOCKS; BQ 32 or 64; 16 KiB of workgroup memory; grid (ceil(Lq / BQ), heads, groups).
// Cost     4 Lq Lk D heads groups flops. Source: Dao 2023, arXiv:2307.08691, algorithm 1; reference: engine/kernels/attention.ts.
#include "lib/attention-out.wgsl"
#param BLOCKS
#param BQ
#param F16
#param HAS_BIAS

#if F16
const TX = 16u;
#else
const TX = 8u;
#endif
const TY = 256u / TX;
const RM = BQ / TY;                       // rows of one invocation
const STEP = 4u;                          // groups of four along D in one pass
const CHUNK = 8u;                         // quads of keys in one pass over v
const SLABS = (8u * BLOCKS + TX - 1u) / TX; // at most; loops over slabs stay loops, or compilers take minutes
const LOWEST = -3.0e38;

var<workgroup> stage: array<Real4, max(STEP * (BQ + 4u * TX), 4u * CHUNK * TX)>; // q then k, or v
var<workgroup> weights: array<Real4, BQ * TX>;             // [row][quad], quads swapped by row against bank conflicts
var<workgroup> partial: array<f32, BQ * TX>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row0 = (wg.x + p.base.x) * BQ;
  let head = wg.y + p.base.y;
  let kvHead = head / (p.heads / p.kvHeads);
  let first = (wg.z + p.base.z) * vec2u(p.Lq, p.Lk); // row and key of the group
  let D4 = p.D / 4u;
  let slabs = (D4 + TX - 1u) / TX;
  let tx = lane % TX;
  let ty = lane / TX;
  var m: array<f32, RM>;
  var sums: array<f32, RM>;
  var shrink: array<f32, RM>;
  var o: array<array<vec4f, RM>, SLABS>;
  for (var i = 0u; i < RM; i++) { m[i] = LOWEST; }

  for (var key0 = 0u; key0 < p.Lk; key0 += 4u * TX) {
    let quads = min(TX, p.Lk - key0); // quads that hold any key
    var s = array<vec4f, RM>();
    for (var d0 = 0u; d0 < D4; d0 += STEP) {
      for (var e = lane; e < STEP * BQ; e += 256u) {
        let row = row0 + e / STEP;
        let d = d0 + e % STEP;
        var v = Real4();
        if (row < p.Lq && d < D4) { v = realQ(((first.x + row) * p.heads + head) * D4 + d) * Real(p.scale); }
        stage[(e % STEP) * BQ + e / STEP] = v;
      }
      if (lane < STEP * TX) {
        let d = d0 + lane % STEP;
        var four = array<Real4, 4>();
        for (var c = 0u; c < 4u; c++) {
          let key = key0 + lane / STEP + TX * c;
          if (key < p.Lk && d < D4) { four[c] = realK(((first.y + key) * p.kvHeads + kvHead) * D4 + d); }
        }
        let turned = transpose(mat4x4<Real>(four[0], four[1], four[2], four[3]));
        for (var c = 0u; c < 4u; c++) { stage[STEP * BQ + ((lane % STEP) * 4u + c) * TX + lane / STEP] = turned[c]; }
      }
      workgroupBarrier();
      var part = array<Real4, RM>();
      for (var d = 0u; d < STEP; d++) {
        let at = STEP * BQ + d * 4u * TX + tx;
        let four = mat4x4<Real>(stage[at], stage[at + TX], stage[at + 2u * TX], stage[at + 3u * TX]);
        for (var i = 0u; i < RM; i++) { part[i] += four * stage[d * BQ + ty + TY * i]; }
      }
      for (var i = 0u; i < RM; i++) { s[i] += vec4f(part[i]); }
      workgroupBarrier();
    }

    let keys = vec4u(key0 + tx) + TX * vec4u(0u, 1u, 2u, 3u);
    for (var i = 0u; i < RM; i++) {
      let row = ty + TY * i;
#if HAS_BIAS
      let entry = head * ((p.Lq + p.Lk + 2u) / 4u * 4u) + p.Lq - 1u - min(row0 + row, p.Lq - 1u);
      let at = entry + min(keys, vec4u(p.Lk - 1u));
      s[i] += vec4f(atBias(at.x), atBias(at.y), atBias(at.z), atBias(at.w));
#endif
      s[i] = select(s[i], s[i] + p.lastKeyBias, keys == vec4u(p.Lk - 1u));
      s[i] = select(vec4f(LOWEST), s[i], keys < vec4u(p.Lk));
      partial[row * TX + tx] = max(max(s[i].x, s[i].y), max(s[i].z, s[i].w));
    }
    workgroupBarrier();
    for (var i = 0u; i < RM; i++) {
      let row = ty + TY * i;
      var most = m[i];
      for (var j = 0u; j < quads; j++) { most = max(most, partial[row * TX + j]); }
      let weight = select(vec4f(), exp(s[i] - most), keys < vec4u(p.Lk));
      shrink[i] = exp(m[i] - most);
      sums[i] = sums[i] * shrink[i] + dot(weight, vec4f(1.0));
      m[i] = most;
      weights[row * TX + (tx ^ (ty & 3u))] = Real4(weight);
    }

    for (var g = 0u; g < slabs; g++) {
      var slab = o[g];
      for (var i = 0u; i < RM; i++) { slab[i] *= shrink[i]; }
      for (var j0 = 0u; j0 < quads; j0 += CHUNK) {
        for (var e = lane; e < 4u * CHUNK * TX; e += 256u) {
          let key = key0 + j0 + e / (4u * TX) + TX * (e / TX % 4u);
          let d = g * TX + e % TX;
          var v = Real4();
          if (key < p.Lk && d < D4) { v = realV(((first.y + key) * p.kvHeads + kvHead) * D4 + d); }
          stage[e] = v;
        }
        workgroupBarrier();
        for (var half = 0u; half < min(CHUNK, quads - j0); half += 4u) {
          var part = array<Real4, RM>();
          for (var j = half; j < half + 4u; j++) {
            let at = j * 4u * TX + tx;
            let four = mat4x4<Real>(stage[at], stage[at + TX], stage[at + 2u * TX], stage[at + 3u * TX]);
            for (var i = 0u; i < RM; i++) {
              part[i] += four * weights[(ty + TY * i) * TX + ((j0 + j) ^ (ty & 3u))];
            }
          }
          for (var i = 0u; i < RM; i++) { slab[i] += vec4f(part[i]); }
        }
        workgroupBarrier();
      }
      o[g] = slab;
    }
  }

  for (var i = 0u; i < RM; i++) { partial[(ty + TY * i) * TX + tx] = sums[i]; }
  workgroupBarrier();
  for (var i = 0u; i < RM; i++) {
    let row = row0 + ty + TY * i;
    if (row >= p.Lq) { break; }
    var total = 0.0;
    for (var j = 0u; j < min(TX, p.Lk); j++) { total += partial[(row - row0) * TX + j]; }
    for (var g = 0u; g < slabs; g++) {
      let d = g * TX + tx;
      if (d < D4) { put(((first.x + row) * p.heads + head) * D4 + d, o[g][i] / total); }
    }
  }
}
