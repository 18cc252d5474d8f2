// decode-weights: values as files store them become f32 or f16, in the order and with the padding of kernels.
//
//   y[(o, t), c] = x[o, c, t] * factor[o]
//
// Layout   x [outs, C, taps] in u32 words as they lie in a file, the first value in the lowest bits; STORED is its type,
//          one value after the other or BLOCKS of GGUF, of which a row of C * taps values has a whole number.
//          y [outs * taps, C], group `first` of four values of its buffer and following. factor [outs].
// Threads  four values of y each, 64 in a workgroup.
// Exact    bit for bit as engine/weights/convert.ts: integer arithmetic alone, but for blocks and for the product with a factor.
//          f16 is rounded to nearest even; beyond its range it is infinite.
// Needs    grid (ceil(outs * taps * ceil(C / 4) / 64), 1, 1).
// Cost     reads each word up to four times, from cache; writes y. CPU reference: engine/kernels/decode-weights.ts.
#include "lib/blocks.wgsl"
#param STORED
#param BLOCKS
#param HAS_FACTOR
#param Y_HALVES

// f32 bits of an f16.
fn fromHalf(half: u32) -> u32 {
  let sign = (half & 0x8000u) << 16u;
  let magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00u) { return sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13u); }
  if (magnitude >= 0x400u) { return sign | ((magnitude << 13u) + 0x38000000u); }
  if (magnitude == 0u) { return sign; }
  let shift = countLeadingZeros(magnitude) - 21u; // moves the leading one to bit 10
  return sign | ((113u - shift) << 23u) | (((magnitude << shift) & 0x3ffu) << 13u);
}

// f32 bits of value e of x.
fn stored(e: u32) -> u32 {
#if BLOCKS
  return bitcast<u32>(blockValue(e));
#elif STORED == F32
  return x[e];
#elif STORED == BF16
  return (x[e / 2u] >> (16u * (e & 1u))) << 16u;
#elif STORED == F16
  return fromHalf((x[e / 2u] >> (16u * (e & 1u))) & 0xffffu);
#else
  let byte = (x[e / 4u] >> (8u * (e & 3u))) & 0xffu;
#if STORED == I8
  return bitcast<u32>(f32(extractBits(i32(byte), 0u, 8u)));
#elif STORED == F8_E5M2
  return fromHalf(byte << 8u);
#else
  // E4M3: bias 7, no infinities, not a number at all ones; a 256th of it is an f16 with the same bits.
  if ((byte & 0x7fu) == 0x7fu) { return 0x7fc00000u; }
  let half = fromHalf(((byte & 0x80u) << 8u) | ((byte & 0x7fu) << 7u));
  return half + select(0u, 8u << 23u, (byte & 0x7fu) != 0u);
#endif
#endif
}

fn value(o: u32, c: u32, t: u32) -> u32 {
  if (c >= p.C) { return 0u; }
  let bits = stored((o * p.C + c) * p.taps + t);
#if HAS_FACTOR
  return bitcast<u32>(bitcast<f32>(bits) * atFactor(o));
#else
  return bits;
#endif
}

// f16 bits of the f32 with these bits.
fn toHalf(bits: u32) -> u32 {
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return sign | 0x7e00u; }
  if (magnitude >= 0x477ff000u) { return sign | 0x7c00u; } // 65520 and above
  if (magnitude >= 0x38800000u) {
    return sign | ((magnitude + 0xfffu + ((magnitude >> 13u) & 1u) - 0x38000000u) >> 13u);
  }
  if (magnitude <= 0x33000000u) { return sign; } // 2^-25 lies halfway to the smallest half: even is zero
  let mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  let shift = 126u - (magnitude >> 23u); // the unit of subnormal halves is 2^-24
  let whole = mantissa >> shift;
  let rest = mantissa & ((1u << shift) - 1u);
  let halfway = 1u << (shift - 1u);
  return sign | (whole + select(0u, 1u, rest > halfway || (rest == halfway && (whole & 1u) == 1u)));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let groups = (p.C + 3u) / 4u;
  let i = (wg.x + p.base.x) * 64u + lane;
  let row = i / groups;
  if (row >= p.outs * p.taps) { return; }
  let o = row / p.taps;
  let t = row % p.taps;
  let c = 4u * (i % groups);
  let bits = vec4u(value(o, c, t), value(o, c + 1u, t), value(o, c + 2u, t), value(o, c + 3u, t));
#if Y_HALVES
  y[p.first + i] = vec2u(toHalf(bits.x) | (toHalf(bits.y) << 16u), toHalf(bits.z) | (toHalf(bits.w) << 16u));
#else
  y[p.first + i] = bitcast<vec4f>(bits);
#endif
}
