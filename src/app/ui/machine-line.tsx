/** One line on what the engine runs on, or why it cannot. */
import { text, textOf } from '../i18n/text.ts';
import { machine } from '../state/machine.ts';
import type { Machine } from '../state/machine.ts';

/** The line. */
export const MachineLine = () => (
  <p id="adapter" role="status" class={`machine ${tone(machine.value)}`}>
    {lineOf(machine.value)}
  </p>
);

const tone = (known: Machine): string =>
  known.state === 'missing' || (known.state === 'ready' && known.adapter.software) ? 'warn' : '';

function lineOf(known: Machine): string {
  if (known.state === 'asking') return text('machine.asking');
  if (known.state === 'missing')
    return textOf('failure', known.failure.code) ?? known.failure.message;
  const { name, software, f16 } = known.adapter;
  if (software) return text('machine.software', { name });
  return text(f16 ? 'machine.half' : 'machine.full', { name });
}
