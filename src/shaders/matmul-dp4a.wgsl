// matmul-dp4a: matmul on 8-bit integers, four products and their sum in one instruction.
//
//   y = put(sum, …), sum[m,n] = xScale[m] / 128 * sum_g scale[n,g] / L * sum_{k in g} x[m,k] w[n,k]    L = 128 or 8
//
// Layout   x [M, K] i8  xScale [M, 1] f16 (quantise-rows)  w [N, K] i8, i4 or i4x64 with its scales; the rest as in matmul
// Threads  16 x 16 in a workgroup; each makes 4 R x 4 R values of y: rows ty + 16 i, columns 4 tx .. 4 tx + 3 of every
//          64. Words of four integers pass through workgroup memory in steps of 32 along K, laid out [word][row];
//          column c lies at (c % 4) * 16 + c / 4 of its 64, so that neighbours read neighbours.
// Exact    whole sums in i32 (K <= 131,072); scales and all that follows in f32.
// Needs    packed_4x8_integer_dot_product; grid (ceil(N / (64 R)), ceil(M / (64 R)), 1).
// Cost     2 M N K operations. CPU reference: engine/kernels/matmul-dp4a.ts.
#include "lib/matmul-out.wgsl"
#param W_TYPE
#param R

const SIDE = 64u * R;

#if W_TYPE == i8
const PER_16 = 16u;
#else
const PER_16 = 32u;
#endif
#if W_TYPE == i4x64
const GROUP_STEPS = 2u;
#else
const GROUP_STEPS = 1u;
#endif

var<workgroup> xs: array<u32, 8u * SIDE>;
var<workgroup> ws: array<u32, 8u * SIDE>;

// Four halves of bytes 0 … 15 as signed bytes -8 … 7.
fn signedBytes(word: u32) -> u32 {
  let t = (word & 0x0f0f0f0fu) ^ 0x08080808u;
  return t | ((t & 0x08080808u) * 30u);
}

fn products(a: u32, b: vec4u) -> vec4i {
  return vec4i(dot4I8Packed(a, b.x), dot4I8Packed(a, b.y), dot4I8Packed(a, b.z), dot4I8Packed(a, b.w));
}

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) wg: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = wg + p.base;
  let firstRow = tile.y * SIDE;
  let firstColumn = tile.x * SIDE;
  let xRuns = (p.K + 15u) / 16u;
  let wRuns = (p.K + PER_16 - 1u) / PER_16;
  let steps = (p.K + 31u) / 32u;
#if W_TYPE != i8
  let groups = (steps + GROUP_STEPS - 1u) / GROUP_STEPS;
  let scalePitch = (groups + 3u) & ~3u;
#endif
#unroll i 4*R
#unroll c R
  var sum$i_$c = vec4f();
  var whole$i_$c = vec4i();
#end
#end

  for (var step = 0u; step < steps; step++) {
    for (var i = lane; i < 2u * SIDE; i += 256u) {
      let run = 2u * step + i % 2u;
      let row = firstRow + i / 2u;
      let held = select(vec4u(), x[min(row, p.M - 1u) * xRuns + min(run, xRuns - 1u)], run < xRuns);
      for (var j = 0u; j < 4u; j++) { xs[(4u * (i % 2u) + j) * SIDE + i / 2u] = held[j]; }
    }
#if W_TYPE == i8
    for (var i = lane; i < 2u * SIDE; i += 256u) {
      let run = 2u * step + i % 2u;
      let n = i / 2u;
      let held = select(vec4u(), w[min(firstColumn + n, p.N - 1u) * wRuns + min(run, wRuns - 1u)], run < wRuns);
      let at = (n & ~63u) + (n % 4u) * 16u + n % 64u / 4u;
      for (var j = 0u; j < 4u; j++) { ws[(4u * (i % 2u) + j) * SIDE + at] = held[j]; }
    }
#else
    for (var n = lane; n < SIDE; n += 256u) {
      let held = w[min(firstColumn + n, p.N - 1u) * wRuns + step];
      let at = (n & ~63u) + (n % 4u) * 16u + n % 64u / 4u;
      for (var j = 0u; j < 4u; j++) {
        ws[2u * j * SIDE + at] = signedBytes(held[j]);
        ws[(2u * j + 1u) * SIDE + at] = signedBytes(held[j] >> 4u);
      }
    }
#endif
    workgroupBarrier();
    for (var k = 0u; k < 8u; k++) {
#unroll c R
      let b$c = vec4u(
        ws[k * SIDE + $cu * 64u + local.x], ws[k * SIDE + $cu * 64u + 16u + local.x],
        ws[k * SIDE + $cu * 64u + 32u + local.x], ws[k * SIDE + $cu * 64u + 48u + local.x],
      );
#end
#unroll i 4*R
      let a$i = xs[k * SIDE + local.y + $iu * 16u];
#unroll c R
      whole$i_$c += products(a$i, b$c);
#end
#end
    }
    workgroupBarrier();
#if W_TYPE != i8
    if (step % GROUP_STEPS == GROUP_STEPS - 1u || step == steps - 1u) {
#unroll c R
      let n$c = firstColumn + $cu * 64u + 4u * local.x;
      let group$c = step / GROUP_STEPS;
      let scale$c = vec4f(
        atScale(min(n$c, p.N - 1u) * scalePitch + group$c), atScale(min(n$c + 1u, p.N - 1u) * scalePitch + group$c),
        atScale(min(n$c + 2u, p.N - 1u) * scalePitch + group$c), atScale(min(n$c + 3u, p.N - 1u) * scalePitch + group$c),
      );
#unroll i 4*R
      sum$i_$c += vec4f(whole$i_$c) * scale$c;
      whole$i_$c = vec4i();
#end
#end
    }
#endif
  }

#unroll c R
  let column$c = firstColumn + $cu * 64u + 4u * local.x;
#if W_TYPE == i8
  let factor$c = vec4f(
    atScale(4u * min(column$c, p.N - 1u)), atScale(4u * min(column$c + 1u, p.N - 1u)),
    atScale(4u * min(column$c + 2u, p.N - 1u)), atScale(4u * min(column$c + 3u, p.N - 1u)),
  ) / 128.0;
#else
  let factor$c = vec4f(0.125);
#endif
#unroll i 4*R
  let row$i_$c = firstRow + local.y + $iu * 16u;
#if W_TYPE == i8
  sum$i_$c = vec4f(whole$i_$c);
#endif
  put(row$i_$c, column$c, sum$i_$c * factor$c * (atXScale(4u * min(row$i_$c, p.M - 1u)) / 128.0));
#end
#end
}
