// history: keeps the last frames of a stream, in place.
//
//   hist[j] = (hist ++ x)[T + j]     for j < frames;  where FRESH, the old hist counts as zero
//
// Layout   x [T, P, C]  hist [frames, P, C]; without x, T is 0
// Threads  one group of four values of a frame each, 64 in a workgroup; it moves its group through all frames in rising
//          order, so that nothing is read after it was overwritten.
// Exact    copies. Needs grid (ceil(groups / 64), 1, 1) with groups = P * C4.
// Cost     at most 2 frames P C values moved. CPU reference: engine/kernels/history.ts.
#param FRESH
#param HAS_X

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let groups = p.P * ((p.C + 3u) / 4u);
  let i = (wg.x + p.base.x) * 64u + lane;
  if (i >= groups) { return; }
  for (var j = 0u; j < p.frames; j++) {
    let source = p.T + j;
    var v = vec4f();
    if (source < p.frames) {
#if !FRESH
      v = loadHist(source * groups + i);
#endif
    } else {
#if HAS_X
      v = loadX((source - p.frames) * groups + i);
#endif
    }
    storeHist(j * groups + i, v);
  }
}
