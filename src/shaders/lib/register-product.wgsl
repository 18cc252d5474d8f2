// registerProduct: a tile of a product A Bt in registers; the kernel says where A and B come from and where sums go.
//
//   Line, Spot, Column and their functions, put: as in lib/matrix-product.wgsl
//
// Threads  16 x 8, each with SIDE x SIDE sums: rows ty + 8 i, columns 4 (tx + 16 (j / 4)) + j % 4. A and B pass through
//          workgroup memory as units of 16 bytes along K, four units in a step, laid out [unit][row] so that neighbours
//          read neighbours; what the next step needs is on its way while this one multiplies.
// Exact    f32: one fused product after the other. f16: even and odd places summed apart, 16 products each, then in f32.
// Needs    A and B bound read_write, see lib/matrix-product.wgsl.
#include "lib/units.wgsl"
#param SIDE
#param F16

#if SIDE == 8
const AT_ONCE = 4u; // units written out: no loop, not even of one round, or sums are moved about
#else
const AT_ONCE = 1u; // so that processors need not compile for minutes
#endif
const TILE_M = 8u * SIDE;
const TILE_N = 16u * SIDE;
const STEP = 4u;
const PAD = 2u; // units from line to line, so that these lie in other banks
var<workgroup> aTile: array<array<Unit, TILE_M + PAD>, STEP>;
var<workgroup> bTile: array<array<Unit, TILE_N + PAD>, STEP>;

// Where column n of B stands, so that neighbours read neighbours.
fn standing(n: u32) -> u32 { return n / 4u + n % 4u * (TILE_N / 4u); }

fn registerProduct(firstRow: u32, firstColumn: u32, invocation: u32, groups: u32) {
  let lane = invocation % 128u; // says how large it can be
  let tx = lane % 16u;
  let ty = lane / 16u;
  let line = lane / STEP;
  let own = lane % STEP;
#unroll i SIDE / 4
  let line$i = lineOf(firstRow + line + $i * 32u);
  var a$i: Unit;
#end
#unroll i SIDE / 2
  let column$i = columnOf(firstColumn + line + $i * 32u);
  var b$i: HeldUnit;
#end
  var sums: array<array<f32, SIDE>, SIDE>;
  let units = (groups + GROUPS - 1u) / GROUPS;
  var at = placesOf(own, groups);
#unroll i SIDE / 4
  a$i = unitOfA(line$i, at);
#end
#unroll i SIDE / 2
  b$i = heldOfB(column$i, at);
#end
  for (var unit = 0u; unit < units; unit += STEP) {
#unroll i SIDE / 4
    aTile[own][line + $i * 32u] = a$i;
#end
#unroll i SIDE / 2
    bTile[own][standing(line + $i * 32u)] = unitOfB(b$i, at);
#end
    workgroupBarrier();
    at = placesOf(unit + STEP + own, groups);
#unroll i SIDE / 4
    a$i = unitOfA(line$i, at);
#end
#unroll i SIDE / 2
    b$i = heldOfB(column$i, at);
#end
#if F16
    var parts: array<array<vec2<f16>, SIDE>, SIDE>;
#unroll i SIDE
#unroll j SIDE
    parts[$i][$j] = vec2<f16>();
#end
#end
#endif
#if SIDE == 8
    {
      let s = 0u;
#else
    for (var s = 0u; s < STEP; s++) {
#endif
#unroll s AT_ONCE
      {
#unroll i SIDE
      let row$i = aTile[s + $s][ty + $i * 8u];
#end
#unroll j SIDE
      {
        let b = bTile[s + $s][tx + $j / 4 * 16 + $j % 4 * (4 * SIDE)];
#unroll i SIDE
#if F16
        parts[$i][$j] = fma(halves(row$i.y), halves(b.y), fma(halves(row$i.x), halves(b.x), parts[$i][$j]));
        parts[$i][$j] = fma(halves(row$i.w), halves(b.w), fma(halves(row$i.z), halves(b.z), parts[$i][$j]));
#else
        sums[$i][$j] = fma(row$i.w, b.w, fma(row$i.z, b.z, fma(row$i.y, b.y, fma(row$i.x, b.x, sums[$i][$j]))));
#endif
#end
      }
#end
    }
#end
    }
#if F16
#unroll i SIDE
#unroll j SIDE
    sums[$i][$j] += f32(parts[$i][$j].x) + f32(parts[$i][$j].y);
#end
#end
#endif
    workgroupBarrier();
  }

#unroll i SIDE
#unroll j SIDE / 4
  put(firstRow + ty + $i * 8u, firstColumn + 4u * (tx + $j * 16u), vec4f(sums[$i][4 * $j], sums[$i][4 * $j + 1], sums[$i][4 * $j + 2], sums[$i][4 * $j + 3]));
#end
#end
}
