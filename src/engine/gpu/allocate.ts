/** Device memory taken with the answer awaited: when there is no more, that is a typed error and nothing else is lost. */
import { EngineError } from './errors.ts';

/**
 * Resolves to what `make` made on the device. Throws `gpu/memory`, naming `what` and its bytes, when the device had no
 * memory for it; `make`'s buffers are then of no use and the caller's to destroy.
 */
export async function withinMemory<T>(
  device: GPUDevice,
  what: string,
  bytes: number,
  make: () => T,
): Promise<T> {
  device.pushErrorScope('out-of-memory');
  const made = make();
  const error = await device.popErrorScope();
  if (!error) return made;
  throw new EngineError(
    'gpu/memory',
    `${what} — needs ${bytes} bytes, which the device has not free — close other tabs, or use fewer bits a weight or a smaller video`,
    { stage: what, need: bytes, cause: error },
  );
}
