/** The video as a file: format, what it tells of itself, and how far it is while it is made. */
import { percentText, text } from '../i18n/text.ts';
import { EXPORT_FORMATS } from '../output/formats.ts';
import type { ExportFormat } from '../output/formats.ts';
import {
  chooseIncludeSettings,
  chooseVisibleMark,
  includeSettings,
  isMarked,
  save,
  saving,
  savingFailure,
  stopSaving,
} from '../state/saving.ts';
import { Bar } from './bar.tsx';
import { Check } from './check.tsx';
import { FailureNote } from './failure-note.tsx';
import { Icon } from './icon.tsx';

/** The panel. */
export const SavePanel = ({ type }: { readonly type: string }) => (
  <div class="save">
    {saving.value ? (
      <Making />
    ) : (
      <Formats formats={type.startsWith('image/') ? ['png'] : EXPORT_FORMATS} />
    )}
    {savingFailure.value && <FailureNote failure={savingFailure.value} />}
    <div class="choices">
      <Check
        id="include-settings"
        label={text('save.include')}
        checked={includeSettings.value}
        onChange={chooseIncludeSettings}
      />
      <Check
        id="visible-mark"
        label={text('save.mark')}
        checked={isMarked()}
        onChange={chooseVisibleMark}
      />
    </div>
    <p class="hint">{text('save.about')}</p>
  </div>
);

const Formats = ({ formats }: { readonly formats: readonly ExportFormat[] }) => (
  <div class="ways" role="group" aria-label={text('save.title')}>
    {formats.map((format) => (
      <Format key={format} format={format} />
    ))}
  </div>
);

const Format = ({ format }: { readonly format: ExportFormat }) => (
  <button
    type="button"
    id={format === 'mp4' ? 'download' : `save-${format}`}
    class={format === 'mp4' ? 'primary' : ''}
    onClick={() => void save(format)}
  >
    <Icon name="down" />
    {text(`save.${format}`)}
  </button>
);

function Making() {
  if (!saving.value) return null;
  const { format, done } = saving.value;
  const said = text('save.making', { format: text(`save.${format}`), percent: percentText(done) });
  return (
    <div class="line">
      <Bar label={text('save.title')} share={done} said={said} />
      <p class="hint">{said}</p>
      <button type="button" onClick={stopSaving}>
        {text('run.cancel')}
      </button>
    </div>
  );
}
