// advance: moves the step counter of a sampling loop on by one.
//
//   step[0] += 1
//
// Layout   step [1] u32
// Threads  one.
// Exact    whole numbers.
// Needs    grid (1, 1, 1); a dispatch of its own, since others of the same step still read the counter.
// Cost     none to speak of. CPU reference: engine/kernels/advance.ts.

@compute @workgroup_size(1)
fn main() {
  step[0] += 1u;
}
