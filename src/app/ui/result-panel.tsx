/** The finished video: player, what it is, and the file. */
import { durationText, text } from '../i18n/text.ts';
import type { result } from '../state/run.ts';
import { Icon } from './icon.tsx';
import { Player } from './player.tsx';

type Result = NonNullable<typeof result.value>;

const wordsText = (
  key: 'result.understood' | 'result.ignored',
  words: readonly string[],
): string => (words.length > 0 ? text(key, { words: words.join(', ') }) : '');

function factsText({ video, report }: Result): string {
  const facts = text('result.facts', {
    width: String(video.width),
    height: String(video.height),
    frames: video.frames,
    seconds: durationText((1000 * video.frames) / video.fps),
    codec: video.codec,
    seed: String(report.settings.seed),
    time: durationText(report.totalMs),
  });
  return [
    `${facts}.`,
    wordsText('result.understood', report.understood),
    wordsText('result.ignored', report.ignored),
  ]
    .filter((part) => part !== '')
    .join(' ');
}

/** The panel. */
export const ResultPanel = ({ result }: { readonly result: Result }) => (
  <figure id="result" class="result">
    <Player url={result.url} frames={result.video.frames} fps={result.video.fps} />
    <figcaption id="facts">{factsText(result)}</figcaption>
    <a id="download" class="button primary" href={result.url} download="zoetrope.mp4">
      <Icon name="down" />
      {text('result.download')}
    </a>
  </figure>
);
