// Unit: sixteen bytes along the inner axis of a product: one group of four values in f32, two in f16.
#param F16

#if F16
alias Unit = vec4u; // eight halves
const GROUPS = 2u;  // of four values in a unit
fn halves(word: u32) -> vec2<f16> { return bitcast<vec2<f16>>(word); }
fn unitOf(a: Real4, b: Real4) -> Unit { return vec4u(bitcast<vec2u>(a), bitcast<vec2u>(b)); }
#else
alias Unit = vec4f;
const GROUPS = 1u;
#endif
