/** Where a picture comes in: dropped anywhere, pasted, chosen, taken with the camera, or one of the samples. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { text } from '../i18n/text.ts';
import { takeFiles } from '../state/intake.ts';
import { morePictures, picture } from '../state/picture.ts';
import { CameraDialog, hasCamera } from './camera-dialog.tsx';
import { Icon } from './icon.tsx';
import { Samples } from './samples.tsx';

const take = (files: FileList | null | undefined): void => void takeFiles([...(files ?? [])]);

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
          accept="image/*,video/mp4,video/webm"
          multiple
          onChange={({ currentTarget }) => take(currentTarget.files)}
        />
        <label class={chosen ? 'button' : 'button primary'} for="file">
          <Icon name="picture" />
          {text(chosen ? 'picture.other' : 'picture.choose')}
        </label>
        {hasCamera() && (
          <button type="button" id="photograph" onClick={() => setPhotographing(true)}>
            <Icon name="camera" />
            {text('picture.camera')}
          </button>
        )}
      </p>
      {chosen && <Remarks />}
      {!chosen && <Samples />}
      {photographing && <CameraDialog onClose={() => setPhotographing(false)} />}
    </div>
  );
}

/** What is worth saying about the picture. */
const Remarks = () => (
  <>
    {morePictures.value.length > 0 && (
      <p class="hint remark">{text('more.count', { count: morePictures.value.length })}</p>
    )}
    {picture.value?.warnings.map((warning) => (
      <p key={warning} class="hint remark">
        {text(`warning.${warning}`)}
      </p>
    ))}
  </>
);

/** Files that are dropped or pasted anywhere on the page; returns whether one hangs over it. */
function useDropAnywhere(): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const listening = new AbortController();
    const options = { signal: listening.signal };
    document.addEventListener('paste', (event) => take(event.clipboardData?.files), options);
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
        take(event.dataTransfer?.files);
      },
      options,
    );
    return () => listening.abort();
  }, []);
  return over;
}
