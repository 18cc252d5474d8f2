import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kernels } from '../../src/engine/kernels/index.ts';

const folder = join(import.meta.dirname, '../../src/engine/kernels');

describe('the list of kernels', () => {
  it('has every descriptor of the folder, once', () => {
    const declared = readdirSync(folder).flatMap((file) => {
      const text = readFileSync(join(folder, file), 'utf8');
      return [...text.matchAll(/= defineKernel\(\{\s*(?:\.\.\.\w+,\s*)?name: '([^']+)'/g)].map(
        ([, name = '']) => name,
      );
    });
    expect(kernels.map(({ name }) => name).toSorted()).toEqual(declared.toSorted());
  });

  it('binds the weights of a kernel all in one way: they share buffers', () => {
    const mixed = kernels.filter(({ tensors }) => {
      const roles = ['w', 'weight', 'bias', 'scale'].flatMap((name) => tensors[name]?.role ?? []);
      // matmul-pair multiplies two activations, and is never given a bias.
      return roles.includes('in') && roles.includes('weight');
    });
    expect(mixed.map(({ name }) => name)).toEqual(['matmul-pair']);
  });
});
