/** Codec strings for WebCodecs: the lowest level of each codec that holds a size and a frame rate. */
import type { VideoCodec } from './writer.ts';

export type CodecChoice = { readonly codec: VideoCodec; readonly codecString: string };

type Level = readonly [code: string, pixels: number, pixelsPerSecond: number];

/** ITU-T H.264 table A-1, macroblocks of 256 pixels; the code is the level in hexadecimal. */
const AVC_LEVELS: readonly Level[] = [
  ['1e', 1_620 * 256, 40_500 * 256],
  ['1f', 3_600 * 256, 108_000 * 256],
  ['20', 5_120 * 256, 216_000 * 256],
  ['28', 8_192 * 256, 245_760 * 256],
  ['2a', 8_704 * 256, 522_240 * 256],
  ['32', 22_080 * 256, 589_824 * 256],
  ['33', 36_864 * 256, 983_040 * 256],
  ['34', 36_864 * 256, 2_073_600 * 256],
];

/** VP9 levels document, luma picture size and sample rate. */
const VP9_LEVELS: readonly Level[] = [
  ['21', 245_760, 9_216_000],
  ['30', 552_960, 20_736_000],
  ['31', 983_040, 36_864_000],
  ['40', 2_228_224, 83_558_400],
  ['41', 2_228_224, 160_432_128],
  ['50', 8_912_896, 311_951_360],
  ['51', 8_912_896, 588_251_136],
];

/** AV1 specification, annex A.3; the code is the level's index. */
const AV1_LEVELS: readonly Level[] = [
  ['01', 278_784, 8_363_520],
  ['04', 665_856, 19_975_680],
  ['05', 1_065_024, 31_950_720],
  ['08', 2_359_296, 70_778_880],
  ['09', 2_359_296, 141_557_760],
  ['12', 8_912_896, 267_386_880],
  ['13', 8_912_896, 534_773_760],
];

/** The code of the first level that is enough, or of the highest. */
function levelFor(levels: readonly Level[], pixels: number, fps: number): string | undefined {
  const enough = levels.find(([, area, rate]) => pixels <= area && pixels * fps <= rate);
  return (enough ?? levels.at(-1))?.[0];
}

/** Returns what to try for a size and frame rate, best first: H.264 plays everywhere, then VP9, then AV1. */
export function codecChoices(width: number, height: number, fps: number): CodecChoice[] {
  const avcPixels = Math.ceil(width / 16) * Math.ceil(height / 16) * 256;
  const avc = levelFor(AVC_LEVELS, avcPixels, fps);
  const vp9 = levelFor(VP9_LEVELS, width * height, fps);
  const av1 = levelFor(AV1_LEVELS, width * height, fps);
  return [
    { codec: 'avc', codecString: `avc1.6400${avc}` }, // High
    { codec: 'avc', codecString: `avc1.4d00${avc}` }, // Main
    { codec: 'avc', codecString: `avc1.42e0${avc}` }, // Constrained Baseline
    { codec: 'vp9', codecString: `vp09.00.${vp9}.08` },
    { codec: 'av1', codecString: `av01.0.${av1}M.08` },
  ];
}
