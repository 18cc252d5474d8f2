/** Live Avatar's table on the page of figures, from all reports that have rows of it. */
import { STAGES } from './avatar.mjs';
import { markdownTable, number } from './table.mjs';

/** @typedef {import('./avatar.mjs').AvatarReport} AvatarReport */

/**
 * Returns the part of the page; nothing where no report has figures.
 * @param {readonly { readonly about: string, readonly avatar: AvatarReport }[]} reports each with where it comes from
 */
export function avatarPart(reports) {
  const rows = reports.flatMap(({ avatar }) => avatar.rows);
  // A row that was measured again takes the place of the earlier one.
  const latest = new Map(rows.flatMap((row) => (row.result ? [[row.name, row]] : [])));
  if (latest.size === 0) return [];
  const lines = [...latest.values()].toSorted(inOrder).flatMap(({ weights, kv, steps, result }) => {
    if (!result) return [];
    const [width, height] = result.size;
    const { secondsPerBlock, framesPerSecond, peakBytes, startSeconds, stages } = result;
    return [
      [
        ...[`${width}×${height}`, `${weights}, ${kv === 'int8' ? kv : 'f16'}`, `${steps}`],
        ...[number(secondsPerBlock), number(framesPerSecond), number(peakBytes / 1e9)],
        ...STAGES.map((stage) => number(stages[stage] ?? NaN)),
        number(startSeconds),
      ],
    ];
  });
  const [first] = reports;
  return [
    '## Live Avatar',
    `${first?.about ?? ''}, and likewise for the other rows. The whole pipeline with random weights of the released shapes, from sound to an MP4 with sound: blocks of twelve frames, 48 frames remembered, once the rings are full. The stages' milliseconds of a block are those of the device (sound, denoise, decode) and of the host (encode), from two further blocks in which every dispatch was timed; they overlap. "Start" is the time to the first frame with weights made on the device, shaders compiled and kernels timed.`,
    markdownTable(
      [
        ...['size', 'weights, keys', 'steps', 's a block', 'frames/s', 'peak GB'],
        ...[...STAGES.map((stage) => `${stage} ms`), 'start s'],
      ],
      lines,
    ),
  ];
}

/**
 * By size, storage and steps.
 * @param {import('./avatar.mjs').AvatarLine} a
 * @param {import('./avatar.mjs').AvatarLine} b
 */
const inOrder = (a, b) =>
  a.size[0] - b.size[0] ||
  b.weights.localeCompare(a.weights) ||
  b.kv.localeCompare(a.kv) ||
  a.steps - b.steps;
