/** Takes a photograph with the camera of this device; the picture goes nowhere but into the page. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { text } from '../i18n/text.ts';
import { choosePicture } from '../state/picture.ts';
import { Dialog } from './dialog.tsx';
import { Icon } from './icon.tsx';

/** Whether the browser can show a camera at all. */
export const hasCamera = (): boolean => 'mediaDevices' in navigator;

/** The window with the camera's view. */
export function CameraDialog({ onClose }: { readonly onClose: () => void }) {
  const view = useRef<HTMLVideoElement>(null);
  const [state, setState] = useState<'asking' | 'ready' | 'refused'>('asking');
  useEffect(() => {
    let stream: MediaStream | undefined;
    let gone = false;
    const asked = navigator.mediaDevices.getUserMedia({
      video: { facingMode: 'environment', width: { ideal: 1920 }, height: { ideal: 1080 } },
    });
    asked.then(
      (given) => {
        stream = given;
        if (gone) stopAll(given);
        else if (view.current) view.current.srcObject = given;
      },
      () => setState('refused'),
    );
    return () => {
      gone = true;
      if (stream) stopAll(stream);
    };
  }, []);

  const take = async (): Promise<void> => {
    if (!view.current) return;
    await choosePicture(await photograph(view.current));
    onClose();
  };
  return (
    <Dialog id="camera-window" title={text('camera.title')} onClose={onClose}>
      {state === 'refused' ? (
        <p class="note bad" role="alert">
          {text('camera.refused')}
        </p>
      ) : (
        <>
          <video
            ref={view}
            class="camera-view"
            autoplay
            muted
            playsInline
            aria-label={text('camera.view')}
            onLoadedData={() => setState('ready')}
          />
          <button
            type="button"
            id="snap"
            class="primary large"
            disabled={state !== 'ready'}
            onClick={() => void take()}
          >
            <Icon name="camera" />
            {text(state === 'ready' ? 'camera.take' : 'camera.asking')}
          </button>
        </>
      )}
    </Dialog>
  );
}

const stopAll = (stream: MediaStream): void => {
  for (const track of stream.getTracks()) track.stop();
};

async function photograph(view: HTMLVideoElement): Promise<Blob> {
  const canvas = new OffscreenCanvas(view.videoWidth, view.videoHeight);
  canvas.getContext('2d')?.drawImage(view, 0, 0);
  return canvas.convertToBlob({ type: 'image/png' });
}
