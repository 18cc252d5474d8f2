// The first product of attention-tiled and its softmax, for the rows of one workgroup; the second is lib/attention-gather.wgsl.
//
//   multiply   s += q kT over the units that lie in workgroup memory, of `left` that there are
//   weighTile  weights of a tile = exp2(s - most), where most and total follow the rows; sums shrink as most grows
#include "lib/attention-units.wgsl"
#param BLOCKS
#param ROWS

// KEYS of an invocation in a tile, one behind another; UNITS along D in a step.
const UNITS = 4u;
#if F16
const KEYS = 4u;
alias Weights = vec4<f16>;
#else
const KEYS = 2u;
alias Weights = vec2f;
#endif
// Units written out; processors need minutes to compile many.
#if ROWS == 4
const AT_ONCE = 1u;
#else
const AT_ONCE = 4u; // no loop, not even of one round, or sums are moved about
#endif
const TILE = 16u * KEYS;
const ASIDE = 17u; // from the first keys of 16 invocations to their second ones, and from row to row: other banks
const LOWEST = -3.0e38;
alias Scores = array<array<f32, KEYS>, ROWS>;
alias Sums = array<array<vec4f, BLOCKS>, ROWS>;
alias Rows = array<f32, ROWS>;

var<workgroup> queries: array<array<Unit, 8u * ROWS + 2u>, UNITS>;
var<workgroup> keys: array<array<Unit, ASIDE * KEYS>, UNITS>;
var<workgroup> weights: array<Weights, 8u * ROWS * ASIDE>;
var<workgroup> ofRow: array<f32, 8u * ROWS * ASIDE>; // what 16 neighbours know of a row

// Where key n of a tile stands, so that neighbours read neighbours.
fn standing(n: u32) -> u32 { return n / KEYS + n % KEYS * ASIDE; }

fn multiply(s: ptr<function, Scores>, left: u32, lane: u32) {
  let tx = lane % 16u; // says how large they can be, so that indexes are not clamped
  let ty = lane % 128u / 16u;
#if F16
  var parts = array<array<vec2<f16>, KEYS>, ROWS>();
#endif
#if ROWS == 4
  for (var u0 = 0u; u0 < min(left, UNITS); u0++) {
#else
  {
    let u0 = 0u;
#endif
#unroll u AT_ONCE
    {
#unroll i ROWS
      let a$i = queries[u0 + $u][ty + $i * 8u];
#end
#unroll j KEYS
      {
        let b = keys[u0 + $u][tx + $j * ASIDE];
#unroll i ROWS
#if F16
        parts[$i][$j] = fma(halves(a$i.y), halves(b.y), fma(halves(a$i.x), halves(b.x), parts[$i][$j]));
        parts[$i][$j] = fma(halves(a$i.w), halves(b.w), fma(halves(a$i.z), halves(b.z), parts[$i][$j]));
#else
        (*s)[$i][$j] = fma(a$i.w, b.w, fma(a$i.z, b.z, fma(a$i.y, b.y, fma(a$i.x, b.x, (*s)[$i][$j]))));
#endif
#end
      }
#end
    }
#end
  }
#if F16
#unroll i ROWS
#unroll j KEYS
  (*s)[$i][$j] += f32(parts[$i][$j].x) + f32(parts[$i][$j].y);
#end
#end
#endif
}

fn weighTile(s: ptr<function, Scores>, o: ptr<function, Sums>, most: ptr<function, Rows>, total: ptr<function, Rows>, firstKey: u32, lane: u32) {
  let tx = lane % 16u;
  let ty = lane % 128u / 16u;
  let key = firstKey + KEYS * tx;
#unroll i ROWS
  var tile$i = LOWEST;
#unroll j KEYS
  (*s)[$i][$j] += select(0.0, p.lastKeyBias * 1.4426950408889634, key + $j == p.Lk - 1u);
  (*s)[$i][$j] = select(LOWEST, (*s)[$i][$j], key + $j < p.Lk);
  tile$i = max(tile$i, (*s)[$i][$j]);
#end
  ofRow[(ty + $i * 8u) * ASIDE + tx] = tile$i;
#end
  workgroupBarrier();
#unroll i ROWS
  {
    var now = (*most)[$i];
    for (var x = 0u; x < 16u; x++) { now = max(now, ofRow[(ty + $i * 8u) * ASIDE + x]); }
    let shrink = exp2((*most)[$i] - now);
    (*most)[$i] = now;
    (*total)[$i] *= shrink;
#unroll c BLOCKS
    (*o)[$i][$c] *= shrink;
#end
    var few: Weights;
#unroll j KEYS
    let weight$j = exp2((*s)[$i][$j] - now);
    (*total)[$i] += weight$j;
    few[$j] = Real(weight$j);
#end
    weights[(ty + $i * 8u) * ASIDE + tx] = few;
  }
#end
  workgroupBarrier();
}
