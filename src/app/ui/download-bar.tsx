/** One bar for all files of a download: bytes, speed, time left. */
import { bytesText, leftText, percentText, text } from '../i18n/text.ts';
import type { DownloadProgress } from '../storage/models.ts';
import { Bar } from './bar.tsx';

type Props = { readonly progress: DownloadProgress; readonly onStop: () => void };

/** Returns how far it is in one line. */
function saidOf({ bytes, totalBytes, bytesPerSecond, leftMs }: DownloadProgress): string {
  const done = text('models.progress', {
    bytes: bytesText(bytes),
    total: bytesText(totalBytes),
    speed: bytesText(bytesPerSecond),
  });
  return leftMs === undefined
    ? done
    : `${done} · ${text('models.left', { time: leftText(leftMs) })}`;
}

/** The bar with its button. */
export function DownloadBar({ progress, onStop }: Props) {
  const share = progress.totalBytes > 0 ? progress.bytes / progress.totalBytes : 0;
  const said = saidOf(progress);
  return (
    <div class="download">
      <Bar
        label={text('models.downloading')}
        share={share}
        said={`${percentText(share)}, ${said}`}
      />
      <div class="line">
        <p class="hint">{said}</p>
        <button type="button" class="chip" onClick={onStop}>
          {text('models.stop')}
        </button>
      </div>
    </div>
  );
}
