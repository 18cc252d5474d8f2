/** A released model: what it is, under which licence, how large; fetched only after its licence was accepted. */
import { useSignal } from '@preact/signals';
import { AppError } from '../app-error.ts';
import { bytesText, text, textOf } from '../i18n/text.ts';
import {
  checkModel,
  downloads,
  fetchModel,
  removeModel,
  stopFetching,
  troubles,
} from '../state/models.ts';
import type { DownloadCheck, KeptModel } from '../storage/models.ts';
import { failureText } from './failure-text.ts';
import { DownloadBar } from './download-bar.tsx';
import { LicenceText } from './licence-text.tsx';
import { UseButton } from './use-button.tsx';

/** What a person has seen of a download before it starts. */
type Asking =
  | { readonly step: 'no' | 'checking' }
  | { readonly step: 'asked'; readonly check: DownloadCheck }
  | { readonly step: 'failed'; readonly code: string; readonly message: string };

/** The card. */
export function ModelCard({ model }: { readonly model: KeptModel }) {
  const { id, title, note } = model;
  const coming = downloads.value[id];
  const trouble = troubles.value[id];
  return (
    <li class="model" id={`model-${id}`}>
      <h3>{title}</h3>
      <p>{textOf('note', id) ?? note}</p>
      <p class="hint">{factsText(model)}</p>
      <p class="hint">
        {text('models.licence')}{' '}
        {model.licences.map(({ name, url }, i) => (
          <>
            {i > 0 && ' · '}
            <a href={url} target="_blank" rel="noreferrer">
              {name}
            </a>
          </>
        ))}
      </p>
      {trouble && (
        <p class="note bad" role="alert">
          {failureText(trouble)}
        </p>
      )}
      {coming ? (
        <DownloadBar progress={coming} onStop={() => stopFetching(id)} />
      ) : (
        <Actions model={model} />
      )}
    </li>
  );
}

function factsText({ aboutBytes, bytesKnown, peakBytes, state, storedBytes }: KeptModel): string {
  const size = aboutBytes > 0 ? bytesText(aboutBytes) : '';
  const parts = [
    size && text(bytesKnown ? 'models.size' : 'models.sizeAtLeast', { size }),
    peakBytes &&
      text('models.memory', { least: bytesText(peakBytes.int4), most: bytesText(peakBytes.f16) }),
    state !== 'absent' && text(`models.${state}`, { size: bytesText(storedBytes) }),
  ];
  return parts.filter((part) => part).join(' · ');
}

function Actions({ model }: { readonly model: KeptModel }) {
  const asking = useSignal<Asking>({ step: 'no' });
  const ask = async (): Promise<void> => {
    asking.value = { step: 'checking' };
    try {
      asking.value = { step: 'asked', check: await checkModel(model.id) };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      asking.value = { step: 'failed', code: error.code, message: error.message };
    }
  };
  if (asking.value.step === 'asked') {
    const fetch = (): void => {
      asking.value = { step: 'no' };
      void fetchModel(model.id);
    };
    return <Licence model={model} check={asking.value.check} onAccept={fetch} />;
  }
  return (
    <>
      {asking.value.step === 'failed' && (
        <p class="note bad" role="alert">
          {failureText(asking.value)}
        </p>
      )}
      <div class="ways">
        {model.state === 'stored' ? (
          <UseButton name={model.id} />
        ) : (
          <button
            type="button"
            class="chip fetch"
            disabled={asking.value.step === 'checking'}
            onClick={() => void ask()}
          >
            {text(buttonKey(model, asking.value))}
          </button>
        )}
        {model.state !== 'absent' && (
          <button type="button" class="chip" onClick={() => void removeModel(model.id)}>
            {text('models.delete')}
          </button>
        )}
      </div>
    </>
  );
}

function buttonKey({ state }: KeptModel, { step }: Asking) {
  if (step === 'checking') return 'models.checking';
  return state === 'partial' ? 'models.goOn' : 'models.fetch';
}

type LicenceProps = {
  readonly model: KeptModel;
  readonly check: DownloadCheck;
  readonly onAccept: () => void;
};

/** The licence with its text, and the button that accepts it and begins. */
function Licence({ model, check, onAccept }: LicenceProps) {
  const accepted = useSignal(false);
  const missing = bytesText(check.missingBytes);
  return (
    <div class="licence">
      {model.licences.map((licence) => (
        <LicenceText key={licence.name} licence={licence} />
      ))}
      {!check.fits && (
        <p class="note bad">
          {text('models.noSpace', { need: missing, have: bytesText(check.freeBytes) })}
        </p>
      )}
      <label class="check">
        <input
          type="checkbox"
          checked={accepted.value}
          onChange={({ currentTarget }) => (accepted.value = currentTarget.checked)}
        />
        {text('models.accept')}
      </label>
      <button
        type="button"
        class="primary"
        disabled={!accepted.value || !check.fits}
        onClick={onAccept}
      >
        {text('models.begin', { size: missing })}
      </button>
    </div>
  );
}
