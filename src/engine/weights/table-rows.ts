/** Rows of a table that is never held as a whole: embeddings of a few hundred tokens out of a quarter of a million. */
import { EngineError } from '../gpu/errors.ts';
import type { RowSource } from './mapped.ts';

/** Ranges that are asked for at once; on the web each is a request. */
const AT_ONCE = 16;

/**
 * Resolves to the rows of `table` [vocabulary, width] for `ids`: [n, width]. Each different row is read once, no other is
 * read. Throws `text/token` for an id that the table does not have.
 */
export async function readTableRows(
  weights: RowSource,
  table: string,
  { vocabulary, width }: { readonly vocabulary: number; readonly width: number },
  ids: ArrayLike<number>,
): Promise<Float32Array> {
  const wanted = Array.from(ids);
  wanted.forEach((id, i) => {
    if (Number.isInteger(id) && id >= 0 && id < vocabulary) return;
    throw new EngineError('text/token', `token ${i} — got id ${id}, needs 0 to ${vocabulary - 1}`);
  });
  const different = [...new Set(wanted)].sort((a, b) => a - b);
  const read = new Map<number, Float32Array>();
  for (let first = 0; first < different.length; first += AT_ONCE) {
    const some = different.slice(first, first + AT_ONCE);
    await Promise.all(
      some.map(async (id) => read.set(id, await weights.readRows(table, id, id + 1))),
    );
  }
  const rows = new Float32Array(wanted.length * width);
  wanted.forEach((id, i) => rows.set(read.get(id) ?? [], i * width));
  return rows;
}
