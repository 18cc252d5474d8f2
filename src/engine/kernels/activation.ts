/** Activations that kernels can apply on the way out, in WGSL (lib/activation.wgsl) and here as the reference. */

export const ACTIVATIONS = [
  'none',
  'silu',
  'gelu_tanh',
  'gelu_erf',
  'relu',
  'tanh',
  'sigmoid',
  'quick_gelu',
] as const;
export type Activation = (typeof ACTIVATIONS)[number];

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);

/** Returns the activation of `x`, in f64. */
export function activate(kind: Activation, x: number): number {
  switch (kind) {
    case 'none':
      return x;
    case 'silu':
      return x / (1 + Math.exp(-x));
    case 'gelu_tanh':
      return 0.5 * x * (1 + Math.tanh(SQRT_2_OVER_PI * (x + 0.044715 * x ** 3)));
    case 'gelu_erf':
      return 0.5 * x * (1 + erf(x / Math.SQRT2));
    case 'relu':
      return Math.max(0, x);
    case 'tanh':
      return Math.tanh(x);
    case 'sigmoid':
      return 1 / (1 + Math.exp(-x));
    case 'quick_gelu':
      return x / (1 + Math.exp(-1.702 * x));
  }
}

/** Error function by its Maclaurin series (small |x|) or continued fraction (large |x|); within 1e-14. */
function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = a;
    let sum = a;
    for (let n = 1; n < 80; n++) {
      term *= -(a * a) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let tail = 0;
  for (let n = 60; n > 0; n--) tail = n / 2 / (a + tail);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + tail)));
}
