/** The rows of the table of operators: sizes of the released video models, and what peers publish. */
import { attentionOperator, temporalOperator } from './attention.ts';
import { vaeOperator, wanOperator, WAN_1_3B, WAN_21_VAE, WAN_22_VAE, WAN_5B } from './blocks.ts';
import { conv2dOperator, conv3dOperator } from './conv.ts';
import { integerMatmul, matmulOperator, quantisedMatmul } from './matmul.ts';
import { groupNormOperator, layerNormOperator, rmsNormOperator, sumOperator } from './norm.ts';
import type { Operator } from './operator.ts';
import { unetOperator } from './unet-block.ts';

export const operators: readonly Operator[] = [
  matmulOperator(4096, 4096, 4096),
  matmulOperator(4096, 1536, 8960),
  matmulOperator(512, 3072, 3072),
  matmulOperator(257, 5120, 1280),
  matmulOperator(16, 3072, 14336),
  matmulOperator(1, 14336, 3072),
  quantisedMatmul(4096, 4096, 4096, 'i8'),
  quantisedMatmul(4096, 4096, 4096, 'i4'),
  integerMatmul(4096, 4096, 4096),
  quantisedMatmul(1, 14336, 3072, 'i8'),
  quantisedMatmul(1, 14336, 3072, 'i4'),
  attentionOperator(1024, 1024, 12, 128),
  attentionOperator(4096, 4096, 12, 128),
  attentionOperator(16384, 16384, 12, 128),
  attentionOperator(32768, 32768, 12, 128),
  attentionOperator(4096, 4096, 24, 128),
  attentionOperator(4096, 512, 24, 128),
  temporalOperator(16, 9216, 8, 64),
  attentionOperator(6240, 6240, 1, 512),
  conv2dOperator([16, 64, 64, 320], 320),
  conv3dOperator([6, 240, 416, 96], 96),
  conv3dOperator([4, 120, 208, 192], 192),
  conv3dOperator([2, 60, 104, 384], 384),
  layerNormOperator(16384, 3072),
  rmsNormOperator(16384, 1536),
  groupNormOperator([16, 64, 64, 320], 32),
  sumOperator(16384, 3072),
  wanOperator('Wan block 1.3B', WAN_1_3B, [21, 60, 104]),
  wanOperator('Wan block 5B', WAN_5B, [31, 30, 52]),
  unetOperator({ x: [16, 64, 64, 320], groups: 32, headWidth: 64, embedding: 1280, tokens: 77 }),
  vaeOperator('VAE 2.1 decode', WAN_21_VAE, [60, 104], 8),
  vaeOperator('VAE 2.2 decode', WAN_22_VAE, [30, 52], 16),
];

/** Rows that any device finishes in a moment, for trying the bench out. */
export const smallOperators: readonly Operator[] = [
  matmulOperator(64, 96, 128),
  matmulOperator(1, 96, 128),
  quantisedMatmul(64, 96, 128, 'i8'),
  quantisedMatmul(1, 96, 128, 'i4'),
  integerMatmul(64, 96, 128),
  attentionOperator(64, 64, 2, 32),
  attentionOperator(64, 32, 2, 128),
  temporalOperator(4, 6, 2, 16),
  conv2dOperator([2, 8, 8, 32], 32),
  conv3dOperator([3, 8, 8, 16], 16),
  layerNormOperator(64, 96),
  rmsNormOperator(64, 96),
  groupNormOperator([2, 4, 4, 32], 8),
  sumOperator(64, 96),
  wanOperator('Wan block', { ...WAN_1_3B, num_attention_heads: 1, ffn_dim: 256 }, [2, 4, 6]),
  unetOperator({ x: [3, 4, 4, 16], groups: 4, headWidth: 8, embedding: 32, tokens: 5 }),
  vaeOperator('VAE decode', { ...WAN_21_VAE, base_dim: 8 }, [4, 4], 8),
];
