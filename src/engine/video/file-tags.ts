/** What a file of ours says about itself, whatever its format. A stranger's file gives what it has, or a typed error. */
import { EngineError } from '../gpu/errors.ts';
import { readGifMarks } from './gif-marks.ts';
import { readMp4Tags } from './mp4-metadata.ts';
import { readPngTexts } from './png-text.ts';
import { readWebmTags } from './webm-tags.ts';

const starts = (file: Uint8Array, at: number, text: string): boolean =>
  Array.from(text).every((letter, i) => file[at + i] === letter.charCodeAt(0));

/**
 * Returns the text in which a file keeps its settings, undefined where it has none. Throws `video/unknown` for a file of
 * another format, `video/damaged` for one whose structure makes no sense.
 */
export function fileComment(file: Uint8Array): string | undefined {
  if (starts(file, 4, 'ftyp')) return readMp4Tags(file).get('comment');
  if (starts(file, 0, '\x1aE\xdf\xa3')) return readWebmTags(file).get('comment');
  if (starts(file, 0, 'GIF8'))
    return readGifMarks(file).comments.find((text) => text.startsWith('{'));
  if (starts(file, 0, '\x89PNG')) return readPngTexts(file).get('Comment');
  throw new EngineError(
    'video/unknown',
    'file — got one of another format, needs an MP4, WebM, GIF or PNG — choose another',
  );
}
