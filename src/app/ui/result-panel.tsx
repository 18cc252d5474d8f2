/** The video on the stage: player, what it is, and the file. */
import { durationText, text } from '../i18n/text.ts';
import type { ShownVideo } from '../state/history.ts';
import { still } from '../state/still.ts';
import { Player } from './player.tsx';
import { SavePanel } from './save-panel.tsx';

function factsText({ facts }: ShownVideo): string {
  return text('result.facts', {
    width: String(facts.width),
    height: String(facts.height),
    frames: facts.frames,
    seconds: durationText((1000 * facts.frames) / facts.fps),
    codec: facts.codec,
    seed: String(facts.settings.seed ?? 0),
  });
}

/** What would help, where something could be better. */
const Advice = ({ shown: { facts } }: { readonly shown: ShownVideo }) => (
  <>
    {still.value === facts.id && (
      <p id="still" class="note">
        {text('still.hint')}
      </p>
    )}
    {facts.type === 'video/mp4' && !facts.codec.startsWith('avc1') && (
      <p id="no-h264" class="note">
        {text('state.noH264', { codec: facts.codec })}
      </p>
    )}
  </>
);

/** The panel. */
export const ResultPanel = ({ shown }: { readonly shown: ShownVideo }) => (
  <figure id="result" class="result">
    <Player shown={shown} />
    <figcaption id="facts">{factsText(shown)}</figcaption>
    <Advice shown={shown} />
    <SavePanel />
  </figure>
);
