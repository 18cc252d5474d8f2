import { describe, expect, it } from 'vitest';
import { expectedError, layersToKeep } from '../../scripts/calibrate/sensitivity.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { parseUmt5Config, umt5Encoder } from '../../src/engine/models/wan/umt5.ts';
import { Scope } from '../../src/engine/nn/module.ts';
import { avatarPolicy } from '../../src/engine/models/live-avatar/policy.ts';
import {
  parsePolicy,
  policyFor,
  policyFrom,
  policyWhere,
  usualPolicy,
  withIntegerProducts,
} from '../../src/engine/weights/policy.ts';
import { textWan } from '../helpers/wan-model.ts';

describe('a policy of quantisation', () => {
  it('leaves the ends of a network as they are unless it was calibrated', () => {
    const policy = usualPolicy('i4');
    expect(policy('blocks.0.attn1.to_q.weight', [8, 8])).toBe('i4');
    for (const key of ['patch_embedding.weight', 'condition_embedder.time_proj.weight'])
      expect(policy(key, [8, 8])).toBeUndefined();
  });

  it('may be narrowed to some keys, integer products and all', () => {
    const policy = policyWhere(
      withIntegerProducts(() => 'i8'),
      /^blocks/,
    );
    expect([policy('blocks.0', [8, 8]), policy('head', [8, 8])]).toEqual(['i8', undefined]);
    expect(policy.integerProducts).toBe(true);
  });

  it('of a setting is the same each time; w8a8 stores what int8 stores and multiplies integers', () => {
    expect(policyFor(undefined)).toBeUndefined();
    const [int8, w8a8, int4] = (['int8', 'w8a8', 'int4'] as const).map(policyFor);
    expect(policyFor('w8a8')).toBe(w8a8);
    for (const key of ['blocks.0.attn1.to_q.weight', 'proj_out.weight'])
      expect(w8a8?.(key, [8, 8])).toBe(int8?.(key, [8, 8]));
    expect(int4?.('blocks.0.attn1.to_q.weight', [8, 8])).toBe('i4');
    const multiply = [int8, w8a8, int4].map((policy) => policy?.integerProducts ?? false);
    expect(multiply).toEqual([false, true, false]);
  });

  it('with integer products leaves the activations of encoders as they are', () => {
    const graph = new Graph({ precision: 'f16', quantise: policyFor('w8a8') });
    expect(graph.integerProducts).toBe(true);
    umt5Encoder(parseUmt5Config(textWan.text_encoder))(new Scope(graph));
    expect(graph.integerProducts).toBe(false);
  });

  it('of the avatar leaves what packs the past as it is, integer products and all', () => {
    const policy = avatarPolicy('w8a8');
    const keys = ['blocks.3.ffn.0.weight', 'frame_packer.proj.weight', 'a.final_linear.weight'];
    expect(keys.map((key) => policy?.(key, [8, 8]))).toEqual(['i8', undefined, undefined]);
    expect(policy?.integerProducts).toBe(true);
  });

  it('is read from a file with its exceptions', () => {
    const file = parsePolicy('{"weights":"i4","except":{"a.weight":"f16","b.weight":"i8"}}');
    const policy = policyFrom(file);
    const types = ['a', 'b', 'c'].map((name) => policy(`${name}.weight`, [8, 8]));
    expect(types).toEqual([undefined, 'i8', 'i4']);
  });

  it.each([
    ['{"weights":"i5","except":{}}', 'got "i5" for weights'],
    ['{"weights":"i8"}', 'needs i8, i4 or i4x64 and a list of exceptions'],
    ['{"weights":"i8","except":{"a":"f8"}}', 'got "f8" for a'],
    ['7', 'got undefined for weights'],
  ])('%s is refused: %s', (text, message) => {
    expect(() => parsePolicy(text)).toThrow(message);
  });

  it('is asked about matrices that may be quantised and have no type of their own', () => {
    const asked: string[] = [];
    const quantise = (key: string) => (asked.push(key), 'i8' as const);
    const graph = new Graph({ precision: 'f16', quantise });
    expect(graph.weight('table', [8, 8]).dtype).toBe('f16');
    expect(graph.weight('exact', [8, 8], { quantisable: true, dtype: 'f32' }).dtype).toBe('f32');
    expect(graph.weight('matrix', [8, 8], { quantisable: true }).dtype).toBe('i8');
    expect(asked).toEqual(['matrix']);
  });
});

describe('calibration', () => {
  const layers = [
    { key: 'large', size: 1000, error: 0.04 },
    { key: 'small', size: 10, error: 0.03 },
    { key: 'harmless', size: 10, error: 0.001 },
  ];

  it('keeps the layers that cost most for their size, within the share allowed', () => {
    expect(layersToKeep(layers, 0.01).map(({ key }) => key)).toEqual(['small']);
    expect(layersToKeep(layers, 0.02).map(({ key }) => key)).toEqual(['small', 'harmless']);
    expect(layersToKeep(layers, 0)).toEqual([]);
    expect(layersToKeep(layers, 1)).toHaveLength(3);
  });

  it('expects errors to add up as squares', () => {
    expect(expectedError(layers.slice(0, 2))).toBeCloseTo(0.05, 12);
  });
});
