// put: the last step of attention: a residual sum on the way out.
#param HAS_RESIDUAL

fn put(at: u32, value: vec4f) {
#if HAS_RESIDUAL
  storeY(at, value + loadResidual(at));
#else
  storeY(at, value);
#endif
}
