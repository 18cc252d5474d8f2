/** Plays a video in a loop and shows each of its frames alone. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { text } from '../i18n/text.ts';
import { Icon } from './icon.tsx';

type Props = { readonly url: string; readonly frames: number; readonly fps: number };

/** The player. It begins by itself unless the system asks for less motion. */
export function Player({ url, frames, fps }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const [frame, setFrame] = useState(0);
  const [playing, setPlaying] = useState(false);

  useEffect(() => {
    const player = video.current;
    if (!player || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    // A new video may take this one's place before it begins.
    player.play().catch((error: unknown) => {
      if (!(error instanceof DOMException && error.name === 'AbortError')) throw error;
    });
  }, [url]);

  useEffect(() => {
    const player = video.current;
    if (!player) return undefined;
    let asked = 0;
    const follow = (_: number, { mediaTime }: { readonly mediaTime: number }): void => {
      setFrame(Math.min(frames - 1, Math.round(mediaTime * fps)));
      asked = player.requestVideoFrameCallback(follow);
    };
    asked = player.requestVideoFrameCallback(follow);
    return () => player.cancelVideoFrameCallback(asked);
  }, [url, frames, fps]);

  const toggle = (): void => {
    const player = video.current;
    if (!player) return;
    if (player.paused) void player.play();
    else player.pause();
  };
  const said = text('player.frame', { frame: frame + 1, frames });
  return (
    <div class="player">
      <video
        ref={video}
        src={url}
        loop
        muted
        playsInline
        onClick={toggle}
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
      />
      <div class="transport">
        <button
          type="button"
          id="play"
          class="square"
          aria-label={text(playing ? 'player.pause' : 'player.play')}
          onClick={toggle}
        >
          <Icon name={playing ? 'pause' : 'play'} />
        </button>
        <input
          id="scrub"
          type="range"
          min={0}
          max={frames - 1}
          step={1}
          value={frame}
          aria-label={text('player.scrub')}
          aria-valuetext={said}
          onInput={({ currentTarget }) => {
            video.current?.pause();
            const wanted = currentTarget.valueAsNumber;
            setFrame(wanted);
            // The middle of the frame: its edges belong to two.
            if (video.current) video.current.currentTime = (wanted + 0.5) / fps;
          }}
        />
        <output class="hint">{said}</output>
      </div>
    </div>
  );
}
