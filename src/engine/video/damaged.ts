/** The error for files that break the rules of their format. */
import { EngineError } from '../gpu/errors.ts';

/** Returns what makes the error of a `format`; `have` says what was found. */
export const damaged =
  (format: 'MP4' | 'WebM' | 'GIF' | 'PNG') =>
  (have: string): EngineError =>
    new EngineError(
      'video/damaged',
      `${format} file — got ${have}, needs a well-formed file — export it again`,
    );
