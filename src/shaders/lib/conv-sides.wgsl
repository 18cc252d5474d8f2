// The two sides of conv as lib/matrix-product.wgsl and lib/register-product.wgsl ask for them: pixels, and weights by
// output channel; K = (tap, group of input channels).
alias Line = vec3i; // where tap 0 reads
alias Spot = Tap;
alias Column = u32; // where the weights of an output channel begin

fn lineOf(pixel: u32) -> Line { return originOf(pixel); }
fn spotOf(k: u32) -> Spot { return tapOf(k); }
fn lineHolds(line: Line, spot: Spot) -> bool { return holds(line + spot.shift); }
fn lineAt(line: Line, spot: Spot) -> Real4 { return valuesAt(line + spot.shift, spot.c); }
fn columnOf(column: u32) -> Column { return min(column, p.Cout - 1u) * p.taps * ((p.Cin + 3u) / 4u); }
fn columnAt(column: Column, k: u32) -> Real4 { return realW(column + k); }
