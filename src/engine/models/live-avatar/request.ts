/** What is asked of the avatar, under the names of its own command line, and what is refused at the border. */
import type { Sound } from '../../audio/sound.ts';
import { checkSound } from '../../audio/sound.ts';
import { EngineError } from '../../gpu/errors.ts';
import type { Size } from '../../image/fit.ts';
import type { Raster } from '../../image/resize.ts';
import { BLOCK_FRAMES, BLOCK_LATENTS } from './stream.ts';
import { FRAMES_PER_LATENT } from './audio-encoder.ts';
import { VIDEO_RATE } from './audio-features.ts';
import { avatarSize } from './size.ts';

export type AvatarRequest = {
  /** Token numbers of the prompt, with the end token. */
  readonly prompt: readonly number[];
  /** RGB in 0..1, upright, of any size: who speaks. */
  readonly image: Raster;
  readonly sound: Sound;
} & Partial<AvatarSettings>;

export type AvatarSettings = {
  /** Steps from noise to picture, 3 … 6; the model was distilled to 4. */
  readonly sample_steps: number;
  /** Leaves out the last step, which moves the sample by less than 1 %. */
  readonly skip_last_step: boolean;
  /** `width*height`: an area, which takes the shape of the picture. */
  readonly size: string;
  /** Video frames of a clip, and of what is remembered: a multiple of 12. */
  readonly infer_frames: number;
  /** Clips at most; the sound may be shorter. */
  readonly num_clip: number;
  /** 0: the model takes no guidance. */
  readonly sample_guide_scale: number;
  /** After the first clip, takes the past that is looked at from its frames in place of the still picture. */
  readonly enable_online_decode: boolean;
  /** Holds one network at a time while sound, prompt and picture are read, in place of all at once. */
  readonly offload_model: boolean;
  /** How past keys and values are kept: `float` as the network's precision says, `int8` in half of f16. */
  readonly kv_cache: 'float' | 'int8';
  readonly base_seed: number;
  /** Frames by which the reference stays ahead of the stream, 4 … 30. */
  readonly reference_distance: number;
};

export const AVATAR_DEFAULTS: AvatarSettings = {
  ...{ sample_steps: 4, skip_last_step: false, size: '704*384', infer_frames: 48 },
  ...{ num_clip: 10_000, sample_guide_scale: 0, enable_online_decode: false },
  ...{ offload_model: true, kv_cache: 'float', base_seed: 420, reference_distance: 30 },
};

/** A request that holds: its settings complete, its video's size found. */
export type CheckedRequest = Omit<AvatarRequest, keyof AvatarSettings> & {
  readonly settings: AvatarSettings;
  readonly video: Size;
  /** Blocks of a clip. */
  readonly clipBlocks: number;
  /** Latent frames that are remembered. */
  readonly remembered: number;
};

/**
 * Returns the request with its settings complete. Throws `avatar/` and the name of the first setting that no run can
 * take, `avatar/image`, `avatar/size`, `avatar/prompt` and what `checkSound` throws.
 */
export function checkAvatarRequest(request: AvatarRequest): CheckedRequest {
  const { prompt, image, sound, ...given } = request;
  const settings: AvatarSettings = { ...AVATAR_DEFAULTS, ...given };
  whole('sample_steps', settings.sample_steps, 3, 6);
  whole('infer_frames', settings.infer_frames, BLOCK_FRAMES, 600);
  whole('num_clip', settings.num_clip, 1, Number.MAX_SAFE_INTEGER);
  whole('base_seed', settings.base_seed, 0, 2 ** 52);
  whole('reference_distance', settings.reference_distance, 4, 30);
  if (settings.infer_frames % BLOCK_FRAMES !== 0) {
    throw refusal('infer_frames', settings.infer_frames, `a multiple of ${BLOCK_FRAMES}`);
  }
  if (settings.sample_guide_scale !== 0) {
    throw refusal('sample_guide_scale', settings.sample_guide_scale, '0, as it was distilled for');
  }
  if (!['float', 'int8'].includes(settings.kv_cache)) {
    throw refusal('kv_cache', settings.kv_cache, 'float or int8');
  }
  if (prompt.length === 0 || !prompt.every((id) => Number.isSafeInteger(id) && id >= 0)) {
    throw refusal('prompt', `${prompt.length} tokens`, 'at least the end token, whole numbers');
  }
  if (image.channels !== 3 || image.data.length !== image.width * image.height * 3) {
    throw refusal('image', `${image.channels} channels`, 'red, green and blue of every pixel');
  }
  checkSound(sound);
  return {
    ...{ prompt, image, sound, settings },
    video: avatarSize(image, areaOf(settings.size)),
    clipBlocks: settings.infer_frames / BLOCK_FRAMES,
    remembered: (settings.infer_frames / BLOCK_FRAMES) * BLOCK_LATENTS,
  };
}

/** Returns the blocks that a sound of so many seconds takes: the last is the one in which it ends. */
export function blocksOfSound(
  seconds: number,
  clips: number,
  { clipBlocks, settings: { num_clip } }: CheckedRequest,
): number {
  const heard = Math.max(1, Math.ceil((seconds * VIDEO_RATE) / BLOCK_FRAMES - 1e-9));
  return Math.min(heard, Math.min(num_clip, clips) * clipBlocks);
}

/** The past that is looked at, in frames of video: 19 latents. */
export const MOTION_FRAMES = 18 * FRAMES_PER_LATENT + 1;

function areaOf(size: string): number {
  const [, width, height] = /^(\d{2,5})\s*[*x×]\s*(\d{2,5})$/.exec(size) ?? [];
  if (width === undefined || height === undefined) throw refusal('size', size, 'width*height');
  return Number(width) * Number(height);
}

function whole(name: keyof AvatarSettings, value: number, low: number, high: number): void {
  if (Number.isSafeInteger(value) && value >= low && value <= high) return;
  throw refusal(name, value, `a whole number from ${low} to ${high}`);
}

const refusal = (name: string, have: string | number, need: string): EngineError =>
  new EngineError(`avatar/${name}`, `${name} — got ${have}, needs ${need} — change it`, {
    have,
    need,
  });
