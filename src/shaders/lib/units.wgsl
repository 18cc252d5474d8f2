// unitOfA, unitOfB: sixteen bytes of a side of a product along K, zero where the side has nothing.
//
// The kernel says what a line, a spot and a column are: lib/matrix-product.wgsl. A unit is one group of four values in
// f32, two in f16; places say where the groups are and whether they count.
#param F16

#if F16
alias Unit = vec4u; // eight halves
const GROUPS = 2u;  // of four values in a unit
#else
alias Unit = vec4f;
const GROUPS = 1u;
#endif

// One group of four along K: where A has it, and whether it counts.
struct Place { k: u32, spot: Spot, inside: bool }
fn placeOf(k: u32, groups: u32) -> Place {
  let within = min(k, groups - 1u);
  return Place(within, spotOf(within), k < groups);
}
fn groupOfA(line: Line, place: Place) -> Real4 {
  return select(Real4(), lineAt(line, place.spot), place.inside && lineHolds(line, place.spot));
}
fn groupOfB(column: Column, place: Place) -> Real4 {
  return select(Real4(), columnAt(column, place.k), place.inside);
}

#if F16
alias Places = array<Place, 2>;
fn halves(word: u32) -> vec2<f16> { return bitcast<vec2<f16>>(word); }
fn placesOf(unit: u32, groups: u32) -> Places {
  return Places(placeOf(2u * unit, groups), placeOf(2u * unit + 1u, groups));
}
fn unitOfA(line: Line, at: Places) -> Unit {
  return vec4u(bitcast<vec2u>(groupOfA(line, at[0])), bitcast<vec2u>(groupOfA(line, at[1])));
}
fn unitOfB(column: Column, at: Places) -> Unit {
  return vec4u(bitcast<vec2u>(groupOfB(column, at[0])), bitcast<vec2u>(groupOfB(column, at[1])));
}
#else
alias Places = Place;
fn placesOf(unit: u32, groups: u32) -> Places { return placeOf(unit, groups); }
fn unitOfA(line: Line, at: Places) -> Unit { return groupOfA(line, at); }
fn unitOfB(column: Column, at: Places) -> Unit { return groupOfB(column, at); }
#endif
