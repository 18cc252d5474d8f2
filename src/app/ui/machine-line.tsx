/** One line on what the engine runs on, or why it cannot. */
import { text } from '../i18n/text.ts';
import { machine } from '../state/machine.ts';
import type { Machine } from '../state/machine.ts';
import { DiagnosticsButton } from './diagnostics-button.tsx';
import { failureText } from './failure-text.ts';

/** The line. */
export const MachineLine = () => (
  <div class={`machine ${tone(machine.value)}`}>
    <p id="adapter" role="status">
      {lineOf(machine.value)}
    </p>
    {machine.value.state === 'missing' && <DiagnosticsButton failure={machine.value.failure} />}
  </div>
);

const tone = (known: Machine): string =>
  known.state === 'missing' || (known.state === 'ready' && known.adapter.software) ? 'warn' : '';

function lineOf(known: Machine): string {
  if (known.state === 'asking') return text('machine.asking');
  if (known.state === 'missing') return failureText(known.failure);
  const { name, software, f16 } = known.adapter;
  if (software) return text('machine.software', { name });
  return f16
    ? text('machine.half', { name })
    : `${text('machine.full', { name })} ${text('state.noHalf')}`;
}
