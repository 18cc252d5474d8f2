// history: keeps the last frames of a stream, in place.
//
//   hist[j] = (hist ++ x)[T + j]     for j < FRAMES;  where FRESH, the old hist counts as zero
//
// Layout   x [T, P, C]  hist [FRAMES, P, C]; without x, T is 0
// Threads  QUADS groups of four values of a frame each, LANES in a workgroup; all frames are read before one is written.
// Exact    copies. Needs QUADS divides C4; grid (ceil(runs / LANES), 1, 1) with runs = P C4 / QUADS.
// Cost     at most 2 FRAMES P C values moved. CPU reference: engine/kernels/history.ts.
#param FRESH
#param HAS_X
#param FRAMES
#param LANES
#param QUADS

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let runs = p.P * ((p.C + 3u) / 4u / QUADS);
  let i = (wg.x + p.base.x) * LANES + lane;
  if (i >= runs) { return; }
#unroll j FRAMES
  var v$j = Quads();
  let source$j = p.T + $ju;
  if (source$j < FRAMES) {
#if !FRESH
    v$j = loadsHist(source$j * runs + i);
#endif
  } else {
#if HAS_X
    v$j = loadsX((source$j - FRAMES) * runs + i);
#endif
  }
#end
#unroll j FRAMES
  storesHist($ju * runs + i, v$j);
#end
}
