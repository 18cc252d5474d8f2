// activate: the activation named by ACTIVATION, on four values in f32.
// Exact    silu and sigmoid through exp of a negative argument or one that overflows to the right limit; gelu_tanh in
//          its sigmoid form, since tanh overflows for large arguments on some drivers; gelu_erf by Abramowitz &
//          Stegun 7.1.26 (absolute error 1.5e-7).
// CPU reference: engine/kernels/activation.ts.
#param ACTIVATION

fn sigmoid4(x: vec4f) -> vec4f { return 1.0 / (1.0 + exp(-clamp(x, vec4f(-80.0), vec4f(80.0)))); }

fn erf4(x: vec4f) -> vec4f {
  let a = abs(x);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - poly * exp(-min(a * a, vec4f(80.0))));
}

fn activate(x: vec4f) -> vec4f {
#if ACTIVATION == silu
  return x * sigmoid4(x);
#elif ACTIVATION == gelu_tanh
  return x * sigmoid4(1.5957691216 * (x + 0.044715 * x * x * x));
#elif ACTIVATION == gelu_erf
  return 0.5 * x * (1.0 + erf4(x * 0.70710678118));
#elif ACTIVATION == relu
  return max(x, vec4f());
#elif ACTIVATION == tanh
  return 2.0 * sigmoid4(2.0 * x) - 1.0;
#elif ACTIVATION == sigmoid
  return sigmoid4(x);
#elif ACTIVATION == quick_gelu
  return x * sigmoid4(1.702 * x);
#else
  return x;
#endif
}
