/** The weights of a wav2vec2 encoder as its layers ask for them: the positional convolution split by groups, its norm undone. */
import type { WeightSource } from '../../weights/upload.ts';

const CONV = 'wav2vec2.encoder.pos_conv_embed.conv';
const GROUP = /^wav2vec2\.encoder\.pos_conv_embed\.conv\.(\d+)\.(weight|bias)$/;

/** Where a checkpoint keeps the lengths and directions of a normalised weight: old and new PyTorch. */
const SPELLINGS = [
  ['weight_g', 'weight_v'],
  ['parametrizations.weight.original0', 'parametrizations.weight.original1'],
] as const;

/**
 * Returns a source that also knows `…pos_conv_embed.conv.<group>.weight` and `.bias`: the rows of one group of
 * w = g · v / ‖v‖, where the norm of each tap runs over all channels.
 */
export function splitPositions(
  source: WeightSource & { has(name: string): boolean },
  groups: number,
): WeightSource {
  const [g, v] = SPELLINGS.find(([name]) => source.has(`${CONV}.${name}`)) ?? SPELLINGS[0];
  let whole: Promise<Float32Array> | undefined;
  const read = async (): Promise<Float32Array> => {
    const [lengths, directions] = await Promise.all([
      source.read(`${CONV}.${g}`),
      source.read(`${CONV}.${v}`),
    ]);
    return denormalised(lengths, directions);
  };
  return {
    // What is made on the device is made in groups already.
    ...(source.fill && { fill: source.fill.bind(source) }),
    info: (name) => {
      const [, , part] = GROUP.exec(name) ?? [];
      if (part === undefined) return source.info(name);
      const whole = source.info(part === 'weight' ? `${CONV}.${v}` : `${CONV}.bias`);
      const [rows = 0, ...rest] = whole.shape;
      return { ...whole, shape: [rows / groups, ...rest] };
    },
    read: async (name) => {
      const [, group, part] = GROUP.exec(name) ?? [];
      if (part === undefined) return source.read(name);
      const all = await (part === 'weight' ? (whole ??= read()) : source.read(`${CONV}.bias`));
      const span = all.length / groups;
      return all.slice(Number(group) * span, (Number(group) + 1) * span);
    },
  };
}

/** g [taps] and v [out · in, taps] -> g · v / ‖v‖, the norm of each tap over all rows. */
function denormalised(lengths: Float32Array, directions: Float32Array): Float32Array {
  const taps = lengths.length;
  const squares = new Float64Array(taps);
  directions.forEach((value, i) => (squares[i % taps] = (squares[i % taps] ?? 0) + value * value));
  const factors = lengths.map((length, tap) => length / Math.sqrt(squares[tap] ?? 1));
  return directions.map((value, i) => value * (factors[i % taps] ?? 0));
}
