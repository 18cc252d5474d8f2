// rearrange: copies a tensor into another order of axes; covers permutes, slices, patchify and repeats.
//
//   y[row, column] = x[offset + sum_i digit_i * stride_i]
//
// Layout   x any, strides and offset count values of its padded layout. y [rows, C]. The row splits into the digits
//          0 .. ROW_DIGITS - 1 and the column into the COLUMN_DIGITS after them, slowest first, with sizes n0, n1, ...
// Threads  one group of four values of y each, 64 in a workgroup.
// Exact    copies, no arithmetic. VECTOR when four neighbours of y are one group of x.
// Needs    at most eight digits; grid (ceil(rows * C4 / 64), 1, 1).
// Cost     reads each value once, writes y. CPU reference: engine/kernels/rearrange.ts.
#include "lib/lanes.wgsl"
#param ROW_DIGITS
#param COLUMN_DIGITS
#param VECTOR

// Source position of the digits first .. first + count - 1 that make up `index`.
fn place(index: u32, first: u32, count: u32) -> u32 {
  let sizes = array<u32, 8>(p.n0, p.n1, p.n2, p.n3, p.n4, p.n5, p.n6, p.n7);
  let strides = array<u32, 8>(p.s0, p.s1, p.s2, p.s3, p.s4, p.s5, p.s6, p.s7);
  var at = 0u;
  var rest = index;
  for (var i = first + count; i > first; i--) {
    at += (rest % sizes[i - 1u]) * strides[i - 1u];
    rest /= sizes[i - 1u];
  }
  return at;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let groups = (p.C + 3u) / 4u;
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= p.rows * groups) { return; }
  let row = p.offset + place(i / groups, 0u, ROW_DIGITS);
  let column = 4u * (i % groups);
#if VECTOR
  let v = loadX((row + place(column, ROW_DIGITS, COLUMN_DIGITS)) / 4u);
#else
  var v = vec4f();
  for (var k = 0u; k < min(4u, p.C - column); k++) {
    v[k] = atX(row + place(column + k, ROW_DIGITS, COLUMN_DIGITS));
  }
#endif
  storeY(i, keep(v, column, p.C));
}
