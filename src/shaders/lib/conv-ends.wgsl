// Where a convolution reads its input, and its last step on the way out. Used by every kernel of the family.
//
// A place is (frame, row, column) of the input, doubled along rows and columns where doubled = 1; k counts groups of
// four along (tap, input channel).
#include "lib/activation.wgsl"
#include "lib/lanes.wgsl"
#param HAS_HIST
#param HAS_BIAS
#param HAS_RESIDUAL

const OUTSIDE = -1000000;

struct Tap {
  shift: vec3i, // from the place of tap 0
  c: u32,       // group of input channels
}

// The place that tap 0 reads for a pixel of y; pixels are numbered along columns, rows, then frames.
fn originOf(pixel: u32) -> vec3i {
  if (pixel >= p.To * p.Ho * p.Wo) { return vec3i(OUTSIDE); }
  let strided = vec3u(pixel / (p.Wo * p.Ho) * p.st, pixel / p.Wo % p.Ho * p.sh, pixel % p.Wo * p.sw);
  return vec3i(strided) - vec3i(vec3u(p.front, p.top, p.left));
}

fn tapOf(k: u32) -> Tap {
  let channels = (p.Cin + 3u) / 4u;
  let tap = k / channels;
  return Tap(vec3i(vec3u(tap / (p.kw * p.kh), tap / p.kw % p.kh, tap % p.kw)), k % channels);
}

// Whether a place holds values; all others are zero.
fn holds(place: vec3i) -> bool {
#if HAS_HIST
  let frame = place.x >= -i32(p.front) && place.x < i32(p.T);
#else
  let frame = u32(place.x) < p.T;
#endif
  return frame && u32(place.y) < p.H << p.doubled && u32(place.z) < p.W << p.doubled;
}

// Where group c of input channels at a place lies in x, or in the history if `older`; some group there for any place.
fn groupAt(place: vec3i, c: u32, older: bool) -> u32 {
  let row = u32(max(place.y, 0)) >> p.doubled;
  let column = u32(max(place.z, 0)) >> p.doubled;
  let inFrame = min(row, p.H - 1u) * p.W + min(column, p.W - 1u);
  let frame = u32(max(place.x + select(0, i32(p.front), older), 0));
  return (min(frame, select(p.T, p.front, older) - 1u) * p.H * p.W + inFrame) * ((p.Cin + 3u) / 4u) + c;
}

// Group c of input channels at a place that holds values; some other group for any other place.
fn valuesAt(place: vec3i, c: u32) -> Real4 {
#if HAS_HIST
  if (place.x < 0) { return realHist(groupAt(place, c, true)); }
#endif
  return realX(groupAt(place, c, false));
}

fn fetch(place: vec3i, c: u32) -> Real4 {
  if (!holds(place)) { return Real4(); }
  return valuesAt(place, c);
}

// Writes four output channels of one pixel; places outside of y are passed over.
fn put(pixel: u32, column: u32, sum: vec4f) {
  if (pixel >= p.To * p.Ho * p.Wo || column >= p.Cout) { return; }
  let at = pixel * ((p.Cout + 3u) / 4u) + column / 4u;
  var v = sum;
#if HAS_BIAS
  v += loadBias(column / 4u);
#endif
  v = activate(v);
#if HAS_RESIDUAL
  v += loadResidual(at);
#endif
  storeY(at, keep(v, column, p.Cout));
}
