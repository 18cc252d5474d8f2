/** All models: the built-in one, released ones to fetch, a folder on the disk; where they come from, how much space is left. */
import { useEffect } from 'preact/hooks';
import { bytesText, text } from '../i18n/text.ts';
import { HUBS } from '../storage/models.ts';
import { BUILT_IN, chooseHub, hub, listModels, models, storage } from '../state/models.ts';
import { Dialog } from './dialog.tsx';
import { LocalFolder } from './local-folder.tsx';
import { ModelCard } from './model-card.tsx';
import { Select } from './select.tsx';
import { UseButton } from './use-button.tsx';

/** The window. */
export function ModelsDialog({ onClose }: { readonly onClose: () => void }) {
  useEffect(() => void listModels(), []);
  return (
    <Dialog id="models" title={text('models.title')} onClose={onClose}>
      <p class="hint">{text('models.about')}</p>
      <div class="source">
        <Select
          id="hub"
          label={text('models.hub')}
          value={hub.value}
          options={HUBS.map((value) => ({ value, label: new URL(value).host }))}
          onChange={chooseHub}
        />
        <Space />
      </div>
      <ul class="models">
        <BuiltIn />
        <LocalFolder />
        {models.value?.map((each) => (
          <ModelCard key={each.id} model={each} />
        ))}
      </ul>
    </Dialog>
  );
}

function Space() {
  if (!storage.value) return null;
  const { usedBytes, freeBytes, persisted } = storage.value;
  return (
    <p id="space" class="hint">
      {text('models.space', { used: bytesText(usedBytes), free: bytesText(freeBytes) })}{' '}
      {text(persisted ? 'models.kept' : 'models.evictable')}
    </p>
  );
}

const BuiltIn = () => (
  <li class="model">
    <h3>{text('models.builtIn')}</h3>
    <p>{text('models.builtInNote')}</p>
    <p class="hint">{text('models.builtInFacts')}</p>
    <div class="ways">
      <UseButton name={BUILT_IN} />
    </div>
  </li>
);
