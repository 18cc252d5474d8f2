/** A failure in words: those for its code, else the engine's own without the code. */
import { textOf } from '../i18n/text.ts';
import type { Failure } from '../engine/protocol.ts';

/** Returns the words. */
export const failureText = ({ code, message }: Failure): string =>
  textOf('failure', code) ?? message.replace(/ \([a-z-]+\/[a-z-]+\)$/, '');

/** The note. */
export const FailureNote = ({ failure }: { readonly failure: Failure }) => (
  <p id="error" class={failure.code === 'cancelled' ? 'note' : 'note bad'} role="alert">
    {failureText(failure)}
  </p>
);
