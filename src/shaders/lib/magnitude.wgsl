// larger: of two values, or of four, the one of largest magnitude with its sign. stored: a value as f16 holds it.
fn larger(a: f32, b: f32) -> f32 { return select(a, b, abs(b) > abs(a)); }

fn larger4(v: vec4f) -> f32 { return larger(larger(v.x, v.y), larger(v.z, v.w)); }

// What becomes of a value in f16 storage; devices round in their own way, and the integers must fit the scale as it is.
fn stored(v: f32) -> f32 { return unpack2x16float(pack2x16float(vec2f(v, 0.0))).x; }
