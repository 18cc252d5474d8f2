import { describe, expect, it } from 'vitest';
import { CAMERA_MOVES } from '../../src/engine/models/motion/camera.ts';
import { readPrompt } from '../../src/engine/models/motion/prompt.ts';

const moves = (prompt: string): string[] =>
  (readPrompt(prompt).settings.camera ?? []).map(({ move }) => move);

describe('reading a prompt', () => {
  it.each([
    ['pan left', 'pan-left'],
    ['the camera pans slowly to the right', 'pan-right'],
    ['camera moving up', 'pan-up'],
    ['tilt down', 'pan-down'],
    ['slow push in', 'push-in'],
    ['Dolly in on the house', 'dolly-in'],
    ['the view pulls back', 'dolly-out'],
    ['zooming in', 'zoom-in'],
    ['zoom-out', 'zoom-out'],
    ['rolling clockwise', 'roll-clockwise'],
    ['rotate counter-clockwise', 'roll-counterclockwise'],
    ['camera turns left', 'yaw-left'],
    ['yaw right', 'yaw-right'],
    ['looking up', 'pitch-up'],
    ['pitch down', 'pitch-down'],
    ['orbit left', 'orbit-left'],
    ['orbiting around the statue', 'orbit-right'],
    ['handheld', 'handheld'],
    ['镜头向左平移', 'pan-left'],
    ['镜头向右移动', 'pan-right'],
    ['向上摇', 'pan-up'],
    ['镜头下降', 'pan-down'],
    ['镜头推进', 'dolly-in'],
    ['镜头拉远', 'dolly-out'],
    ['放大', 'zoom-in'],
    ['顺时针旋转', 'roll-clockwise'],
    ['环绕', 'orbit-right'],
    ['手持镜头', 'handheld'],
  ])('%s means %s alone', (prompt, move) => {
    expect(moves(prompt)).toEqual([move]);
  });

  it('every move can be asked for in English by its own name', () => {
    for (const move of CAMERA_MOVES) {
      expect(moves(move.replace('-', ' ')), move).toEqual([move]);
    }
  });

  it('takes several moves, each once', () => {
    expect(moves('pan left, then zoom in while panning left')).toEqual(['pan-left', 'zoom-in']);
  });

  it('a still camera is an answer, no word on the camera is none', () => {
    expect(readPrompt('static camera, waves').settings.camera).toEqual([]);
    expect(readPrompt('waves').settings.camera).toBeUndefined();
    expect(readPrompt('固定镜头').settings.camera).toEqual([]);
  });

  it.each([
    ['trees swaying in the wind', { sway: 1, water: 0, clouds: 0 }],
    ['Waves roll onto the shore', { sway: 0, water: 1, clouds: 0 }],
    ['clouds drifting across the sky, leaves', { sway: 1, water: 0, clouds: 1 }],
    ['白云飘动,水面波光', { sway: 1, water: 1, clouds: 1 }],
  ])('%s: ambient motion', (prompt, ambient) => {
    expect(readPrompt(prompt).settings.ambient).toEqual(ambient);
  });

  it('adverbs multiply the strength that is set, at most to 1', () => {
    expect(readPrompt('gently', 0.5).settings.motion).toBeCloseTo(0.35, 12);
    expect(readPrompt('strongly', 0.5).settings.motion).toBeCloseTo(0.7, 12);
    expect(readPrompt('violently', 0.9).settings.motion).toBe(1);
    expect(readPrompt('trees', 0.9).settings.motion).toBeUndefined();
    expect(readPrompt('轻轻', 0.5).settings.motion).toBeCloseTo(0.35, 12);
  });

  it('a loop is asked for in either language', () => {
    expect(readPrompt('seamless loop').settings.loop).toBe(true);
    expect(readPrompt('循环').settings.loop).toBe(true);
    expect(readPrompt('a river').settings.loop).toBeUndefined();
  });

  it('names what it understood and, once each, the words that it did not', () => {
    const { understood, ignored } = readPrompt(
      'A dragon and a DRAGON dance over the river, 一只猫',
    );
    expect(understood.map(({ words }) => words)).toEqual(['river']);
    expect(ignored).toEqual(['dragon', 'dance', '一只猫']);
  });

  it('words inside other words do not count', () => {
    const { understood } = readPrompt('a seal rewinds the string of a spandex treehouse');
    expect(understood).toEqual([]);
  });

  it('an empty prompt settles nothing', () => {
    expect(readPrompt('  ')).toEqual({ settings: {}, understood: [], ignored: [] });
  });
});
