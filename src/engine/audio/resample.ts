/** Sound at another rate: a windowed sinc, cut off below the lower of the two rates' halves. */

/** Zero crossings of the sinc on either side; with this window, 80 dB of attenuation. */
const CROSSINGS = 24;
const KAISER_BETA = 8;
/** Share of the lower half rate that passes. */
const PASSED = 0.94;

/** Modified Bessel function of the first kind, order 0, by its series. */
function besselI0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** Returns `samples` at `from` a second as samples at `to` a second, ⌈length · to / from⌉ of them; silence lies around. */
export function resampleSound(samples: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return samples;
  const divisor = gcd(from, to);
  const [up, down] = [to / divisor, from / divisor];
  const cutoff = PASSED * Math.min(1, to / from);
  const reach = CROSSINGS / cutoff;
  const edge = besselI0(KAISER_BETA);
  const weightAt = (distance: number): number => {
    const u = distance / reach;
    if (Math.abs(u) >= 1) return 0;
    const x = Math.PI * cutoff * distance;
    const sinc = x === 0 ? 1 : Math.sin(x) / x;
    return (cutoff * sinc * besselI0(KAISER_BETA * Math.sqrt(1 - u * u))) / edge;
  };
  // Output i lies at input i · down / up: the fractions repeat after `up` outputs, and so do the weights.
  const span = Math.ceil(reach);
  const phases = new Map<number, Float64Array>();
  const phaseAt = (part: number): Float64Array => {
    const known = phases.get(part);
    if (known) return known;
    const weights = Float64Array.from({ length: 2 * span + 1 }, (_, k) =>
      weightAt(k - span - part / up),
    );
    const total = weights.reduce((a, b) => a + b, 0);
    const phase = weights.map((weight) => weight / total);
    phases.set(part, phase);
    return phase;
  };
  return Float32Array.from({ length: Math.ceil((samples.length * up) / down) }, (_, i) => {
    const centre = Math.floor((i * down) / up);
    const weights = phaseAt((i * down) % up);
    let sum = 0;
    for (let k = 0; k < weights.length; k++) {
      sum += (weights[k] ?? 0) * (samples[centre + k - span] ?? 0);
    }
    return sum;
  });
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
