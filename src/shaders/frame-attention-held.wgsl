// frame-attention-held: frame-attention that reads every row once.
//
//   as in frame-attention, for few frames
//
// Layout   as in frame-attention
// Threads  LANES in a workgroup, which takes PAIRS places of heads, one query row a lane. All rows travel between memory
//          and workgroup memory in whole runs of neighbours, 16 bytes a lane; what comes later is asked for at once.
// Exact    f16: two products, and the weighted values of four frames, are added in halves, the rest in f32; f32 else.
//          Softmax about the maximum.
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

// One unit more a row and a pair, so that neighbours lie in different banks.
const ROW = UNITS + 1;
const PITCH = FRAMES * ROW + 1;

#if F16
alias Unit = vec4u; // eight halves
alias Half4 = vec4<f16>;
fn low(unit: Unit) -> Half4 { return bitcast<Half4>(unit.xy); }
fn high(unit: Unit) -> Half4 { return bitcast<Half4>(unit.zw); }
fn product(a: Unit, b: Unit) -> vec4f { return vec4f(low(a) * low(b) + high(a) * high(b)); }
fn packed(a: vec4f, b: vec4f) -> Unit { return vec4u(halves(a.xy), halves(a.zw), halves(b.xy), halves(b.zw)); }
fn unitQ(i: u32) -> Unit { return runQ(i); }
fn unitK(i: u32) -> Unit { return runK(i); }
fn unitV(i: u32) -> Unit { return runV(i); }
fn putY(i: u32, unit: Unit) { y[i] = unit; }
#else
alias Unit = vec4f;
fn product(a: Unit, b: Unit) -> vec4f { return a * b; }
fn unitQ(i: u32) -> Unit { return loadQ(i); }
fn unitK(i: u32) -> Unit { return loadK(i); }
fn unitV(i: u32) -> Unit { return loadV(i); }
fn putY(i: u32, unit: Unit) { storeY(i, unit); }
#endif

var<workgroup> tile: array<Unit, PAIRS * PITCH>;

// Unit 0 of a frame at a place of a head.
fn rowOf(pair: u32, frame: u32) -> u32 {
  let own = min(pair, p.N * HEADS - 1u);
  return ((own / HEADS * p.placeStep + frame * p.frameStep) * HEADS + own % HEADS) * UNITS;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let pair0 = (wg.x + p.base.x) * PAIRS;
  // What the lane brings: units fastest, then pairs, which are neighbours in memory, then frames.
#unroll i SHARE
  let t$i = min($iu * LANES + lane, PAIRS * FRAMES * UNITS - 1u);
  let there$i = rowOf(pair0 + t$i / UNITS % PAIRS, t$i / (UNITS * PAIRS)) + t$i % UNITS;
  let here$i = t$i / UNITS % PAIRS * PITCH + t$i / (UNITS * PAIRS) * ROW + t$i % UNITS;
  let q$i = unitQ(there$i);
#end
#unroll i SHARE
  let k$i = unitK(there$i);
#end
#unroll i SHARE
  let v$i = unitV(there$i);
#end
#unroll i SHARE
  tile[here$i] = q$i;
#end
  workgroupBarrier();
  let at = min(lane / FRAMES, PAIRS - 1u) * PITCH;
  let mine = at + lane % FRAMES * ROW;
#unroll d UNITS
  let own$d = tile[mine + $du];
#end
  workgroupBarrier();
#unroll i SHARE
  tile[here$i] = k$i;
#end
  workgroupBarrier();

  var most = -3.0e38;
#unroll f FRAMES
  var products$f = vec4f();
#unroll d UNITS
  products$f += product(own$d, tile[at + $fu * ROW + $du]);
#end
  let score$f = p.scale * dot(products$f, vec4f(1.0));
  most = max(most, score$f);
#end
  workgroupBarrier();
#unroll i SHARE
  tile[here$i] = v$i;
#end
  workgroupBarrier();

  var total = 0.0;
#unroll d UNITS
  var low$d = vec4f();
#if F16
  var high$d = vec4f();
  var lowHalf$d = Half4();
  var highHalf$d = Half4();
#endif
#end
#unroll f FRAMES
  let weight$f = exp(score$f - most);
  total += weight$f;
#unroll d UNITS
  let v$f_$d = tile[at + $fu * ROW + $du];
#if F16
  lowHalf$d += f16(weight$f) * low(v$f_$d);
  highHalf$d += f16(weight$f) * high(v$f_$d);
  if ($fu % 4u == 3u || $fu + 1u == FRAMES) {
    low$d += vec4f(lowHalf$d);
    high$d += vec4f(highHalf$d);
    lowHalf$d = Half4();
    highHalf$d = Half4();
  }
#else
  low$d += weight$f * v$f_$d;
#endif
#end
#end
  workgroupBarrier();
  if (lane < PAIRS * FRAMES) {
#unroll d UNITS
#if F16
    tile[mine + $du] = packed(low$d / total, high$d / total);
#else
    tile[mine + $du] = low$d / total;
#endif
#end
  }
  workgroupBarrier();
#unroll i SHARE
  if ($iu * LANES + lane < PAIRS * FRAMES * UNITS && pair0 + t$i / UNITS % PAIRS < p.N * HEADS) {
    putY(there$i, tile[here$i]);
  }
#end
}
