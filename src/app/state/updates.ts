/** New versions of the page: offered when one has come, put in place when the person agrees. */
import { signal } from '@preact/signals';
import { EngineError } from '../../engine/index.ts';
import type { Failure } from '../engine/protocol.ts';
import { applyUpdate, watchUpdates } from '../trust/updates.ts';
import { protection } from './engine.ts';

/** Whether a new version waits. */
export const updateWaits = signal(false);
/** Why it could not be put in place. */
export const updateFailure = signal<Failure | undefined>(undefined);

/** Looks for new versions once the page is protected. */
export function followUpdates(): void {
  void protection.then(() => watchUpdates(() => (updateWaits.value = true)));
}

/** Puts the new version in place. */
export async function update(): Promise<void> {
  updateFailure.value = undefined;
  try {
    await applyUpdate();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    updateFailure.value = { code: error.code, message: error.message };
  }
}
