/** What `npm run animate` makes of its options. */
import { describe, expect, it } from 'vitest';
import { readCommand } from '../../scripts/animate/options.mjs';

describe('--weights', () => {
  it.each(['int8', 'w8a8', 'int4'])('takes %s', (weights) => {
    expect(readCommand(['--prompt', 'a bird', '--weights', weights])?.settings.weights).toBe(
      weights,
    );
  });

  it('takes nothing else, and says what there is', () => {
    expect(() => readCommand(['--weights', 'w4a4'])).toThrow(
      '--weights got "w4a4", takes int8, w8a8, int4',
    );
  });
});
