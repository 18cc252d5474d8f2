/**
 * Gemma 2 and 3 as text encoders: causal, with norms before and after each part, on a residual stream that outgrows f16.
 * Reference: transformers, models/gemma3/modeling_gemma3.py and models/gemma2/modeling_gemma2.py.
 */
import type { Tensor } from '../../graph/graph.ts';
import { attention, rope } from '../../graph/ops/attention.ts';
import { cappedAttention } from '../../graph/ops/capped-attention.ts';
import { add, geluTanh, mul } from '../../graph/ops/elementwise.ts';
import { reshape } from '../../graph/ops/layout.ts';
import { axisRopeTable, ropeRates } from '../../kernels/rope.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear, rmsNorm } from '../../nn/layers.ts';
import type { Module, Scope } from '../../nn/module.ts';
import { absent, block, list } from '../../nn/module.ts';
import { headLayout } from '../../weights/head-padding.ts';
import type { GemmaConfig, GemmaLayer } from './config.ts';

/** Called with intermediates, for tests. */
export type Probe = (name: string, tensor: Tensor) => void;

/** Score of a key that a query may not see. */
const UNSEEN = -1e30;

/** Returns the scores to add at key − query + n − 1, 0 where a query sees the key: [2n − 1]. */
function causalMask(n: number, window: number | undefined): Float32Array {
  return Float32Array.from({ length: 2 * n - 1 }, (_, i) => {
    const ahead = i - (n - 1);
    return ahead > 0 || (window !== undefined && ahead <= -window) ? UNSEEN : 0;
  });
}

/** What layers of one kind share: the table of angles and the mask. */
type Sight = { readonly table: Tensor; readonly mask: Float32Array };

const selfAttention = (config: GemmaConfig) => {
  const { width, heads, kvHeads, headDim, eps, scale, softCap } = config;
  const { padded } = headLayout(headDim, 'half');
  const project = (count: number): Module<Layer> =>
    linear({ in: width, out: count * padded, bias: false });
  const headNorm = rmsNorm({ channels: padded, eps: (eps * headDim) / padded });
  return block(
    {
      q_proj: project(heads),
      k_proj: project(kvHeads),
      v_proj: project(kvHeads),
      o_proj: linear({ in: heads * padded, out: width, bias: false, dtype: 'f32' }),
      q_norm: config.qkNorm ? headNorm : absent,
      k_norm: config.qkNorm ? headNorm : absent,
    },
    (m, x: Tensor, { table, mask }: Sight, probe: Probe | undefined) => {
      const n = x.shape[0] ?? 1;
      const turn = (y: Tensor, count: number, norm: Layer | undefined, name: string): Tensor => {
        const rows = reshape(y, [n * count, padded]);
        const normed = norm?.(rows) ?? rows;
        if (norm) probe?.(name, normed);
        const turned = rope(normed, table, { heads: 1, pairing: 'half', rowsPerPosition: count });
        return reshape(turned, [n, count * padded]);
      };
      const q = turn(m.q_proj(x), heads, m.q_norm, 'q_norm');
      const k = turn(m.k_proj(x), kvHeads, m.k_norm, 'k_norm');
      const v = m.v_proj(x);
      const shared = { heads, kvHeads, scale };
      const attended =
        softCap === undefined
          ? attention(q, k, v, { ...shared, bias: maskFor(x, mask, heads) })
          : cappedAttention(q, k, v, { ...shared, cap: softCap, mask });
      probe?.('attn_context', attended);
      return m.o_proj(attended);
    },
  );
};

/** The mask as a table of biases, alike for all heads. */
function maskFor({ graph }: Tensor, mask: Float32Array, heads: number): Tensor {
  const all = new Float32Array(heads * mask.length);
  for (let head = 0; head < heads; head++) all.set(mask, head * mask.length);
  return graph.constant('mask', all, [heads, mask.length]);
}

/** The gated product and what comes of it outgrow f16. */
const feedForward = ({ width, ffnDim }: GemmaConfig): Module<Layer> =>
  block(
    {
      gate_proj: linear({ in: width, out: ffnDim, bias: false, dtype: 'f32' }),
      up_proj: linear({ in: width, out: ffnDim, bias: false, dtype: 'f32' }),
      down_proj: linear({ in: ffnDim, out: width, bias: false, dtype: 'f32' }),
    },
    (m, x: Tensor) => m.down_proj(mul(geluTanh(m.gate_proj(x)), m.up_proj(x))),
  );

const decoderLayer = (config: GemmaConfig) => {
  const norm = rmsNorm({ channels: config.width, eps: config.eps });
  return block(
    {
      input_layernorm: norm,
      self_attn: selfAttention(config),
      post_attention_layernorm: norm,
      pre_feedforward_layernorm: norm,
      mlp: feedForward(config),
      post_feedforward_layernorm: norm,
    },
    (m, input: Tensor, sight: Sight, probe: Probe | undefined) => {
      const normed = m.input_layernorm(input);
      const attended = m.post_attention_layernorm(m.self_attn(normed, sight, probe));
      const x = add(input, attended);
      const ready = m.pre_feedforward_layernorm(x);
      const mixed = m.mlp(ready);
      const fed = m.post_feedforward_layernorm(mixed);
      const taps = {
        input_layernorm: normed,
        post_attention_layernorm: attended,
        pre_feedforward_layernorm: ready,
        mlp: mixed,
        post_feedforward_layernorm: fed,
      };
      Object.entries(taps).forEach(([name, tensor]) => probe?.(name, tensor));
      return add(x, fed);
    },
  );
};

export type GemmaOptions = {
  /** Layers to run: all but the last for pictures, and then the last norm is left out too. */
  readonly layers: number;
  readonly finalNorm: boolean;
};

/**
 * Returns the text rows [n, width] in f32 for the scaled embeddings of n tokens, from `gemmaWeights`. The second last
 * hidden state, which picture models take, is `{ layers: count − 1, finalNorm: false }`.
 */
export const gemmaEncoder =
  (
    config: GemmaConfig,
    { layers, finalNorm }: GemmaOptions,
  ): Module<(embeddings: Float32Array, probe?: Probe) => Tensor> =>
  (scope: Scope) => {
    const { graph } = scope;
    graph.keepActivations();
    const blocks = list(layers, () => decoderLayer(config))(scope.child('layers'));
    const last = finalNorm
      ? rmsNorm({ channels: config.width, eps: config.eps })(scope.child('norm'))
      : undefined;
    return (embeddings, probe) => {
      const n = embeddings.length / config.width;
      const sights = new Map<string, Sight>();
      const sightOf = (layer: GemmaLayer): Sight => {
        const key = JSON.stringify(layer);
        const known = sights.get(key) ?? makeSight(scope, config, layer, n);
        sights.set(key, known);
        return known;
      };
      let x = graph.constant('embeddings', embeddings, [n, config.width]);
      blocks.forEach((run, index) => {
        const layer = config.layers[index];
        if (!layer) return;
        const own = probe && ((name: string, t: Tensor) => probe(`layers.${index}.${name}`, t));
        x = run(x, sightOf(layer), own);
        probe?.(`hidden_states.${index + 1}`, x);
      });
      return last?.(x) ?? x;
    };
  };

function makeSight({ graph }: Scope, config: GemmaConfig, layer: GemmaLayer, n: number): Sight {
  const { headDim } = config;
  const { theta, stretch, window } = layer;
  const rates = ropeRates(headDim, theta).map((rate) => rate / stretch);
  const { padded } = headLayout(headDim, 'half');
  const positions = Array.from({ length: n }, (_, i) => [i]);
  const values = axisRopeTable(positions, [rates], padded);
  return { table: graph.constant('angles', values, [n, padded]), mask: causalMask(n, window) };
}
