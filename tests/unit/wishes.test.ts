import { describe, expect, it } from 'vitest';
import { resolveSettings } from '../../src/engine/settings.ts';
import { readWishes } from '../../src/engine/wishes.ts';

const wishes = (given: Parameters<typeof resolveSettings>[0]) => readWishes(resolveSettings(given));

describe('wishes', () => {
  it('leave the camera to the model’s default when nothing is said of it', () => {
    const said = wishes({ prompt: 'a bird on a rock' });
    expect(said).not.toHaveProperty('camera');
    expect(said.ignored).toContain('bird');
  });

  it('take camera and ambient motion from the prompt', () => {
    expect(wishes({ prompt: 'zoom in, wind in the trees' })).toMatchObject({
      camera: [{ move: 'zoom-in' }],
      ambient: { sway: 1, water: 0, clouds: 0 },
    });
  });

  it('let camera words outdo the prompt’s', () => {
    expect(wishes({ prompt: 'zoom in', camera: 'pan left, zoom-out' }).camera).toEqual([
      { move: 'pan-left', amount: 1 },
      { move: 'zoom-out', amount: 1 },
    ]);
  });

  it('scale a camera path by its own adverbs, not the motion', () => {
    const { camera, motion } = wishes({ camera: 'slowly pan right', motion: 0.8 });
    expect(motion).toBe(0.8);
    expect(camera).toEqual([{ move: 'pan-right', amount: 0.7 }]);
  });

  it('know a camera that stands and one that is free', () => {
    expect(wishes({ camera: 'still' }).camera).toEqual([]);
    expect(wishes({ camera: 'free' }).camera).toBe('free');
  });

  it('loop when either asks for it', () => {
    expect(wishes({ prompt: 'a seamless loop' }).loop).toBe(true);
    expect(wishes({ loop: true }).loop).toBe(true);
    expect(wishes({}).loop).toBe(false);
  });

  it.each(['somersault', 'pan left and dance', 'left'])(
    'refuse the camera words "%s"',
    (camera) => {
      expect(() => wishes({ camera })).toThrow(
        expect.objectContaining({ code: 'settings/camera' }),
      );
    },
  );
});
