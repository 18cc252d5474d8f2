// The two sides of matmul as lib/matrix-product.wgsl and lib/register-product.wgsl ask for them: x by rows, w by rows.
#include "lib/memories.wgsl"
#include "lib/weights.wgsl"

alias Line = u32; // where the row begins in x
alias Spot = u32;
alias Column = WeightRow;

fn lineOf(row: u32) -> Line { return min(row, p.M - 1u) * ((p.K + 3u) / 4u); }
fn spotOf(k: u32) -> Spot { return k; }
fn lineHolds(line: Line, spot: Spot) -> bool { return true; }
fn lineAt(line: Line, spot: Spot) -> Real4 { return realX(line + spot); }
fn columnOf(column: u32) -> Column { return weightRow(min(column, p.N - 1u)); }
fn columnAt(column: Column, k: u32) -> Held { return heldAt(column, k); }

alias Tile = u32; // x is one memory
fn tileOf(first: u32, count: u32) -> Tile { return first; }
fn memoryOf(tile: Tile, spot: Spot) -> u32 { return MIXED; }
fn lineAtFirst(line: Line, tile: Tile, spot: Spot) -> Real4 { return lineAt(line, spot); }
fn lineAtSecond(line: Line, tile: Tile, spot: Spot) -> Real4 { return lineAt(line, spot); }
