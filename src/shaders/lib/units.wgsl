// unitOfA, unitOfB: a unit of a side of a product along K, zero where the side has nothing.
//
// The kernel says what a line, a spot and a column are: lib/matrix-product.wgsl. Places say where the groups of a unit
// are and whether they count.
#include "lib/unit.wgsl"

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
fn placesOf(unit: u32, groups: u32) -> Places {
  return Places(placeOf(2u * unit, groups), placeOf(2u * unit + 1u, groups));
}
fn unitOfA(line: Line, at: Places) -> Unit { return unitOf(groupOfA(line, at[0]), groupOfA(line, at[1])); }
fn unitOfB(column: Column, at: Places) -> Unit { return unitOf(groupOfB(column, at[0]), groupOfB(column, at[1])); }
#else
alias Places = Place;
fn placesOf(unit: u32, groups: u32) -> Places { return placeOf(unit, groups); }
fn unitOfA(line: Line, at: Places) -> Unit { return groupOfA(line, at); }
fn unitOfB(column: Column, at: Places) -> Unit { return groupOfB(column, at); }
#endif
