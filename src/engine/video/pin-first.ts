/**
 * A first frame that is the picture itself, for models that paint every frame: what theirs differs by, mostly in colour, is
 * added to it and, less and less, to those that follow, so that nothing jumps.
 */

/** Frames over which the difference fades out. */
const FADE = 6;

/** Corrects frames in place. */
export type FramePin = (rgba: Uint8ClampedArray, index: number) => void;

/** Returns what makes a video begin with `picture`, RGBA of the frames' size; frames come in order. */
export function pinFirst(picture: Uint8ClampedArray): FramePin {
  let difference: Int16Array | undefined;
  return (rgba, index) => {
    difference ??= Int16Array.from(picture, (value, i) => value - (rgba[i] ?? 0));
    if (index >= FADE) return;
    const share = 1 - index / FADE;
    for (let i = 0; i < rgba.length; i++) {
      rgba[i] = (rgba[i] ?? 0) + share * (difference[i] ?? 0);
    }
  };
}
