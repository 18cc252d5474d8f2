/** A finished video in another form: the whole of what the export's worker does, without the worker. */
import {
  createMp4Writer,
  EngineError,
  markedMp4,
  markedPng,
  readMp4Tags,
} from '../../engine/index.ts';
import type { VideoMarking, VideoWriter } from '../../engine/index.ts';
import type { StoredResult } from '../storage/history.ts';
import { FILE_TYPES } from './formats.ts';
import type { ExportedFile, ExportFormat, ExportOptions } from './formats.ts';
import { frameOrder, framesOf } from './frame-source.ts';
import type { FrameSource } from './frame-source.ts';
import type { ExportPlan, Made } from './plan.ts';
import { visibleMarker } from './visible-mark.ts';

/** The program that files name where the video itself names none. */
const PROGRAM = 'Zoetrope';

/**
 * Resolves to a stored video as a file to save; `sound`, mono at 48 kHz, is written where frames are encoded again. Throws `video/no-encoder`, `video/decode`, `video/damaged`, and
 * `output/format` for a format that a picture has not.
 */
export async function makeFile(
  result: StoredResult,
  format: ExportFormat,
  options: ExportOptions,
  onProgress: (done: number) => void,
  sound?: Float32Array,
): Promise<ExportedFile> {
  const { facts, video } = result;
  const marking = await markingOf(result, options);
  if (facts.type === 'image/png') return pictureFile(result, format, marking);
  const { pingPong = false, visibleMark } = options;
  const named = { name: `${stemOf(facts.createdAt)}.${FILE_TYPES[format].ending}`, fps: facts.fps };
  if (format === 'mp4' && !pingPong && visibleMark === undefined) {
    const file = await markedMp4(new Uint8Array(await video.arrayBuffer()), marking);
    const { width, height, frames, codec } = facts;
    return { ...named, ...{ width, height, frames, codec }, blob: typed(file, 'mp4') };
  }
  const source = marked(await framesOf(result), visibleMark);
  const order = frameOrder(source.count, pingPong);
  const { content, codec } = await MAKERS[format]({ source, order, marking, sound, onProgress });
  const { width, height } = source;
  return {
    ...{ ...named, width, height, frames: order.length, blob: typed(content, format) },
    ...(codec !== undefined && { codec }),
  };
}

const typed = (content: BlobPart, format: ExportFormat): Blob =>
  new Blob([content], { type: FILE_TYPES[format].type });

/** Year, month, day and time of day, as files sort by them. */
function stemOf(createdAt: number): string {
  const date = new Date(createdAt);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `zoetrope-${day}-${two(date.getHours())}${two(date.getMinutes())}${two(date.getSeconds())}`;
}

async function markingOf({ facts, video }: StoredResult, options: ExportOptions) {
  const isMp4 = facts.type === 'video/mp4';
  const tags = isMp4 ? readMp4Tags(new Uint8Array(await video.arrayBuffer())) : undefined;
  const tool = tags?.get('tool') ?? PROGRAM;
  const { includeSettings = true } = options;
  return { tool, ...(includeSettings && { settings: { model: facts.model, ...facts.settings } }) };
}

function marked(source: FrameSource, words: string | undefined): FrameSource {
  if (words === undefined) return source;
  const mark = visibleMarker(words, source.width, source.height);
  return {
    ...source,
    async frame(index) {
      const rgba = await source.frame(index);
      mark(rgba);
      return rgba;
    },
  };
}

async function pictureFile(
  { facts, video }: StoredResult,
  format: ExportFormat,
  marking: VideoMarking,
): Promise<ExportedFile> {
  if (format !== 'png') {
    throw new EngineError('output/format', `picture — got ${format}, needs png — choose that`);
  }
  const file = await markedPng(new Uint8Array(await video.arrayBuffer()), marking);
  const { width, height } = facts;
  const name = `${stemOf(facts.createdAt)}.png`;
  const blob = new Blob([file], { type: 'image/png' });
  return { blob, name, width, height, frames: 1, fps: facts.fps, codec: 'png' };
}

/** Each format's maker; what is not always needed is loaded when it is. */
const MAKERS: Readonly<Record<ExportFormat, (plan: ExportPlan) => Promise<Made>>> = {
  mp4: async (plan) => written(await createMp4Writer(formatOf(plan)), plan),
  webm: async (plan) => {
    const { createWebmWriter } = await import('./webm.ts');
    return written(await createWebmWriter(formatOf(plan)), plan);
  },
  gif: async (plan) => (await import('./gif.ts')).makeGif(plan),
  png: async (plan) => (await import('./png-zip.ts')).makePngZip(plan),
};

const formatOf = ({ source: { width, height, fps }, marking, sound }: ExportPlan) => ({
  ...{ width, height, fps, marking, ...(sound && { sound: {} }) },
});

/** Hands all frames to a writer. */
async function written(
  writer: VideoWriter,
  { source, order, sound, onProgress }: ExportPlan,
): Promise<Made> {
  try {
    if (sound) await writer.addSound(sound);
    for (const [done, index] of order.entries()) {
      await writer.addFrame(await source.frame(index));
      onProgress((done + 1) / order.length);
    }
    return { content: new Blob([await writer.finish()]), codec: writer.codecString };
  } finally {
    writer.abort();
  }
}
