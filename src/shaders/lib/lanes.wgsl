// keep: zeroes the lanes of v that stand for columns at or past `count`, so that padding stays zero.
// `column` is the column of lane 0.
fn keep(v: vec4f, column: u32, count: u32) -> vec4f {
  return select(vec4f(), v, vec4u(column, column + 1u, column + 2u, column + 3u) < vec4u(count));
}
