// The two products of attention-tiled and the softmax between them, for the rows of one workgroup.
//
//   multiply   s += q kT over the units that lie in workgroup memory, of `left` that there are
//   weighTile  weights of a tile = exp2(s - most), where most and total follow the rows; sums shrink as most grows
//   gather     o += weights v
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
// Units and weights written out; processors need minutes to compile many.
#if ROWS == 4
const AT_ONCE = 1u; const FEW = 1u;
#else
const AT_ONCE = 4u; const FEW = 4u; // units: no loop, not even of one round, or sums are moved about
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

// Values of keys from `key` on: those of a key begin at group (firstKey + key) stride + first of v.
fn gather(o: ptr<function, Sums>, key: u32, firstKey: u32, stride: u32, first: u32, D4: u32, lane: u32) {
  let tx = lane % 16u;
  let ty = lane % 128u / 16u;
  let begin = (firstKey + key) * stride + first;
  let last = (firstKey + p.Lk - 1u) * stride + first; // weights behind the last key are zero
#unroll c BLOCKS
  let column$c = min(tx + $c * 16u, D4 - 1u);
#end
#if ROWS == 4
  let rounds = min(p.Lk - key, 16u);
#else
  const rounds = 16u;
#endif
  for (var few = 0u; few < rounds; few += FEW) {
#if F16
    var sums = array<array<Real4, BLOCKS>, ROWS>(); // set, or it keeps what the last round left
#endif
#unroll u FEW
    {
#unroll i ROWS
      let weight$i = weights[(ty + $i * 8u) * ASIDE + few + $u];
#end
#unroll e KEYS
#unroll c BLOCKS
      {
        let v = realV(min(begin + ((few + $u) * KEYS + $e) * stride, last) + column$c);
#unroll i ROWS
#if F16
        sums[$i][$c] = fma(Real4(weight$i[$e]), v, sums[$i][$c]);
#else
        (*o)[$i][$c] = fma(vec4f(weight$i[$e]), v, (*o)[$i][$c]);
#endif
#end
      }
#end
#end
    }
#end
#if F16
#unroll i ROWS
#unroll c BLOCKS
    (*o)[$i][$c] += vec4f(sums[$i][$c]);
#end
#end
#endif
  }
}
