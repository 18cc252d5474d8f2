/** Copies what a report needs: machine, build and failure in figures, without a word or pixel of the person's. */
import { useSignal } from '@preact/signals';
import type { Failure } from '../engine/protocol.ts';
import { locale } from '../i18n/locale.ts';
import { text } from '../i18n/text.ts';
import { protection } from '../state/engine.ts';
import { model } from '../state/models.ts';
import { wishes } from '../state/wishes.ts';
import { diagnostics } from '../trust/diagnostics.ts';

/** The button; what it copies is shown below it. */
export function DiagnosticsButton({ failure }: { readonly failure?: Failure }) {
  const told = useSignal('');
  const copied = useSignal(false);
  const copy = async (): Promise<void> => {
    told.value = await diagnostics({
      ...{ protection: await protection, locale: locale.value },
      ...{ model: model.value, preset: wishes.value.preset },
      ...(failure && { failure }),
    });
    copied.value = await navigator.clipboard.writeText(told.value).then(
      () => true,
      () => false, // not allowed here: it can be copied from below
    );
  };
  return (
    <div class="diagnostics">
      <button type="button" class="copy-diagnostics quiet" onClick={() => void copy()}>
        {text('diagnostics.copy')}
      </button>
      {told.value !== '' && (
        <>
          <p class="hint" role="status">
            {text(copied.value ? 'diagnostics.copied' : 'diagnostics.made')}
          </p>
          <pre class="told" tabIndex={0} aria-label={text('diagnostics.text')}>
            {told.value}
          </pre>
        </>
      )}
    </div>
  );
}
