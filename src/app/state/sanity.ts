/** The sanity check: does this machine compute what it should? */
import { signal } from '@preact/signals';
import { RunError } from '../engine/client.ts';
import { failureOf } from '../engine/failure.ts';
import type { Failure } from '../engine/protocol.ts';
import type { SanityReport } from '../trust/sanity.ts';
import { engine } from './engine.ts';
import { BUILT_IN } from './models.ts';

/** How far the check is, or how it ended. */
export type Sanity =
  | { readonly state: 'never' }
  | { readonly state: 'running'; readonly done: number }
  | ({ readonly state: 'done' } & SanityReport)
  | { readonly state: 'failed'; readonly failure: Failure };

/** The last check. */
export const sanity = signal<Sanity>({ state: 'never' });

/** Runs the check. */
export async function checkMachine(): Promise<void> {
  if (sanity.value.state === 'running') return;
  sanity.value = { state: 'running', done: 0 };
  try {
    const { checkSanity } = await import('../trust/sanity.ts');
    const report = await checkSanity((wishes) =>
      engine.run(
        { ...wishes, model: { name: BUILT_IN }, measures: { probe: false } },
        {
          onEvent: (event) => {
            if (event.type === 'progress')
              sanity.value = { state: 'running', done: event.progress.done };
          },
        },
      ),
    );
    sanity.value = { state: 'done', ...report };
  } catch (error) {
    const failure = error instanceof RunError ? error.failure : failureOf(error);
    sanity.value = { state: 'failed', failure };
  }
}
