/** Every kind of golden case that is known, in the order in which they are asked. */
import type { Checker } from './case.ts';
import { autoencoderKl } from './cases/autoencoder-kl.ts';
import { autoencoder } from './cases/autoencoder.ts';
import { i2vgenClip } from './cases/clips.ts';
import { clip } from './cases/clip.ts';
import { ddim } from './cases/ddim.ts';
import { dit, originalDit } from './cases/dit.ts';
import { liveAvatar } from './cases/live-avatar.ts';
import { dynamiCrafterClip } from './cases/dynamicrafter-clip.ts';
import { flowMatch, transport } from './cases/flow-match.ts';
import { motion } from './cases/motion.ts';
import { clipImage, clipText } from './cases/openclip.ts';
import { dynamiCrafterPictures, i2vgenPictures } from './cases/pictures.ts';
import { newbiePipeline } from './cases/newbie-pipeline.ts';
import { luminaTransformer, newbieTransformer } from './cases/nextdit.ts';
import { pipelines } from './cases/pipelines.ts';
import { resamplerCase } from './cases/resampler.ts';
import { s2v } from './cases/s2v.ts';
import { schedulers } from './cases/schedulers.ts';
import { gemma, jina } from './cases/text-encoders.ts';
import { taef2, taehv, taesd } from './cases/tiny-autoencoders.ts';
import { umt5 } from './cases/umt5.ts';
import { dynamiCrafterUnet, i2vgenUnet } from './cases/unet3d.ts';
import { vae } from './cases/vae.ts';
import { wav2vec2Case } from './cases/wav2vec2.ts';

export const CHECKERS: readonly Checker[] = [
  ddim,
  clipText,
  clipImage,
  autoencoder,
  resamplerCase,
  i2vgenUnet,
  i2vgenClip,
  dynamiCrafterClip,
  dynamiCrafterUnet,
  i2vgenPictures,
  dynamiCrafterPictures,
  schedulers,
  flowMatch,
  transport,
  taesd,
  taef2,
  taehv,
  autoencoderKl,
  gemma,
  jina,
  newbieTransformer,
  luminaTransformer,
  newbiePipeline,
  dit,
  originalDit,
  umt5,
  clip,
  vae,
  pipelines,
  motion,
  wav2vec2Case,
  s2v,
  liveAvatar,
];
