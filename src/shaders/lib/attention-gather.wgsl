// gather: the second product of attention-tiled, o += weights v, for the rows of one workgroup.

// Weights written out, as units are in lib/attention-tile.wgsl.
#if ROWS == 4
const FEW = 1u;
#else
const FEW = 4u;
#endif

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
