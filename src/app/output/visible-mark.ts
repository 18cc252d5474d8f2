/**
 * Words on a plate in the corner of every frame that say how it was made. Their height is a twentieth of the shorter side,
 * as China's labelling rules ask (GB 45438-2025).
 */
import { EngineError } from '../../engine/index.ts';

const SHARE_OF_SIDE = 0.05;
const FONT = 'system-ui, "Noto Sans CJK SC", sans-serif';

/** Draws onto frames in place. */
export type Marker = (rgba: Uint8ClampedArray<ArrayBuffer>) => void;

/** Returns what draws `words` onto frames of a size. Throws `image/canvas` where there is no canvas. */
export function visibleMarker(words: string, width: number, height: number): Marker {
  const size = Math.max(8, Math.ceil(Math.min(width, height) * SHARE_OF_SIDE));
  const pad = Math.ceil(size / 2);
  const measure = contextOf(1, 1);
  measure.font = `${size}px ${FONT}`;
  const plateWidth = Math.min(width, Math.ceil(measure.measureText(words).width) + 2 * pad);
  const plateHeight = Math.min(height, 2 * size);
  const [left, top] = [width - plateWidth, height - plateHeight];
  return (rgba) => {
    const context = contextOf(plateWidth, plateHeight);
    const plate = new Uint8ClampedArray(4 * plateWidth * plateHeight);
    for (let y = 0; y < plateHeight; y++) {
      const at = 4 * ((top + y) * width + left);
      plate.set(rgba.subarray(at, at + 4 * plateWidth), 4 * y * plateWidth);
    }
    context.putImageData(new ImageData(plate, plateWidth, plateHeight), 0, 0);
    context.fillStyle = 'rgb(0 0 0 / 60%)';
    context.fillRect(0, 0, plateWidth, plateHeight);
    context.font = `${size}px ${FONT}`;
    context.textBaseline = 'middle';
    context.fillStyle = 'white';
    context.fillText(words, pad, plateHeight / 2, plateWidth - 2 * pad);
    const drawn = context.getImageData(0, 0, plateWidth, plateHeight).data;
    for (let y = 0; y < plateHeight; y++) {
      const row = drawn.subarray(4 * y * plateWidth, 4 * (y + 1) * plateWidth);
      rgba.set(row, 4 * ((top + y) * width + left));
    }
  };
}

function contextOf(width: number, height: number): OffscreenCanvasRenderingContext2D {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context) throw new EngineError('image/canvas', 'canvas — got no 2-D context, needs one');
  return context;
}
