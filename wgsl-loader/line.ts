/** A line of a shader's source, and errors that point at it. */

/** One line of source with the place it came from. */
export type Line = { readonly text: string; readonly file: string; readonly number: number };

/** Returns an `Error` that points at a line. */
export const errorAt = ({ file, number }: Line, message: string): Error =>
  new Error(`${file}:${number}: ${message}`);
