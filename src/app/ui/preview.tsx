/** What the video is becoming, in the place of the picture. */
import { useEffect, useRef } from 'preact/hooks';
import type { Shown } from '../engine/protocol.ts';
import { text } from '../i18n/text.ts';

/** The small picture, as large as the stage. */
export function Preview({ shown }: { readonly shown: Shown }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { data, width, height } = shown;
  useEffect(() => {
    canvas.current?.getContext('2d')?.putImageData(new ImageData(data, width, height), 0, 0);
  }, [shown]);
  return (
    <div class="picture becoming">
      <canvas
        ref={canvas}
        id="preview"
        width={width}
        height={height}
        role="img"
        aria-label={text('run.preview')}
      />
    </div>
  );
}
