/** The part of the page where motion, quality and seed are set. */
import { CAMERA_WORDS, PRESETS } from '../engine/index.ts';
import type { Settings } from '../engine/index.ts';
import { element } from './dom.ts';

/** Brings the panel to life; returns a function that reads the settings off it. */
export function settingsPanel(): () => Partial<Settings> {
  const form = element('form', HTMLFormElement);
  const prompt = element('prompt', HTMLTextAreaElement);
  const camera = element('camera', HTMLInputElement);
  const loop = element('loop', HTMLInputElement);
  const seed = element('seed', HTMLInputElement);
  const motion = element('motion', HTMLInputElement);
  const motionValue = element('motion-value', HTMLOutputElement);

  element('camera-words', HTMLSpanElement).textContent = CAMERA_WORDS;
  motion.addEventListener('input', () => {
    motionValue.textContent = `${Math.round(100 * motion.valueAsNumber)} %`;
  });
  element('dice', HTMLButtonElement).addEventListener('click', () => {
    seed.value = String(crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
  });

  return () => {
    const chosen = new FormData(form).get('preset');
    return {
      prompt: prompt.value,
      preset: PRESETS.find((preset) => preset === chosen) ?? 'standard',
      motion: motion.valueAsNumber,
      camera: camera.value,
      loop: loop.checked,
      seed: seed.valueAsNumber,
    };
  };
}
