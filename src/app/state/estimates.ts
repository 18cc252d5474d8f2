/** What each preset would take on this machine, asked anew whenever the wishes change. */
import { computed, effect, signal } from '@preact/signals';
import { PRESETS } from '../../engine/index.ts';
import type { Preset } from '../../engine/index.ts';
import { RunError } from '../engine/client.ts';
import type { Estimate, Failure } from '../engine/protocol.ts';
import { engine } from './engine.ts';
import { current } from './jobs.ts';
import { machine } from './machine.ts';
import { isBuiltIn, modelChoice } from './models.ts';
import { picture, settings } from './picture.ts';
import { presetSettings, wishes } from './wishes.ts';

/** Estimates by preset, as far as they are known. */
export const estimates = signal<Partial<Record<Preset, Estimate>>>({});

/** What the run at the chosen quality would be, as far as its model has told. */
export const foretold = computed(() => estimates.value[wishes.value.preset]?.run);

const PATIENCE_MS = 400;
let round = 0;
let timer = 0;

/** Keeps the estimates up to date; the first one measures the machine for a second or two. */
export function followEstimates(): void {
  effect(() => {
    const asked = { model: modelChoice.value, settings: settings.value, size: picture.value?.size };
    // A run has the device to itself, and before a picture is there nothing is loaded that may not be needed.
    const idle =
      machine.value.state === 'ready' && !current.value && (asked.size || !isBuiltIn.value);
    clearTimeout(timer);
    if (idle) timer = window.setTimeout(() => void ask(asked, ++round), PATIENCE_MS);
  });
  effect(() => {
    // Another model: what was known is of no use.
    if (modelChoice.value) estimates.value = {};
  });
}

type Asked = {
  readonly model: typeof modelChoice.value;
  readonly settings: typeof settings.value;
  readonly size: { readonly width: number; readonly height: number } | undefined;
};

async function ask(asked: Asked, mine: number): Promise<void> {
  for (const preset of PRESETS) {
    const estimate = await engine
      .estimate({
        model: asked.model,
        settings: presetSettings(asked.settings, preset),
        ...(asked.size && { picture: asked.size }),
      })
      .catch((error: unknown) => {
        // What else is wrong with the wishes is told when they are to be fulfilled.
        if (error instanceof RunError) return unfit(error.failure);
        throw error;
      });
    if (mine !== round) return;
    const { [preset]: _, ...others } = estimates.value;
    estimates.value = estimate ? { ...others, [preset]: estimate } : others;
  }
}

/** A run that cannot even be planned on this device. */
const unfit = (reason: Failure): Estimate | undefined =>
  reason.code === 'gpu/limit'
    ? { seconds: undefined, peakBytes: 0, measured: false, fits: false, reason }
    : undefined;
