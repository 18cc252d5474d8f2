// limit-norm: makes x no longer than `limit` times c, both taken as one long vector.
//
//   y = x * min(1, limit * |c| / |x|)
//
// Layout   x, c, y: the same count of groups of four, padding zero.
// Threads  one workgroup of 256; lanes stride over the groups, twice.
// Exact    f32, partial sums of squares by lane, then in a tree.
// Needs    grid (1, 1, 1).
// Cost     reads x twice and c once, writes y; a picture's latent has some 10^5 values. CPU reference: engine/kernels/limit-norm.ts.
// Source   Lumina-Image-2.0, models/model.py, forward_with_cfg (renorm_cfg).
var<workgroup> squares: array<vec2f, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  var mine = vec2f();
  for (var i = lane; i < p.groups; i += 256u) {
    let x = loadX(i);
    let c = loadC(i);
    mine += vec2f(dot(x, x), dot(c, c));
  }
  squares[lane] = mine;
  for (var half = 128u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { squares[lane] += squares[lane + half]; }
  }
  workgroupBarrier();
  let most = p.limit * sqrt(squares[0].y);
  let length = sqrt(squares[0].x);
  let factor = select(1.0, most / length, length > most);
  for (var i = lane; i < p.groups; i += 256u) { storeY(i, factor * loadX(i)); }
}
