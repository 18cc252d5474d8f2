// Values of GGUF's quantised blocks in x, an array of words: layouts as in engine/weights/block-types.ts.
// Every product is exact in f32, and each value rounded once.

#if BLOCKS
fn byteAt(at: u32) -> u32 { return (x[at / 4u] >> (8u * (at & 3u))) & 0xffu; }

fn signedAt(at: u32) -> f32 { return f32(extractBits(i32(byteAt(at)), 0u, 8u)); }

// The f16 at an even offset.
fn halfAt(at: u32) -> f32 {
  return bitcast<f32>(fromHalf((x[at / 4u] >> (8u * (at & 2u))) & 0xffffu));
}

// Half of the byte: the lower of values of an even part, the upper of those of an odd one.
fn nibbleAt(at: u32, part: u32) -> u32 { return (byteAt(at) >> (4u * (part & 1u))) & 15u; }

#if STORED == Q8_0
// f16 scale, 32 signed bytes.
fn blockValue(e: u32) -> f32 {
  let block = 34u * (e / 32u);
  return signedAt(block + 2u + e % 32u) * halfAt(block);
}
#elif STORED == Q4_0
// f16 scale, 16 bytes: value i in the lower half of byte i, value 16 + i in the upper, each less 8.
fn blockValue(e: u32) -> f32 {
  let block = 18u * (e / 32u);
  let i = e % 32u;
  return (f32(nibbleAt(block + 2u + i % 16u, i / 16u)) - 8.0) * halfAt(block);
}
#elif STORED == Q6_K
// 128 bytes of lower halves, 64 of upper pairs, 16 signed scales, f16 scale; values less 32.
fn blockValue(e: u32) -> f32 {
  let block = 210u * (e / 256u);
  let i = e % 256u;
  let half = i / 128u;
  let quarter = (i / 32u) % 4u;
  let lower = nibbleAt(block + half * 64u + (quarter % 2u) * 32u + i % 32u, quarter / 2u);
  let upper = (byteAt(block + 128u + half * 32u + i % 32u) >> (2u * quarter)) & 3u;
  let scale = halfAt(block + 208u) * signedAt(block + 192u + i / 16u);
  return scale * (f32(lower | (upper << 4u)) - 32.0);
}
#else
// f16 scale, f16 minimum, 12 bytes of parts, for Q5_K 32 bytes of fifth bits, 128 bytes of halves.
#if STORED == Q5_K
const BLOCK = 176u;
const FIRST = 48u;
#else
const BLOCK = 144u;
const FIRST = 16u;
#endif

// Scale and minimum of a part of eight, six bits each.
fn scaleAndMinimum(parts: u32, j: u32) -> vec2u {
  if (j < 4u) { return vec2u(byteAt(parts + j), byteAt(parts + j + 4u)) & vec2u(63u); }
  let both = byteAt(parts + j + 4u);
  let upper = vec2u(byteAt(parts + j - 4u), byteAt(parts + j)) >> vec2u(6u);
  return vec2u(both & 15u, both >> 4u) | (upper << vec2u(4u));
}

fn blockValue(e: u32) -> f32 {
  let block = BLOCK * (e / 256u);
  let i = e % 256u;
  let part = i / 32u;
  let pair = vec2f(scaleAndMinimum(block + 4u, part)) * vec2f(halfAt(block), halfAt(block + 2u));
  var value = nibbleAt(block + FIRST + (part / 2u) * 32u + i % 32u, part);
#if STORED == Q5_K
  value |= ((byteAt(block + 16u + i % 32u) >> part) & 1u) << 4u;
#endif
  return pair.x * f32(value) - pair.y;
}
#endif
#endif
