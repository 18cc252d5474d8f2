/** What a run of the avatar is told and tells. */

export type AvatarStage = 'sound' | 'text' | 'picture' | 'load' | 'denoise' | 'decode';

export type AvatarProgress = {
  readonly stage: AvatarStage;
  /** Share of the stage, or of the block's, that is done. */
  readonly done: number;
  /** While denoising and decoding: which block, and how many there are. */
  readonly block?: number;
  readonly blocks?: number;
};

export type AvatarOptions = {
  readonly signal?: AbortSignal;
  /** Once it fires, the video ends with the block that is shown. */
  readonly finishEarly?: AbortSignal;
  readonly onProgress?: (progress: AvatarProgress) => void;
  /** Called when a block has been denoised, with the bytes that the stream holds on the device. */
  readonly onBlock?: (block: number, bytes: number) => void;
};
