/** Plays a video, in a loop, there and back or once, and shows each of its frames alone. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { text } from '../i18n/text.ts';
import type { ShownVideo } from '../state/history.ts';
import { PLAY_MODES, playMode } from '../state/saving.ts';
import { turned } from '../state/turned.ts';
import { Icon } from './icon.tsx';
import { Select } from './select.tsx';

/** The player. It begins by itself unless the system asks for less motion. */
export function Player({ shown }: { readonly shown: ShownVideo }) {
  const mode = playMode.value;
  const back = mode === 'pingPong' ? turned.value : undefined;
  const { fps } = shown.facts;
  const frames = back?.frames ?? shown.facts.frames;
  const film = useFilm(back?.url ?? shown.url, frames, fps);
  return (
    <div class="player">
      <video
        ref={film.video}
        src={back?.url ?? shown.url}
        loop={mode !== 'once'}
        muted={!shown.facts.hasSound}
        playsInline
        onClick={film.toggle}
        onPlay={() => film.setPlaying(true)}
        onPause={() => film.setPlaying(false)}
      />
      <div class="transport">
        <button
          type="button"
          id="play"
          class="square"
          aria-label={text(film.playing ? 'player.pause' : 'player.play')}
          onClick={film.toggle}
        >
          <Icon name={film.playing ? 'pause' : 'play'} />
        </button>
        <Scrubber frame={film.frame} frames={frames} onFrame={film.show} />
        <Select
          id="play-mode"
          label={text('play.label')}
          value={mode}
          options={PLAY_MODES.map((value) => ({ value, label: text(`play.${value}`) }))}
          onChange={(value) => (playMode.value = value)}
        />
      </div>
      {mode === 'pingPong' && !back && <p class="hint turning">{text('play.making')}</p>}
    </div>
  );
}

type ScrubberProps = {
  readonly frame: number;
  readonly frames: number;
  readonly onFrame: (frame: number) => void;
};

function Scrubber({ frame, frames, onFrame }: ScrubberProps) {
  const said = text('player.frame', { frame: frame + 1, frames });
  return (
    <>
      <input
        id="scrub"
        type="range"
        min={0}
        max={frames - 1}
        step={1}
        value={frame}
        aria-label={text('player.scrub')}
        aria-valuetext={said}
        onInput={({ currentTarget }) => onFrame(currentTarget.valueAsNumber)}
      />
      <output class="hint">{said}</output>
    </>
  );
}

/** What is known of the video that plays, and what can be done with it. */
function useFilm(url: string, frames: number, fps: number) {
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
  const show = (wanted: number): void => {
    const player = video.current;
    if (!player) return;
    player.pause();
    setFrame(wanted);
    // The middle of the frame: its edges belong to two.
    player.currentTime = (wanted + 0.5) / fps;
  };
  return { video, frame, playing, setPlaying, toggle, show };
}
