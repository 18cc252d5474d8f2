// weightAt: values 4 k … 4 k + 3 of a row of the weight matrix w [N, K], whatever w is stored as.
// heldAt, valuesOf: the same in two steps, for kernels that fetch ahead: what was fetched is unpacked when it is needed, or
// the fetch would be waited for at once.
// runAt, quadOf, scaleOf: the same in runs of up to 16 bytes, for kernels that wait for memory alone. The values of such a
// quad stand as `turned` puts those of x: unpacked in f16, every other one comes first.
//
//   plain      f32 or f16, as they are       a run is one quad
//   i8         q / 128 * scale[n]            scale [N, 1] f16; a run is four quads
//   i4, i4x64  q / 8 * scale[n, k / group]   scale [N, ceil(K / group)] f16, group 32 or 64 values; eight quads
//
// Start a row once with weightRow(n), then read along it. Columns past K are zero up to the next multiple of four.
// Exact    the integers as f16 or f32, then one product in the arithmetic type. Packing: engine/gpu/integers.ts.
#param W_TYPE
#param F16

#if F16 && W_TYPE != plain
fn turned(x: Real4) -> Real4 { return x.xzyw; } // its own inverse
#else
fn turned(x: Real4) -> Real4 { return x; }
#endif

#if W_TYPE != plain
struct Held { word: u32, scale: Real }
#endif

struct WeightRow {
  at: u32,     // where the row begins in w
  scales: u32, // where its scales begin
}

#if W_TYPE == i8
alias Run = vec4u;
const QUADS_PER_RUN = 4u;

fn weightRow(n: u32) -> WeightRow { return WeightRow(n * ((p.K + 15u) / 16u), 4u * n); }
fn runAt(row: WeightRow, run: u32) -> Run { return w[row.at + run]; }
fn scaleOf(row: WeightRow, run: u32) -> f32 { return atScale(row.scales); }
fn quadOf(run: Run, quad: u32) -> Real4 { return bytes(run[quad]); }

fn heldAt(row: WeightRow, k: u32) -> Held { return Held(w[row.at + k / 4u][k % 4u], Real(atScale(row.scales))); }
fn valuesOf(held: Held) -> Real4 { return turned(bytes(held.word)) * held.scale; }

// Four signed bytes over 128, turned.
fn bytes(word: u32) -> Real4 {
#if F16
  let n = word ^ 0x80808080u; // 1024 + n is a half with n in its lowest bits
  let even = bitcast<vec2<f16>>((n & 0x00ff00ffu) | 0x64006400u);
  let odd = bitcast<vec2<f16>>(((n >> 8u) & 0x00ff00ffu) | 0x64006400u);
  return vec4<f16>(even, odd) * 0.0078125h - 9.0h;
#else
  return vec4f(bitcast<vec4i>(vec4u(word) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u)) * 0.0078125;
#endif
}
#elif W_TYPE == plain
alias Run = Real4;
const QUADS_PER_RUN = 1u;

fn weightRow(n: u32) -> WeightRow { return WeightRow(n * ((p.K + 3u) / 4u), 0u); }
fn runAt(row: WeightRow, run: u32) -> Run { return realW(row.at + run); }
fn scaleOf(row: WeightRow, run: u32) -> f32 { return 1.0; }
fn quadOf(run: Run, quad: u32) -> Real4 { return run; }
alias Held = Real4;
fn heldAt(row: WeightRow, k: u32) -> Held { return realW(row.at + k); }
fn valuesOf(held: Held) -> Real4 { return held; }
#else
#if W_TYPE == i4x64
const QUADS_PER_SCALE = 16u;
#else
const QUADS_PER_SCALE = 8u;
#endif
alias Run = vec4u;
const QUADS_PER_RUN = 8u;

fn weightRow(n: u32) -> WeightRow {
  let groups = (p.K + 4u * QUADS_PER_SCALE - 1u) / (4u * QUADS_PER_SCALE);
  return WeightRow(n * ((p.K + 31u) / 32u), n * ((groups + 3u) & ~3u));
}

fn runAt(row: WeightRow, run: u32) -> Run { return w[row.at + run]; }
fn scaleOf(row: WeightRow, run: u32) -> f32 {
  return atScale(row.scales + run / (QUADS_PER_SCALE / QUADS_PER_RUN));
}
fn quadOf(run: Run, quad: u32) -> Real4 { return nibbles(run[quad / 2u] >> (4u * (quad & 1u))); }

fn heldAt(row: WeightRow, k: u32) -> Held {
  let word = w[row.at + k / 8u][(k / 2u) % 4u] >> (4u * (k & 1u));
  return Held(word, Real(atScale(row.scales + k / QUADS_PER_SCALE)));
}
fn valuesOf(held: Held) -> Real4 { return turned(nibbles(held.word)) * held.scale; }

// The lower halves of four bytes, less 8, over 8, turned.
fn nibbles(word: u32) -> Real4 {
#if F16
  let even = bitcast<vec2<f16>>((word & 0x000f000fu) | 0x64006400u);
  let odd = bitcast<vec2<f16>>(((word >> 8u) & 0x000f000fu) | 0x64006400u);
  return vec4<f16>(even, odd) * 0.125h - 129.0h;
#else
  return vec4f((vec4u(word) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(15u)) * 0.125 - 1.0;
#endif
}
#endif

fn weightAt(row: WeightRow, k: u32) -> Real4 { return valuesOf(heldAt(row, k)); }
