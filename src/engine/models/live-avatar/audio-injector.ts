/** How the picture listens: after some of the blocks, the tokens of each latent frame attend to its own sound. */
import type { DeviceTensor } from '../../gpu/tensor.ts';
import type { Graph, Tensor } from '../../graph/graph.ts';
import { add, silu } from '../../graph/ops/elementwise.ts';
import { groupAttention } from '../../graph/ops/group-attention.ts';
import { reshape } from '../../graph/ops/layout.ts';
import { linear, rmsNorm } from '../../nn/layers.ts';
import type { Module } from '../../nn/module.ts';
import { block, list } from '../../nn/module.ts';
import { modulate } from '../wan/dit.ts';
import type { Probe } from '../wan/context.ts';
import type { Heard } from './audio-encoder.ts';
import type { AvatarConfig } from './config.ts';

/** What one injector needs of the sound of F latent frames: the same in every step. */
export type SoundKeys = {
  /** [F · tokens, width]. */
  readonly k: Tensor;
  readonly v: Tensor;
  /** Shift and scale of the norm before: [F, 2, width]. */
  readonly parts: Tensor;
};

/** The norm in front of the attention has an epsilon of its own. */
const ADAIN_EPS = 1e-5;

/** Sound of some latent frames -> keys, values and modulation of every injector. */
export const soundKeys = (config: AvatarConfig): Module<(heard: Heard) => readonly SoundKeys[]> => {
  const { width, eps, audioLayers } = config;
  const project = linear({ in: width, out: width });
  return (scope) =>
    block(
      {
        injector: list(audioLayers.length, () =>
          block(
            { k: project, v: project, norm_k: rmsNorm({ channels: width, eps }) },
            (m, tokens: Tensor) => ({ k: m.norm_k(m.k(tokens)), v: m.v(tokens) }),
          ),
        ),
        injector_adain_layers: list(audioLayers.length, () =>
          block(
            { linear: linear({ in: width, out: 2 * width, dtype: 'f32' }) },
            (m, summary: Tensor) => m.linear(silu(summary)),
          ),
        ),
      },
      (m, { tokens, summary }: Heard) => {
        const [F = 1] = summary.shape;
        return m.injector.map((run, j): SoundKeys => {
          const adain = m.injector_adain_layers[j]?.(summary) ?? summary;
          return { ...run(tokens), parts: reshape(adain, [F, 2, width]) };
        });
      },
    )(scope.child('audio_injector'));
};

/** One injector, applied to the tokens [F · n, width] of F latent frames. */
export type Inject = (x: Tensor, keys: SoundKeys, probe: Probe | undefined) => Tensor;

/** All injectors in the order of the blocks that they stand behind. */
export const injectors = (config: AvatarConfig): Module<readonly Inject[]> => {
  const { width, heads, eps, audioLayers } = config;
  const project = linear({ in: width, out: width });
  const one = block(
    { q: project, o: project, norm_q: rmsNorm({ channels: width, eps }) },
    (m, x: Tensor, { k, v, parts }: SoundKeys, probe: Probe | undefined) => {
      const groups = parts.shape[0] ?? 1;
      const rowsPerGroup = (x.shape[0] ?? 1) / groups;
      const u = modulate(x, parts, 0, ADAIN_EPS, rowsPerGroup);
      const o = m.o(groupAttention(m.norm_q(m.q(u)), k, v, { heads, groups }));
      probe?.('x', u);
      probe?.('out', o);
      return add(x, o);
    },
  );
  return (scope) => list(audioLayers.length, () => one)(scope.child('audio_injector.injector'));
};

const nameOf = (index: number, part: keyof SoundKeys): string => `sound.${index}.${part}`;
const PARTS = ['k', 'v', 'parts'] as const;

/** Keeps what injectors need readable after the run of its graph: under the names that `borrowSoundKeys` asks for. */
export function keepSoundKeys(graph: Graph, keys: readonly SoundKeys[]): void {
  keys.forEach((own, index) =>
    PARTS.forEach((part) => graph.result(nameOf(index, part), own[part])),
  );
}

/** Returns what was kept, for another graph; `result` is the recording's, which must outlive that graph's runs. */
export function borrowSoundKeys(
  graph: Graph,
  { audioLayers }: AvatarConfig,
  result: (name: string) => DeviceTensor,
): readonly SoundKeys[] {
  const borrow = (index: number, part: keyof SoundKeys): Tensor =>
    graph.external(result(nameOf(index, part)));
  return audioLayers.map((_, index) => ({
    k: borrow(index, 'k'),
    v: borrow(index, 'v'),
    parts: borrow(index, 'parts'),
  }));
}
