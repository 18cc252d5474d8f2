/** Sizes of a 3-D UNet: a picture UNet with layers along the frames behind each of its own. */

/** What spatial cross-attention sees beside the text: nothing, or image tokens through keys of their own. */
export type ImageBranch = 'none' | 'plain' | 'scaled';

export type Unet3dConfig = {
  /** Channels of the network's input: noisy latent and condition. */
  readonly inChannels: number;
  readonly outChannels: number;
  /** Channels of each level, full resolution first. */
  readonly widths: readonly number[];
  /** Whether the resnets of each level are followed by transformers. */
  readonly attention: readonly boolean[];
  /** Resnets a level on the way down; one more on the way up. */
  readonly layers: number;
  readonly groups: number;
  readonly headWidth: number;
  /** Width of context tokens. */
  readonly contextDim: number;
  readonly imageBranch: ImageBranch;
};

/** Width of the time embedding. */
export const embeddingWidth = ({ widths }: Unet3dConfig): number => 4 * (widths[0] ?? 1);

/** A spatial transformer: its name in the checkpoint and its width. */
export type Place = { readonly name: string; readonly width: number };

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** Returns every spatial transformer, in the order in which they run. */
export function transformerPlaces({ widths, attention, layers }: Unet3dConfig): Place[] {
  const last = widths.length - 1;
  const at = (side: string, index: number, level: number, count: number): Place[] =>
    attention[level]
      ? times(count, (j) => ({
          name: `${side}.${index}.attentions.${j}`,
          width: widths[level] ?? 1,
        }))
      : [];
  return [
    ...widths.flatMap((_, i) => at('down_blocks', i, i, layers)),
    { name: 'mid_block.attentions.0', width: widths[last] ?? 1 },
    ...widths.flatMap((_, i) => at('up_blocks', i, last - i, layers + 1)),
  ];
}
