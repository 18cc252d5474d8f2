// matvec: matmul for eight rows of x or fewer, which waits for the weights alone.
//
//   y = put(x wT), with all that rides on the last step: lib/matmul-out.wgsl
//
// Layout   x [M, K]  w [N, K], may be quantised: lib/weights.wgsl; the rest as in matmul
// Threads  128 in a workgroup. LANES neighbours make BLOCKS x 4 columns of y for all rows, so that each value of x serves
//          many columns: each takes every LANES-th run of 16 bytes of so many rows of w and asks for AHEAD of them with
//          their scales before it uses the first; the sums meet in workgroup memory.
// Exact    products and sums of one run in the arithmetic type, four sums side by side; sums of runs in f32.
// Needs    M <= ROWS; grid (ceil(N / (BLOCKS 512 / LANES)), 1, 1).
// Cost     reads w once. CPU reference: that of matmul.
#include "lib/matmul-out.wgsl"
#include "lib/weights.wgsl"
#param ROWS
#param LANES
#param AHEAD
#param BLOCKS

var<workgroup> parts: array<vec4f, 128 * ROWS * BLOCKS>;

fn total(v: Real4) -> f32 { return dot(vec4f(v), vec4f(1.0)); }

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let along = lane % LANES;
  let column = 4u * BLOCKS * ((wg.x + p.base.x) * (128u / LANES) + lane / LANES);
  let kGroups = (p.K + 3u) / 4u;
  let runs = (kGroups + QUADS_PER_RUN - 1u) / QUADS_PER_RUN;
#unroll b BLOCKS
#unroll i 4
  let row$b_$i = weightRow(min(column + 4u * $bu + $iu, p.N - 1u));
#end
#unroll m ROWS
  var sum$m_$b = vec4f();
#end
#end
  for (var first = along; first < runs; first += LANES * AHEAD) {
#unroll a AHEAD
    let run$a = min(first + $au * LANES, runs - 1u);
#unroll b BLOCKS
#unroll i 4
    let held$a_$b_$i = runAt(row$b_$i, run$a);
    let scale$a_$b_$i = scaleOf(row$b_$i, run$a);
#end
#end
#end
#unroll a AHEAD
#if AHEAD > 1
    if (first + $au * LANES < runs) {
#else
    {
#endif
#unroll b BLOCKS
#unroll m ROWS
#unroll i 4
      var part$m_$b_$i = Real4();
#end
#end
#end
#unroll q QUADS_PER_RUN
      // Weights past K are zero.
      let k$q = min(run$a * QUADS_PER_RUN + $qu, kGroups - 1u);
#unroll m ROWS
      let x$q_$m = turned(realX(min($mu, p.M - 1u) * kGroups + k$q));
#end
#unroll b BLOCKS
#unroll i 4
      let w$q_$b_$i = quadOf(held$a_$b_$i, $qu);
#unroll m ROWS
      part$m_$b_$i += x$q_$m * w$q_$b_$i;
#end
#end
#end
#end
#unroll b BLOCKS
      let scale$b = vec4f(scale$a_$b_0, scale$a_$b_1, scale$a_$b_2, scale$a_$b_3);
#unroll m ROWS
      sum$m_$b += scale$b * vec4f(total(part$m_$b_0), total(part$m_$b_1), total(part$m_$b_2), total(part$m_$b_3));
#end
#end
    }
#end
  }
#unroll m ROWS
#unroll b BLOCKS
  parts[($mu * BLOCKS + $bu) * 128u + lane] = sum$m_$b;
#end
#end
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (along < half) {
      for (var m = 0u; m < ROWS * BLOCKS; m++) { parts[m * 128u + lane] += parts[m * 128u + lane + half]; }
    }
  }
  workgroupBarrier();
  if (along < ROWS * BLOCKS) {
    put(along / BLOCKS, column + 4u * (along % BLOCKS), parts[along * 128u + lane - along]);
  }
}
