/**
 * NextDiT: the transformer of NewBie-image and Lumina-Image 2.0. Text rows and patches of the latent become one sequence;
 * norms stand before and after both halves of a block. The residual stream is f32 at any precision.
 * Reference: Lumina-Image-2.0, models/model.py; NewBie-image, models/model.py.
 */
import { EngineError } from '../../gpu/errors.ts';
import type { Tensor } from '../../graph/graph.ts';
import { attention, rope } from '../../graph/ops/attention.ts';
import { add, affine, mul, silu } from '../../graph/ops/elementwise.ts';
import { gatedResidual } from '../../graph/ops/gate.ts';
import { concat, rearrange, reshape, slice } from '../../graph/ops/layout.ts';
import { modulatedNorm, normalise } from '../../graph/ops/norm.ts';
import { axisRopeTable, ropeRates } from '../../kernels/rope.ts';
import type { Layer } from '../../nn/layers.ts';
import { linear, rmsNorm } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block, list, parameter } from '../../nn/module.ts';
import { headLayout } from '../../weights/head-padding.ts';
import type { NextDitConfig } from './config.ts';
import { modulationParts } from './modulation.ts';
import { SHRINK } from './weights.ts';

/** Called with intermediates, for tests. */
export type Probe = (name: string, tensor: Tensor) => void;

/** Rows of the modulation [1, parts, width] that a block takes, from `part` on; `none` is a row of zeros. */
type Modulation = { readonly table: Tensor; readonly part: number; readonly none: number };

const selfAttention = ({ width, heads, kvHeads, headDim, qkEps }: NextDitConfig) => {
  const { padded } = headLayout(headDim, 'interleaved');
  const headNorm = rmsNorm({ channels: padded, eps: (qkEps * headDim) / padded });
  return block(
    {
      q: linear({ in: width, out: heads * padded, bias: false }),
      k: linear({ in: width, out: kvHeads * padded, bias: false }),
      v: linear({ in: width, out: kvHeads * padded, bias: false }),
      out: linear({ in: heads * padded, out: width, bias: false }),
      q_norm: headNorm,
      k_norm: headNorm,
    },
    (m, x: Tensor, angles: Tensor, probe?: Probe) => {
      const n = x.shape[0] ?? 1;
      const turn = (y: Tensor, count: number, norm: Layer): Tensor => {
        const rows = norm(reshape(y, [n * count, padded]));
        return reshape(rope(rows, angles, { heads: 1, rowsPerPosition: count }), [
          n,
          count * padded,
        ]);
      };
      const [q, k] = [turn(m.q(x), heads, m.q_norm), turn(m.k(x), kvHeads, m.k_norm)];
      const mixed = attention(q, k, m.v(x), { heads, kvHeads, scale: 1 / Math.sqrt(headDim) });
      probe?.('attention.context', mixed);
      return m.out(mixed);
    },
  );
};

const feedForward = ({ width, ffnDim }: NextDitConfig): Module<Layer> =>
  block(
    {
      w1: linear({ in: width, out: ffnDim, bias: false }),
      w2: linear({ in: ffnDim, out: width, bias: false }),
      w3: linear({ in: width, out: ffnDim, bias: false }),
    },
    (m, x: Tensor) => m.w2(mul(silu(m.w1(x)), m.w3(x))),
  );

/** A block; without modulation, as in the context refiner, scales are zero and gates one. */
const jointBlock = (config: NextDitConfig) => {
  const { width, eps } = config;
  const weight = parameter([width]);
  const after = rmsNorm({ channels: width, eps: eps * SHRINK ** 2 });
  return block(
    {
      attention: selfAttention(config),
      feed_forward: feedForward(config),
      'attention_norm1.weight': weight,
      attention_norm2: after,
      'ffn_norm1.weight': weight,
      ffn_norm2: after,
    },
    (m, x: Tensor, angles: Tensor, modulation: Modulation | undefined, probe?: Probe) => {
      const half = (y: Tensor, gain: Tensor, part: number, run: Layer, norm: Layer): Tensor => {
        if (!modulation) return add(norm(run(normalise(y, 'rms', eps, gain))), y);
        const { table, none } = modulation;
        const first = modulation.part + part;
        const rowsPerGroup = y.shape[0] ?? 1;
        const parts = { scalePart: first, shiftPart: none, rowsPerGroup };
        const ready = modulatedNorm(y, table, { kind: 'rms', eps, weight: gain, ...parts });
        return gatedResidual(y, norm(run(ready)), table, first + 1, rowsPerGroup);
      };
      const seen =
        (name: string, run: Layer): Layer =>
        (y) => {
          const out = run(y);
          if (probe) probe(name, affine(out, 1 / SHRINK));
          return out;
        };
      const named =
        (name: string, run: Layer): Layer =>
        (y) => {
          const out = run(y);
          probe?.(name, out);
          return out;
        };
      const attend = seen('attention', (y) => m.attention(y, angles, probe));
      const feed = seen('feed_forward', m.feed_forward);
      const h = half(
        x,
        m['attention_norm1.weight'],
        0,
        attend,
        named('attention_norm2', m.attention_norm2),
      );
      return half(h, m['ffn_norm1.weight'], 2, feed, named('ffn_norm2', m.ffn_norm2));
    },
  );
};

type Triple = readonly [caption: number, row: number, column: number];

/** Returns the positions of `count` text rows. */
const captionPositions = (count: number): Triple[] =>
  Array.from({ length: count }, (_, i) => [i, 0, 0]);

/** Returns the positions of the patches of a grid, behind a text of `captionRows` rows. */
const patchPositions = (captionRows: number, rows: number, columns: number): Triple[] =>
  Array.from({ length: rows * columns }, (_, i) => [
    captionRows,
    Math.floor(i / columns),
    i % columns,
  ]);

/** The table of angles at `positions`. Throws `graph/rope` for places that the model does not know. */
function anglesAt(x: Tensor, config: NextDitConfig, positions: readonly Triple[]): Tensor {
  const { axes, axisLengths, theta, headDim } = config;
  axisLengths.forEach((limit, axis) => {
    const last = positions.reduce((most, places) => Math.max(most, places[axis] ?? 0), 0);
    if (last < limit) return;
    throw new EngineError(
      'graph/rope',
      `positions on axis ${axis} — got ${last}, this model knows 0 to ${limit - 1} — use a shorter prompt or a smaller picture`,
      { have: last, need: limit - 1 },
    );
  });
  const { padded } = headLayout(headDim, 'interleaved');
  const rates = axes.map((width) => ropeRates(width, theta));
  const values = axisRopeTable(positions, rates, padded);
  return x.graph.constant('angles', values, [positions.length, padded]);
}

const under = (probe: Probe | undefined, name: string): Probe | undefined =>
  probe && ((inner, tensor) => probe(`${name}.${inner}`, tensor));

/** Text rows [L, textDim] -> caption rows [L, width], the same in every step. */
export const nextDitCaption = (
  config: NextDitConfig,
): Module<(text: Tensor, probe?: Probe) => Tensor> =>
  block(
    {
      'cap_embedder.0': rmsNorm({ channels: config.textDim, eps: config.eps }),
      'cap_embedder.1': linear({ in: config.textDim, out: config.width, dtype: 'f32' }),
      context_refiner: list(config.refinerLayers, () => jointBlock(config)),
    },
    (m, text: Tensor, probe?: Probe) => {
      const first = m['cap_embedder.1'](m['cap_embedder.0'](text));
      probe?.('cap_embedder', first);
      const angles = anglesAt(text, config, captionPositions(text.shape[0] ?? 1));
      return m.context_refiner.reduce((x, run, i) => {
        const y = run(x, angles, undefined, under(probe, `context_refiner.${i}`));
        probe?.(`context_refiner.${i}`, y);
        return y;
      }, first);
    },
  );

export type NextDitArgs = {
  /** The noisy latent [h, w, channels]. */
  readonly latent: Tensor;
  /** Rows of `nextDitCaption`. */
  readonly caption: Tensor;
  /** A step's rows of `computeModulation`: [1, parts, width]. */
  readonly modulation: Tensor;
  readonly probe?: Probe | undefined;
};

/** Returns the velocity data − noise, [h, w, channels]. */
export const nextDit = (config: NextDitConfig): Module<(args: NextDitArgs) => Tensor> => {
  const { patch, channels, width } = config;
  const values = patch ** 2 * channels;
  const parts = modulationParts(config);
  return block(
    {
      x_embedder: linear({ in: values, out: width, dtype: 'f32' }),
      noise_refiner: list(config.refinerLayers, () => jointBlock(config)),
      layers: list(config.layers, () => jointBlock(config)),
      'final_layer.linear': linear({ in: width, out: values, dtype: 'f32' }),
    },
    (m, { latent, caption, modulation: table, probe }: NextDitArgs) => {
      const [h = 1, w = 1] = latent.shape;
      const [rows, columns] = [h / patch, w / patch];
      const L = caption.shape[0] ?? 1;
      const places = patchPositions(L, rows, columns);
      const patches = rearrange(latent, '(h p) (w q) c -> (h w) (p q c)', { p: patch, q: patch });
      let x = m.x_embedder(patches); // [rows · columns, width]
      probe?.('x_embedder', x);
      const alone = anglesAt(x, config, places);
      m.noise_refiner.forEach((run, i) => {
        const own = { table, part: parts.noise(i), none: parts.none };
        x = run(x, alone, own, under(probe, `noise_refiner.${i}`));
        probe?.(`noise_refiner.${i}`, x);
      });
      x = concat([caption, x], 0); // [L + rows · columns, width]
      probe?.('joint.x', x);
      const joint = anglesAt(x, config, [...captionPositions(L), ...places]);
      m.layers.forEach((run, i) => {
        const own = { table, part: parts.layer(i), none: parts.none };
        x = run(x, joint, own, under(probe, `layers.${i}`));
        probe?.(`layers.${i}`, x);
      });
      const image = slice(x, 0, L, rows * columns);
      const last = { scalePart: parts.final, shiftPart: parts.none, rowsPerGroup: rows * columns };
      const y = m['final_layer.linear'](modulatedNorm(image, table, { eps: FINAL_EPS, ...last }));
      probe?.('final_layer', y);
      const sizes = { h: rows, w: columns, p: patch, q: patch };
      return rearrange(y, '(h w) (p q c) -> (h p) (w q) c', sizes);
    },
  );
};

const FINAL_EPS = 1e-6;
