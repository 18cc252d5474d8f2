/** The chosen picture with the part that the video shows; the frame is dragged or moved with the arrow keys. */
import { text } from '../i18n/text.ts';
import { crop, focus } from '../state/picture.ts';
import type { ChosenPicture } from '../state/picture.ts';

const KEY_STEP = 0.05;
/** Less of a side than this hangs over when sizes are rounded: nothing worth showing. */
const ROUNDING = 0.02;
const ARROWS: Readonly<Record<string, readonly [x: number, y: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

const clamp = (value: number): number => Math.min(1, Math.max(0, value));
const share = (value: number): string => `${100 * value}%`;

/** The picture on the stage. */
export function PictureView({ chosen }: { readonly chosen: ChosenPicture }) {
  if (!chosen.size) return null;
  return (
    <div class="picture">
      <img id="picture" src={chosen.url} alt={text('picture.chosen')} draggable={false} />
      <CropFrame width={chosen.size.width} height={chosen.size.height} />
    </div>
  );
}

function CropFrame({ width, height }: { readonly width: number; readonly height: number }) {
  if (!crop.value) return null;
  const { video, seen } = crop.value;
  const spare = { x: width - seen.width, y: height - seen.height };
  const move = (x: number, y: number): void => {
    focus.value = { x: clamp(focus.value.x + x), y: clamp(focus.value.y + y) };
  };
  return (
    <div
      id="crop"
      class={spare.x > ROUNDING * width || spare.y > ROUNDING * height ? 'crop' : 'crop whole'}
      role="group"
      tabIndex={spare.x > 1 || spare.y > 1 ? 0 : -1}
      aria-label={text('crop.label')}
      style={{
        left: share(seen.x / width),
        top: share(seen.y / height),
        width: share(seen.width / width),
        height: share(seen.height / height),
      }}
      onKeyDown={(event) => {
        const by = ARROWS[event.key];
        if (!by) return;
        event.preventDefault();
        move(KEY_STEP * by[0], KEY_STEP * by[1]);
      }}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => {
        if (event.buttons !== 1) return;
        const { clientWidth } = event.currentTarget.parentElement ?? event.currentTarget;
        const scale = width / clientWidth;
        move(
          spare.x > 0 ? (event.movementX * scale) / spare.x : 0,
          spare.y > 0 ? (event.movementY * scale) / spare.y : 0,
        );
      }}
    >
      <span class="size">
        {text('crop.size', { width: String(video.width), height: String(video.height) })}
      </span>
    </div>
  );
}
