/** Parts of an opened model, each opened once: what the device keeps of a part is known by its store. */
import type { WeightStore } from '../../weights/weight-store.ts';
import type { WeightSource } from '../../weights/upload.ts';

/** What of a store the pipelines of clips use. */
export type ClipWeights = WeightSource & Pick<WeightStore, 'has' | 'readRows'>;

const opened = new WeakMap<object, Map<string, Promise<ClipWeights>>>();

/** Resolves to the store under `name` of `model`, the same one each time; `open` is called at first, and again after it failed. */
export function partOf(
  model: object,
  name: string,
  open: () => Promise<ClipWeights>,
): Promise<ClipWeights> {
  const parts = opened.get(model) ?? new Map<string, Promise<ClipWeights>>();
  opened.set(model, parts);
  const part =
    parts.get(name) ??
    open().catch((error: unknown) => {
      parts.delete(name);
      throw error;
    });
  parts.set(name, part);
  return part;
}
