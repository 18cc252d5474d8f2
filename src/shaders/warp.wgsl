// warp: a picture moved along a coarse field of displacements, with what a mending network wants to know.
//
//   g      = (place * (w, h) / (W, H)) - 1/2                    place of a pixel among the field's cells
//   d      = uniform cubic B-spline of field.xy at g            in frame widths, cells clamped at the border
//   source = place + d * W                                      place counts from the frame's corner
//   colour = bicubic (Keys, a = -3/4: crisper than -1/2) of the picture at source, cut to the range of the middle 2 x 2 pixels
//   stretch = clamp(|det d source / d place - 1|, 0, 1)         outside = 1 when source is not in the frame
//
// Outside the frame source is folded back as by mirrors on the picture's outer edges; pixels are clamped at the border.
//
// Layout   field [h, w, 4]: displacement x, y, confidence, progress   picture [H0, W0, 3] in 0 … 1
//          y [H', W', 32], 2 H' and 2 W' the next multiples of four of H and W: eight channels (red, green, blue, confidence, stretch, outside, progress, 1), each with
//          its four pixels (row, column) of a 2 x 2 block together; past the frame its last row and column repeat
// Threads  one block of 2 x 2 pixels each, 8 x 8 blocks in a workgroup.
// Exact    f32; a displacement of zero gives the picture's own values when both sizes agree.
// Needs    grid (ceil(W' / 8), ceil(H' / 8), 1).
// Cost     32 loads and about 400 flops a pixel. Source: docs/motion-model.md 5. CPU reference: engine/kernels/warp.ts.

fn splineWeights(f: f32) -> vec4f {
  let r = 1.0 - f;
  return vec4f(r * r * r, (3.0 * f - 6.0) * f * f + 4.0, ((3.0 - 3.0 * f) * f + 3.0) * f + 1.0, f * f * f) / 6.0;
}

fn splineSlopes(f: f32) -> vec4f {
  let r = 1.0 - f;
  return vec4f(-0.5 * r * r, (1.5 * f - 2.0) * f, (1.0 - 1.5 * f) * f + 0.5, 0.5 * f * f);
}

fn cubicWeights(f: f32) -> vec4f {
  let r = 1.0 - f;
  return vec4f(-0.75 * f * r * r, (1.25 * f - 2.25) * f * f + 1.0, ((1.5 - 1.25 * f) * f + 0.75) * f, -0.75 * r * f * f);
}

fn mirrored(at: vec2f, size: vec2f) -> vec2f {
  let folded = abs(at) - 2.0 * size * floor(abs(at) / (2.0 * size));
  return min(folded, 2.0 * size - folded);
}

fn colourAt(source: vec2f) -> vec3f {
  let size = vec2f(f32(p.W0), f32(p.H0));
  let q = mirrored(source * (size / vec2f(f32(p.W), f32(p.H))), size) - 0.5;
  let whole = floor(q);
  let wx = cubicWeights(q.x - whole.x);
  let wy = cubicWeights(q.y - whole.y);
  let first = vec2i(whole) - 1;
  var sum = vec3f();
  var low = vec3f(1e9);
  var high = vec3f(-1e9);
  for (var j = 0; j < 4; j++) {
    let row = u32(clamp(first.y + j, 0, i32(p.H0) - 1)) * p.W0;
    var line = vec3f();
    for (var i = 0; i < 4; i++) {
      let colour = loadPicture(row + u32(clamp(first.x + i, 0, i32(p.W0) - 1))).rgb;
      line += wx[i] * colour;
      let middle = (i == 1 || i == 2) && (j == 1 || j == 2);
      low = select(low, min(low, colour), middle);
      high = select(high, max(high, colour), middle);
    }
    sum += wy[j] * line;
  }
  return clamp(sum, low, high);
}

struct Pixel { colour: vec3f, confidence: f32, stretch: f32, outside: f32, progress: f32 }

fn pixelAt(x: u32, y: u32) -> Pixel {
  let size = vec2f(f32(p.W), f32(p.H));
  let place = vec2f(f32(x), f32(y)) + 0.5;
  let cells = vec2f(f32(p.w), f32(p.h));
  let g = place * cells / size - 0.5;
  let whole = floor(g);
  let f = g - whole;
  let wx = splineWeights(f.x);
  let wy = splineWeights(f.y);
  let slopeX = splineSlopes(f.x);
  let slopeY = splineSlopes(f.y);
  let first = vec2i(whole) - 1;
  var value = vec4f();
  var alongX = vec2f();
  var alongY = vec2f();
  for (var j = 0; j < 4; j++) {
    let row = u32(clamp(first.y + j, 0, i32(p.h) - 1)) * p.w;
    var line = vec4f();
    var slope = vec2f();
    for (var i = 0; i < 4; i++) {
      let cell = loadField(row + u32(clamp(first.x + i, 0, i32(p.w) - 1)));
      line += wx[i] * cell;
      slope += slopeX[i] * cell.xy;
    }
    value += wy[j] * line;
    alongX += wy[j] * slope;
    alongY += slopeY[j] * line.xy;
  }
  let source = place + value.xy * size.x;
  alongX *= cells.x;
  alongY *= cells.y * size.x / size.y;
  let area = (1.0 + alongX.x) * (1.0 + alongY.y) - alongX.y * alongY.x;
  let inside = all(source >= vec2f()) && all(source <= size);
  return Pixel(colourAt(source), clamp(value.z, 0.0, 1.0), min(abs(area - 1.0), 1.0), select(1.0, 0.0, inside), value.w);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let block = (wg.xy + p.base.xy) * 8u + lane.xy;
  let columns = (p.W + 3u) / 4u * 2u;
  if (block.x >= columns || block.y >= (p.H + 3u) / 4u * 2u) { return; }
  var channels: array<vec4f, 7>;
  for (var i = 0u; i < 4u; i++) {
    let pixel = pixelAt(min(2u * block.x + (i & 1u), p.W - 1u), min(2u * block.y + (i >> 1u), p.H - 1u));
    channels[0][i] = pixel.colour.r;
    channels[1][i] = pixel.colour.g;
    channels[2][i] = pixel.colour.b;
    channels[3][i] = pixel.confidence;
    channels[4][i] = pixel.stretch;
    channels[5][i] = pixel.outside;
    channels[6][i] = pixel.progress;
  }
  let at = (block.y * columns + block.x) * 8u;
  for (var c = 0u; c < 7u; c++) { storeY(at + c, channels[c]); }
  storeY(at + 7u, vec4f(1.0));
}
