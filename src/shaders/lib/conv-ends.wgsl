// fetch and put: where a convolution reads its input, and its last step on the way out. Used by conv and conv-direct.
#include "lib/activation.wgsl"
#include "lib/lanes.wgsl"
#param HAS_HIST
#param HAS_BIAS
#param HAS_RESIDUAL

// Group c of input channels at frame t, row h, column w of the (doubled) input; zero outside.
fn fetch(t: i32, h: i32, w: i32, c: u32, channels: u32) -> Real4 {
  let inside = u32(h) < p.H << p.doubled && u32(w) < p.W << p.doubled;
  let at = (u32(h) >> p.doubled) * p.W + (u32(w) >> p.doubled);
  if (!inside) { return Real4(); }
  if (u32(t) < p.T) { return realX((u32(t) * p.H * p.W + at) * channels + c); }
#if HAS_HIST
  if (t < 0) { return realHist((u32(t + i32(p.front)) * p.H * p.W + at) * channels + c); }
#endif
  return Real4();
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
