// The two sides of conv as lib/matrix-product.wgsl and lib/register-product.wgsl ask for them: pixels, and weights by
// output channel; K = (tap, group of input channels).
#include "lib/memories.wgsl"
#param HAS_HIST

alias Line = vec3i; // where tap 0 reads
alias Spot = Tap;
alias Column = u32; // where the weights of an output channel begin

fn lineOf(pixel: u32) -> Line { return originOf(pixel); }
fn spotOf(k: u32) -> Spot { return tapOf(k); }
fn lineHolds(line: Line, spot: Spot) -> bool { return holds(line + spot.shift); }
#if HAS_HIST
fn lineAt(line: Line, spot: Spot) -> Real4 {
  let place = line + spot.shift; // both are read, as branches hold up the reads behind them
  return select(realX(groupAt(place, spot.c, false)), realHist(groupAt(place, spot.c, true)), place.x < 0);
}
#else
fn lineAt(line: Line, spot: Spot) -> Real4 { return valuesAt(line + spot.shift, spot.c); }
#endif
fn columnOf(column: u32) -> Column { return min(column, p.Cout - 1u) * p.taps * ((p.Cin + 3u) / 4u); }
alias Held = Real4; // weights are stored as they are
fn columnAt(column: Column, k: u32) -> Held { return realW(column + k); }
fn valuesOf(held: Held) -> Real4 { return held; }

// Where tap 0 reads for a tile, if all its pixels are of one frame: one look then tells x and the history apart.
struct Tile { frame: i32, alone: bool }
fn tileOf(first: u32, count: u32) -> Tile {
  let pixels = p.Ho * p.Wo;
  let last = min(first + count, p.To * pixels) - 1u;
  return Tile(i32(first / pixels * p.st) - i32(p.front), first / pixels == last / pixels);
}
fn placeIn(tile: Tile, line: Line, spot: Spot) -> vec3i { return vec3i(tile.frame, line.yz) + spot.shift; }
#if HAS_HIST
fn memoryOf(tile: Tile, spot: Spot) -> u32 {
  return select(MIXED, select(FIRST, SECOND, tile.frame + spot.shift.x < 0), tile.alone);
}
fn lineAtFirst(line: Line, tile: Tile, spot: Spot) -> Real4 { return realX(groupAt(placeIn(tile, line, spot), spot.c, false)); }
fn lineAtSecond(line: Line, tile: Tile, spot: Spot) -> Real4 { return realHist(groupAt(placeIn(tile, line, spot), spot.c, true)); }
#else
fn memoryOf(tile: Tile, spot: Spot) -> u32 { return MIXED; }
fn lineAtFirst(line: Line, tile: Tile, spot: Spot) -> Real4 { return lineAt(line, spot); }
fn lineAtSecond(line: Line, tile: Tile, spot: Spot) -> Real4 { return lineAt(line, spot); }
#endif
