// conv: convolution over frames, rows and columns as one matrix product that gathers its left side on the fly.
//
//   y[t,h,w,o] = residual[t,h,w,o] + activate(bias[o] + sum_{a,b,e,c} w[o,(a,b,e),c] x[t st + a - front, h sh + b - top, w sw + e - left, c])
//   Outside of x stands zero; frames before the first come from hist [front, H, W, Cin] when that is bound.
//   With doubled = 1, x is read as if each pixel stood there twice along rows and columns.
//
// Layout   x [T, H, W, Cin]  w [Cout, taps, Cin]  bias [Cout]  residual, y [To, Ho, Wo, Cout]
// Threads  TX * TY = 256 in a workgroup; each makes RM pixels x 4 RN channels of y: pixels ty + TY i, channels
//          4 (tx + TX j) .. + 3. Pixels are numbered along columns, rows, then frames. Both sides pass through workgroup
//          memory, STEP groups of four along K = (tap, group of input channels); w is turned there, so that one vector
//          holds four output channels of one input channel.
// Exact    f32 sums; in f16 the 4 STEP products of one pass are summed in f16, passes in f32.
// Needs    STEP * (pixels + channels of a tile) <= 1024; grid (ceil(Cout / (4 TX RN)), ceil(To Ho Wo / (TY RM)), 1).
// Cost     2 To Ho Wo Cout taps Cin flops; no padded, doubled or unfolded copy of x. CPU reference: engine/kernels/conv.ts.
#include "lib/conv-ends.wgsl"
#param TILE
#param F16

#if TILE == large
const TX = 16u; const RM = 8u; const RN = 2u; const STEP = 4u; // 128 pixels x 128 channels
#elif TILE == square
const TX = 16u; const RM = 4u; const RN = 1u; const STEP = 4u; // 64 x 64
#elif TILE == narrow
const TX = 4u; const RM = 2u; const RN = 1u; const STEP = 4u;  // 128 x 16
#else
const TX = 1u; const RM = 1u; const RN = 1u; const STEP = 2u;  // 256 x 4
#endif
const TY = 256u / TX;
const ROWS = TY * RM;
const QUADS = TX * RN;                   // groups of four output channels
const LOADS = STEP * ROWS / 256u;        // groups of x that one invocation fetches in one pass

var<workgroup> xs: array<Real4, STEP * ROWS>;
var<workgroup> ws: array<Real4, 4u * STEP * QUADS>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = wg + p.base;
  let row0 = tile.y * ROWS;
  let quad0 = tile.x * QUADS;
  let tx = lane % TX;
  let ty = lane / TX;
  let groups = p.taps * ((p.Cin + 3u) / 4u);

  var origin: array<vec3i, LOADS>;       // of each pixel that this invocation fetches
  for (var i = 0u; i < LOADS; i++) { origin[i] = originOf(row0 + (lane + 256u * i) / STEP); }

  var sums: array<array<vec4f, RN>, RM>;
  for (var k0 = 0u; k0 < groups; k0 += STEP) {
    let k = k0 + lane % STEP;
    let tap = tapOf(k);
    for (var i = 0u; i < LOADS; i++) {
      var v = Real4();
      if (k < groups) { v = fetch(origin[i] + tap.shift, tap.c); }
      xs[lane % STEP * ROWS + (lane + 256u * i) / STEP] = v;
    }
    if (lane < STEP * QUADS) {
      var four = array<Real4, 4>();
      for (var c = 0u; c < 4u; c++) {
        let column = 4u * (quad0 + lane / STEP) + c;
        if (column < p.Cout && k < groups) { four[c] = realW(column * groups + k); }
      }
      let turned = transpose(mat4x4<Real>(four[0], four[1], four[2], four[3]));
      for (var c = 0u; c < 4u; c++) { ws[(lane % STEP * 4u + c) * QUADS + lane / STEP] = turned[c]; }
    }
    workgroupBarrier();
#if F16
    var part = array<array<Real4, RN>, RM>();
#endif
    for (var s = 0u; s < STEP; s++) {
      for (var j = 0u; j < RN; j++) {
        let at = s * 4u * QUADS + tx + TX * j;
        let w0 = ws[at];
        let w1 = ws[at + QUADS];
        let w2 = ws[at + 2u * QUADS];
        let w3 = ws[at + 3u * QUADS];
        for (var i = 0u; i < RM; i++) {
          let a = xs[s * ROWS + ty + TY * i];
#if F16
          part[i][j] += a.x * w0 + a.y * w1 + a.z * w2 + a.w * w3;
#else
          sums[i][j] += a.x * w0 + a.y * w1 + a.z * w2 + a.w * w3;
#endif
        }
      }
    }
#if F16
    for (var i = 0u; i < RM; i++) {
      for (var j = 0u; j < RN; j++) { sums[i][j] += vec4f(part[i][j]); }
    }
#endif
    workgroupBarrier();
  }

  for (var j = 0u; j < RN; j++) {
    for (var i = 0u; i < RM; i++) {
      put(row0 + ty + TY * i, 4u * (quad0 + tx + TX * j), sums[i][j]);
    }
  }
}
