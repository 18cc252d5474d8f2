/** A failure in words: those for its code, else those for its group, with values as people read them. */
import type { Failure } from '../engine/protocol.ts';
import { bytesText, numberText, text, textOf } from '../i18n/text.ts';

/** Groups whose numbers are bytes. */
const IN_BYTES = /^(gpu|weights|storage)\/|^image\/file-size$/;

/** Returns the words. */
export function failureText(failure: Failure): string {
  const { code, smaller } = failure;
  const valued = (value: Failure['have']): string => {
    if (typeof value !== 'number') return value ?? '?';
    return IN_BYTES.test(code) ? bytesText(value) : numberText(value);
  };
  const values = {
    have: valued(failure.have),
    need: valued(failure.need),
    stage: (failure.stage && textOf('stage', failure.stage)) ?? failure.stage ?? '?',
    ...(smaller && { smaller: text(`preset.${smaller}`) }),
  };
  return (
    (smaller && textOf('failure', `${code}+smaller`, values)) ??
    textOf('failure', code, values) ??
    textOf('failure', code.split('/')[0] ?? '') ??
    text('failure.internal')
  );
}
