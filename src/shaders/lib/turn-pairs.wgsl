// Neighbouring values v.xy and v.zw, turned by the angles whose cos and sin are t.xy and t.zw.
fn turnPairs(v: vec4f, t: vec4f) -> vec4f {
  return vec4f(v.x * t.x - v.y * t.y, v.x * t.y + v.y * t.x, v.z * t.z - v.w * t.w, v.z * t.w + v.w * t.z);
}
