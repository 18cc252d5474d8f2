/** Erasing everything that this page keeps on the device. */
import { signal } from '@preact/signals';
import { EngineError } from '../../engine/index.ts';
import type { Failure } from '../engine/protocol.ts';
import { eraseAll } from '../storage/erase.ts';
import { forgetAll } from './remembered.ts';

type Erasing = { readonly busy: boolean; readonly failure: Failure | undefined };

/** How far it is. */
export const erasing = signal<Erasing>({ busy: false, failure: undefined });

/** Erases everything, then begins anew. */
export async function eraseEverything(): Promise<void> {
  erasing.value = { busy: true, failure: undefined };
  try {
    forgetAll();
    await eraseAll();
    location.reload();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    erasing.value = { busy: false, failure: { code: error.code, message: error.message } };
  }
}
