/** The Wan transformer of one block as onnxruntime runs it best: its own fused attention, rotation, norms and activation. */
import { ropeTable3d } from '../../src/engine/kernels/rope.ts';
import type { WanConfig } from '../../src/engine/models/wan/config.ts';
import { OnnxBuilder } from '../peers/onnx-builder.ts';
import type { LatentGrid } from './blocks.ts';
import type { OnnxForm } from './operator.ts';
import { asIs } from './operator.ts';

/** Returns the graph of latent [F, H, W, C], time [1, freqDim], k and v [textLength, width] to the velocity. */
export function wanOnnx(config: WanConfig, [F, H, W]: LatentGrid): OnnxForm {
  const { width, heads, headDim, inChannels, outChannels, eps, ffnDim, freqDim } = config;
  const { textLength } = config;
  const { ph, pw } = config.patch;
  const grid = [F, H / ph, W / pw] as const;
  const tokens = grid[0] * grid[1] * grid[2];
  const g = new OnnxBuilder();
  const float = { axis: -1, epsilon: { float: eps } };
  const ones = g.table('ones', new Float32Array(width).fill(1), [width]);
  const one = g.table('one', Float32Array.of(1), [1]);

  const part = (table: string, index: number): string =>
    g.node('Gather', [table, g.whole([index])], { axis: 0 });
  const norm = (x: string): string => g.node('LayerNormalization', [x, ones], float);
  const modulate = (x: string, parts: string, first: number): string => {
    const scale = g.node('Add', [part(parts, first + 1), one]);
    return g.node('Add', [g.node('Mul', [norm(x), scale]), part(parts, first)]);
  };
  const gated = (x: string, y: string, parts: string, index: number): string =>
    g.node('Add', [x, g.node('Mul', [y, part(parts, index)])]);
  const silu = (x: string): string => g.node('Mul', [x, g.node('Sigmoid', [x])]);
  const rms = (x: string, key: string): string =>
    g.node('SimplifiedLayerNormalization', [x, g.weight(`${key}.weight`, [width])], float);
  const attend = (q: string, k: string, v: string): string =>
    g.node('MultiHeadAttention', [q, k, v], { num_heads: heads }, 'com.microsoft');

  const angles = ropeTable3d(grid, headDim, { limit: config.maxPositions });
  const half = [tokens, headDim / 2];
  const cos = g.table(
    'cos',
    angles.filter((_, i) => i % 2 === 0),
    half,
  );
  const sin = g.table(
    'sin',
    angles.filter((_, i) => i % 2 === 1),
    half,
  );
  const places = g.whole(
    Array.from({ length: tokens }, (_, i) => i),
    [1, tokens],
  );
  const rotate = (x: string): string =>
    g.node(
      'RotaryEmbedding',
      [x, places, cos, sin],
      { interleaved: 1, num_heads: heads },
      'com.microsoft',
    );

  const cut = g.reshape('latent', [F, H / ph, ph, W / pw, pw, inChannels]);
  const turned = g.node('Transpose', [cut], { perm: [0, 1, 3, 5, 2, 4] });
  const patches = g.reshape(turned, [1, tokens, inChannels * ph * pw]);
  let x = g.linear(patches, 'patch_embedding', inChannels * ph * pw, width);

  const clock = 'condition_embedder';
  const first = silu(g.linear('time', `${clock}.time_embedder.linear_1`, freqDim, width));
  const embedding = g.linear(first, `${clock}.time_embedder.linear_2`, width, width);
  const modulation = g.linear(silu(embedding), `${clock}.time_proj`, width, 6 * width);

  const at = 'blocks.0';
  const table = g.weight(`${at}.scale_shift_table`, [6, width]);
  const parts = g.node('Add', [g.reshape(modulation, [6, width]), table]);
  const linear = (x: string, key: string, from = width, to = width): string =>
    g.linear(x, `${at}.${key}`, from, to);
  const a = modulate(x, parts, 0);
  const q = rotate(rms(linear(a, 'attn1.to_q'), `${at}.attn1.norm_q`));
  const k = rotate(rms(linear(a, 'attn1.to_k'), `${at}.attn1.norm_k`));
  const seen = attend(q, k, linear(a, 'attn1.to_v'));
  x = gated(x, linear(seen, 'attn1.to_out.0'), parts, 2);
  const affine = ['weight', 'bias'].map((name) => g.weight(`${at}.norm2.${name}`, [width]));
  const b = g.node('LayerNormalization', [x, ...affine], float);
  const asked = rms(linear(b, 'attn2.to_q'), `${at}.attn2.norm_q`);
  x = g.node('Add', [x, linear(attend(asked, 'k', 'v'), 'attn2.to_out.0')]);
  const c = modulate(x, parts, 3);
  const inner = linear(c, 'ffn.net.0.proj', width, ffnDim);
  const fed = linear(g.node('FastGelu', [inner], {}, 'com.microsoft'), 'ffn.net.2', ffnDim, width);
  x = gated(x, fed, parts, 5);

  const ends = g.node('Add', [embedding, g.weight('scale_shift_table', [2, width])]);
  const volume = ph * pw * outChannels;
  const rows = g.reshape(g.linear(modulate(x, ends, 0), 'proj_out', width, volume), [
    ...[F, H / ph, W / pw, ph, pw, outChannels],
  ]);
  const frames = g.node('Transpose', [rows], { perm: [0, 1, 3, 2, 4, 5] });
  const text = asIs([textLength, width], [1, textLength, width]);
  return g.form(g.reshape(frames, [F, H, W, outChannels]), {
    latent: asIs([F, H, W, inChannels]),
    time: asIs([1, freqDim]),
    k: text,
    v: text,
    y: asIs([F, H, W, outChannels]),
  });
}
