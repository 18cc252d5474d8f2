/** What the engine runs on here, and what is in its way. */
import { signal } from '@preact/signals';
import { AppError } from '../app-error.ts';
import type { AdapterState, Failure } from '../engine/protocol.ts';
import { engine } from './engine.ts';

/** What is known of the machine. */
export type Machine =
  | { readonly state: 'asking' }
  | { readonly state: 'ready'; readonly adapter: AdapterState }
  | { readonly state: 'missing'; readonly failure: Failure };

/** The machine as it answered. */
export const machine = signal<Machine>({ state: 'asking' });

/** Asks the engine what it runs on. */
export async function inspectMachine(): Promise<void> {
  if (!isSecureContext) {
    machine.value = { state: 'missing', failure: { code: 'gpu/insecure', message: '' } };
    return;
  }
  try {
    machine.value = { state: 'ready', adapter: await engine.inspect() };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { code, message } = error;
    machine.value = { state: 'missing', failure: { code, message } };
  }
}
