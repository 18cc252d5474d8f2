// matvec: matmul for eight rows of x or fewer, which waits for the weights alone.
//
//   y = put(x wT), with all that rides on the last step: lib/matmul-out.wgsl
//
// Layout   x [M, K]  w [N, K], may be quantised: lib/weights.wgsl; the rest as in matmul
// Threads  128 in a workgroup. LANES neighbours make four columns of y for all rows: each takes every LANES-th run of
//          16 bytes of four rows of w, so that four wide loads are under way at once; their sums meet in workgroup
//          memory. Fewer columns ask for more lanes on each.
// Exact    products and sums of one run in the arithmetic type, four sums side by side; sums of runs in f32.
// Needs    M <= ROWS; grid (ceil(N / (512 / LANES)), 1, 1).
// Cost     reads w once. CPU reference: that of matmul.
#include "lib/matmul-out.wgsl"
#include "lib/weights.wgsl"
#param ROWS
#param LANES

var<workgroup> parts: array<vec4f, 128 * ROWS>;

fn total(v: Real4) -> f32 { return dot(vec4f(v), vec4f(1.0)); }

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let along = lane % LANES;
  let column = 4u * ((wg.x + p.base.x) * (128u / LANES) + lane / LANES);
  let kGroups = (p.K + 3u) / 4u;
  let runs = (kGroups + QUADS_PER_RUN - 1u) / QUADS_PER_RUN;
#unroll i 4
  let row$i = weightRow(min(column + $iu, p.N - 1u));
#end
#unroll m ROWS
  var sum$m = vec4f();
#end
  // The next run is on its way while this one is multiplied.
#unroll i 4
  var next$i = runAt(row$i, min(along, runs - 1u));
#end
  for (var run = along; run < runs; run += LANES) {
    let scale = vec4f(scaleOf(row0, run), scaleOf(row1, run), scaleOf(row2, run), scaleOf(row3, run));
#unroll i 4
    let w$i = next$i;
    next$i = runAt(row$i, min(run + LANES, runs - 1u));
#unroll m ROWS
    var part$m_$i = Real4();
#end
#end
#unroll q QUADS_PER_RUN
    // Weights past K are zero.
    let k$q = min(run * QUADS_PER_RUN + $qu, kGroups - 1u);
#unroll m ROWS
    let x$q_$m = realX(min($mu, p.M - 1u) * kGroups + k$q);
#end
#unroll i 4
    let w$q_$i = quadOf(w$i, $qu);
#unroll m ROWS
    part$m_$i += x$q_$m * w$q_$i;
#end
#end
#end
#unroll m ROWS
    sum$m += scale * vec4f(total(part$m_0), total(part$m_1), total(part$m_2), total(part$m_3));
#end
  }
#unroll m ROWS
  parts[$mu * 128u + lane] = sum$m;
#end
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (along < half) {
      for (var m = 0u; m < ROWS; m++) { parts[m * 128u + lane] += parts[m * 128u + lane + half]; }
    }
  }
  workgroupBarrier();
  if (along < ROWS) { put(along, column, parts[along * 128u + lane - along]); }
}
