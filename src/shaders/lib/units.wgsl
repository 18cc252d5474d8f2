// unitOfA, unitOfB: a unit of a side of a product along K, zero where the side has nothing. B is held as it was fetched,
// by heldOfB, until it is needed.
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

#if F16
alias Places = array<Place, 2>;
fn placesOf(unit: u32, groups: u32) -> Places {
  return Places(placeOf(2u * unit, groups), placeOf(2u * unit + 1u, groups));
}
fn unitOfA(line: Line, at: Places) -> Unit { return unitOf(groupOfA(line, at[0]), groupOfA(line, at[1])); }
struct HeldUnit { first: Held, second: Held }
fn heldOfB(column: Column, at: Places) -> HeldUnit { return HeldUnit(columnAt(column, at[0].k), columnAt(column, at[1].k)); }
fn unitOfB(held: HeldUnit, at: Places) -> Unit {
  return unitOf(select(Real4(), valuesOf(held.first), at[0].inside), select(Real4(), valuesOf(held.second), at[1].inside));
}
#else
alias Places = Place;
fn placesOf(unit: u32, groups: u32) -> Places { return placeOf(unit, groups); }
fn unitOfA(line: Line, at: Places) -> Unit { return groupOfA(line, at); }
alias HeldUnit = Held;
fn heldOfB(column: Column, at: Places) -> HeldUnit { return columnAt(column, at.k); }
fn unitOfB(held: HeldUnit, at: Places) -> Unit { return select(Real4(), valuesOf(held), at.inside); }
#endif
