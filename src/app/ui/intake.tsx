/** Where a picture comes in: dropped anywhere, pasted, chosen, taken with the camera, or one of the samples. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { text } from '../i18n/text.ts';
import { choosePicture, picture } from '../state/picture.ts';
import { running } from '../state/run.ts';
import { CameraDialog, hasCamera } from './camera-dialog.tsx';
import { Icon } from './icon.tsx';
import { Samples } from './samples.tsx';

const take = (file: File | null | undefined): void => {
  if (file && !running.value) void choosePicture(file);
};

/** The place where a picture lies or is awaited. */
export function Intake({ children }: { readonly children: ComponentChildren }) {
  const over = useDropAnywhere();
  const [photographing, setPhotographing] = useState(false);
  const chosen = picture.value?.size !== undefined;
  return (
    <div id="drop" class={`drop ${chosen ? 'full' : 'empty'} ${over ? 'over' : ''}`}>
      {children}
      {!chosen && (
        <div class="invitation">
          <p class="big">{text('picture.drop')}</p>
          <p>{text('picture.paste')}</p>
        </div>
      )}
      <p class="ways">
        <input
          id="file"
          class="off-screen"
          type="file"
          accept="image/*"
          disabled={running.value}
          onChange={({ currentTarget }) => take(currentTarget.files?.[0])}
        />
        <label class={chosen ? 'button' : 'button primary'} for="file">
          <Icon name="picture" />
          {text(chosen ? 'picture.other' : 'picture.choose')}
        </label>
        {hasCamera() && (
          <button
            type="button"
            id="photograph"
            disabled={running.value}
            onClick={() => setPhotographing(true)}
          >
            <Icon name="camera" />
            {text('picture.camera')}
          </button>
        )}
      </p>
      {!chosen && <Samples />}
      {photographing && <CameraDialog onClose={() => setPhotographing(false)} />}
    </div>
  );
}

/** Files that are dropped or pasted anywhere on the page; returns whether one hangs over it. */
function useDropAnywhere(): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const listening = new AbortController();
    const options = { signal: listening.signal };
    document.addEventListener('paste', (event) => take(event.clipboardData?.files[0]), options);
    for (const type of ['dragenter', 'dragover'] as const) {
      document.addEventListener(
        type,
        (event) => {
          event.preventDefault();
          setOver(true);
        },
        options,
      );
    }
    document.addEventListener(
      'dragleave',
      (event) => {
        if (event.relatedTarget === null) setOver(false);
      },
      options,
    );
    document.addEventListener(
      'drop',
      (event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer?.files[0]);
      },
      options,
    );
    return () => listening.abort();
  }, []);
  return over;
}
