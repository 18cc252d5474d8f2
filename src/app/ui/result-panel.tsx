/** The video on the stage: player, what it is, and the file. */
import { durationText, text } from '../i18n/text.ts';
import type { ShownVideo } from '../state/history.ts';
import { choosePicture } from '../state/picture.ts';
import { still } from '../state/still.ts';
import { adoptSettings } from '../state/wishes.ts';
import { Player } from './player.tsx';
import { SavePanel } from './save-panel.tsx';

function factsText({ facts }: ShownVideo): string {
  if (facts.type.startsWith('image/')) {
    return text('result.pictureFacts', {
      width: String(facts.width),
      height: String(facts.height),
      seed: String(facts.settings.seed ?? 0),
    });
  }
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
    {shown.facts.type.startsWith('image/') ? (
      <img class="painted" src={shown.url} alt={text('result.painted')} />
    ) : (
      <Player shown={shown} />
    )}
    <figcaption id="facts">{factsText(shown)}</figcaption>
    <Advice shown={shown} />
    <SavePanel type={shown.facts.type} />
    <div class="ways again">
      <button
        type="button"
        id="again"
        class="quiet"
        onClick={() => adoptSettings(shown.facts.settings)}
      >
        {text('result.again')}
      </button>
      {shown.facts.type.startsWith('image/') && (
        <button
          type="button"
          id="animate-picture"
          class="quiet"
          onClick={() => void choosePicture(shown.video)}
        >
          {text('result.animate')}
        </button>
      )}
    </div>
  </figure>
);
