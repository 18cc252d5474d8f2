// matvec: matmul for eight rows of x or fewer, which waits for the weights alone.
//
//   y = put(x wT), with all that rides on the last step: lib/matmul-out.wgsl
//
// Layout   x [M, K]  w [N, K], may be quantised: lib/weights.wgsl; the rest as in matmul
// Threads  128 in a workgroup. LANES neighbours make four columns of y for all rows: each takes every LANES-th run of
//          16 bytes of four rows of w and asks for AHEAD of them with their scales before it uses the first; the sums meet
//          in workgroup memory. Fewer columns ask for more lanes on each.
// Exact    products and sums of one run in the arithmetic type, four sums side by side; sums of runs in f32.
// Needs    M <= ROWS; grid (ceil(N / (512 / LANES)), 1, 1).
// Cost     reads w once. CPU reference: that of matmul.
#include "lib/matmul-out.wgsl"
#include "lib/weights.wgsl"
#param ROWS
#param LANES
#param AHEAD

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
  for (var first = along; first < runs; first += LANES * AHEAD) {
#unroll a AHEAD
    let run$a = min(first + $au * LANES, runs - 1u);
#unroll i 4
    let held$a_$i = runAt(row$i, run$a);
    let scale$a_$i = scaleOf(row$i, run$a);
#end
#end
#unroll a AHEAD
    if (first + $au * LANES < runs) {
#unroll m ROWS
#unroll i 4
      var part$m_$i = Real4();
#end
#end
#unroll q QUADS_PER_RUN
      // Weights past K are zero.
      let k$q = min(run$a * QUADS_PER_RUN + $qu, kGroups - 1u);
#unroll m ROWS
      let x$q_$m = realX(min($mu, p.M - 1u) * kGroups + k$q);
#end
#unroll i 4
      let w$q_$i = quadOf(held$a_$i, $qu);
#unroll m ROWS
      part$m_$i += x$q_$m * w$q_$i;
#end
#end
#end
      let scale = vec4f(scale$a_0, scale$a_1, scale$a_2, scale$a_3);
#unroll m ROWS
      sum$m += scale * vec4f(total(part$m_0), total(part$m_1), total(part$m_2), total(part$m_3));
#end
    }
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
