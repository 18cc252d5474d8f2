// table-row: the row of a table that belongs to the current step of a sampling loop.
//
//   y[column] = table[min(step, N - 1), column]
//
// Layout   table [N, rows, C]  step [1] u32  y [rows, C]
// Threads  one group of four values of y each, 64 in a workgroup.
// Exact    a copy. A step past the end reads the last row, never outside.
// Needs    grid (ceil(rows * C4 / 64), 1, 1).
// Cost     a few kilobytes. CPU reference: engine/kernels/table-row.ts.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let groups = p.rows * ((p.C + 3u) / 4u);
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= groups) { return; }
  storeY(i, loadTable(min(step[0], p.N - 1u) * groups + i));
}
