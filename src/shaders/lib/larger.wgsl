// larger: of two values, or of four, the one of largest magnitude with its sign.
fn larger(a: f32, b: f32) -> f32 { return select(a, b, abs(b) > abs(a)); }

fn larger4(v: vec4f) -> f32 { return larger(larger(v.x, v.y), larger(v.z, v.w)); }
