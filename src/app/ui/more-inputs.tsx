/** What some models take beside a picture: a second one to arrive at, a sound to speak. */
import { text } from '../i18n/text.ts';
import { takes } from '../state/batch.ts';
import { chooseLastPicture, lastPicture, sound } from '../state/picture.ts';
import { failureText } from './failure-text.ts';
import { Icon } from './icon.tsx';

/** The inputs of the model that is used. */
export const MoreInputs = () => (
  <>
    {takes('lastPicture') && <LastPicture />}
    {takes('sound') && <SoundFile />}
  </>
);

function LastPicture() {
  const last = lastPicture.value;
  return (
    <fieldset class="field more-input">
      <legend>{text('last.label')}</legend>
      {last?.size && <img src={last.url} alt={text('last.label')} />}
      {last?.fault && <p class="note bad">{failureText(last.fault)}</p>}
      <div class="ways">
        <FileButton
          id="last-picture"
          accept="image/*"
          label={text('last.choose')}
          onFile={(file) => void chooseLastPicture(file)}
        />
        {last && (
          <button type="button" class="quiet" onClick={() => void chooseLastPicture(undefined)}>
            {text('last.remove')}
          </button>
        )}
      </div>
    </fieldset>
  );
}

const SoundFile = () => (
  <fieldset class="field more-input">
    <legend>{text('sound.label')}</legend>
    {sound.value && <p class="hint">{sound.value.name}</p>}
    <div class="ways">
      <FileButton
        id="sound"
        accept="audio/*"
        label={text('sound.choose')}
        onFile={(file) => (sound.value = file)}
      />
    </div>
  </fieldset>
);

type FileButtonProps = {
  readonly id: string;
  readonly accept: string;
  readonly label: string;
  readonly onFile: (file: File) => void;
};

const FileButton = ({ id, accept, label, onFile }: FileButtonProps) => (
  <>
    <input
      id={id}
      class="off-screen"
      type="file"
      accept={accept}
      onChange={({ currentTarget }) => {
        const file = currentTarget.files?.[0];
        if (file) onFile(file);
      }}
    />
    <label class="button" for={id}>
      <Icon name="folder" />
      {label}
    </label>
  </>
);
