// unitOfQ, unitOfK: a unit of a query (scaled, for powers of two) or a key along D, zero behind its end.
//
//   at      group of four where the row begins       first   group of the unit, counted from there       end   groups of D
#include "lib/unit.wgsl"

fn groupOfQ(at: u32, group: u32, end: u32) -> Real4 {
  return select(Real4(), realQ(at + min(group, end - 1u)) * Real(p.scale * 1.4426950408889634), group < end);
}
fn groupOfK(at: u32, group: u32, end: u32) -> Real4 { return realK(at + min(group, end - 1u)); } // times a zero of q

#if F16
fn unitOfQ(at: u32, first: u32, end: u32) -> Unit { return unitOf(groupOfQ(at, first, end), groupOfQ(at, first + 1u, end)); }
fn unitOfK(at: u32, first: u32, end: u32) -> Unit { return unitOf(groupOfK(at, first, end), groupOfK(at, first + 1u, end)); }
#else
fn unitOfQ(at: u32, first: u32, end: u32) -> Unit { return groupOfQ(at, first, end); }
fn unitOfK(at: u32, first: u32, end: u32) -> Unit { return groupOfK(at, first, end); }
#endif
