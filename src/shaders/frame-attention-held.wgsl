// frame-attention-held: frame-attention that reads every row once.
//
//   as in frame-attention, for few frames
//
// Layout   as in frame-attention
// Threads  LANES in a workgroup, which takes PAIRS places of heads, one query row a lane. Keys, then values, of a pair go
//          through workgroup memory in units of 16 bytes; the values are on their way while keys are multiplied.
// Exact    products of four in the arithmetic type, sums in f32; softmax about the maximum.
// Needs    D = 4 QUADS UNITS; PAIRS F <= LANES; SHARE LANES >= PAIRS F UNITS; HEADS = heads; grid (ceil(N HEADS / PAIRS), 1, 1).
// Cost     reads q, k and v, writes y. CPU reference: engine/kernels/frame-attention.ts.
#param F16
#param FRAMES
#param HEADS
#param UNITS
#param PAIRS
#param SHARE
#param LANES
#param QUADS

const PITCH = FRAMES * UNITS + 1; // one more, so that pairs lie in different banks

#if F16
alias Unit = vec4u; // eight halves
fn product(a: Unit, b: Unit) -> f32 {
  let low = bitcast<vec4<f16>>(a.xy) * bitcast<vec4<f16>>(b.xy);
  let both = low + bitcast<vec4<f16>>(a.zw) * bitcast<vec4<f16>>(b.zw);
  return dot(vec4f(both), vec4f(1.0));
}
fn low(unit: Unit) -> vec4f { return vec4f(bitcast<vec4<f16>>(unit.xy)); }
fn high(unit: Unit) -> vec4f { return vec4f(bitcast<vec4<f16>>(unit.zw)); }
fn unitQ(i: u32) -> Unit { return runQ(i); }
fn unitK(i: u32) -> Unit { return runK(i); }
fn unitV(i: u32) -> Unit { return runV(i); }
#else
alias Unit = vec4f;
fn product(a: Unit, b: Unit) -> f32 { return dot(a, b); }
fn low(unit: Unit) -> vec4f { return unit; }
fn unitQ(i: u32) -> Unit { return loadQ(i); }
fn unitK(i: u32) -> Unit { return loadK(i); }
fn unitV(i: u32) -> Unit { return loadV(i); }
#endif

var<workgroup> tile: array<Unit, PAIRS * PITCH>;

// Unit 0 of a frame at a place of a head.
fn rowOf(pair: u32, frame: u32) -> u32 {
  let last = p.N * HEADS - 1u;
  let own = min(pair, last);
  return ((own / HEADS * p.placeStep + frame * p.frameStep) * HEADS + own % HEADS) * UNITS;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let pair0 = (wg.x + p.base.x) * PAIRS;
  // What the lane brings: units fastest, then pairs, which are neighbours in memory, then frames.
#unroll i SHARE
  let t$i = min($iu * LANES + lane, PAIRS * FRAMES * UNITS - 1u);
  let from$i = rowOf(pair0 + t$i / UNITS % PAIRS, t$i / (UNITS * PAIRS)) + t$i % UNITS;
  let to$i = t$i / UNITS % PAIRS * PITCH + t$i / (UNITS * PAIRS) * UNITS + t$i % UNITS;
  let k$i = unitK(from$i);
#end
  let pair = min(lane / FRAMES, PAIRS - 1u);
  let first = rowOf(pair0 + pair, lane % FRAMES);
#unroll d UNITS
  let q$d = unitQ(first + $du);
#end
#unroll i SHARE
  let v$i = unitV(from$i);
#end
#unroll i SHARE
  tile[to$i] = k$i;
#end
  workgroupBarrier();

  let at = pair * PITCH;
  var most = -3.0e38;
#unroll f FRAMES
  var score$f = 0.0;
#unroll d UNITS
  score$f += product(q$d, tile[at + $fu * UNITS + $du]);
#end
  score$f *= p.scale;
  most = max(most, score$f);
#end
  workgroupBarrier();
#unroll i SHARE
  tile[to$i] = v$i;
#end
  workgroupBarrier();

  var total = 0.0;
#unroll d UNITS
  var low$d = vec4f();
  var high$d = vec4f();
#end
#unroll f FRAMES
  let weight$f = exp(score$f - most);
  total += weight$f;
#unroll d UNITS
  let held$f_$d = tile[at + $fu * UNITS + $du];
  low$d += weight$f * low(held$f_$d);
#if F16
  high$d += weight$f * high(held$f_$d);
#endif
#end
#end
  if (lane >= PAIRS * FRAMES || pair0 + pair >= p.N * HEADS) { return; }
#unroll d UNITS
#if F16
  storesY(first + $du, Quads(low$d / total, high$d / total));
#else
  storeY(first + $du, low$d / total);
#endif
#end
}
