/** GGUF files opened over any byte source. Their tensors are then read like those of safetensors files. */
import type { ByteSource } from './byte-source.ts';
import { openCheckpoint } from './checkpoint-zip.ts';
import { parseGguf } from './gguf-header.ts';
import type { GgufHeader } from './gguf-header.ts';
import { openSafetensors } from './safetensors.ts';
import type { WeightFile } from './safetensors.ts';
import { HEADER_LIMITS } from './safetensors-header.ts';
import type { HeaderLimits } from './safetensors-header.ts';

/** Bytes that are read at first; as long as the header is longer, four times as many. */
const FIRST_BYTES = 1 << 16;

/** Returns the checked table of contents of a GGUF file. Throws what `parseGguf` throws. */
export async function openGguf(
  source: ByteSource,
  limits: HeaderLimits = HEADER_LIMITS,
): Promise<WeightFile & GgufHeader> {
  for (let length = FIRST_BYTES; ; length *= 4) {
    const bytes = await source.read(0, Math.min(length, source.size, limits.headerBytes));
    const header = parseGguf(bytes, source.size, limits);
    if (header) return { ...header, source };
  }
}

/**
 * Opens a file of any known format, told apart by its first bytes. Throws what `openSafetensors`, `openGguf` and
 * `openCheckpoint` throw.
 */
export async function openWeights(source: ByteSource): Promise<WeightFile> {
  const magic = new TextDecoder().decode(await source.read(0, Math.min(4, source.size)));
  if (magic === 'GGUF') return openGguf(source);
  return magic === 'PK\u0003\u0004' ? openCheckpoint(source) : openSafetensors(source);
}
