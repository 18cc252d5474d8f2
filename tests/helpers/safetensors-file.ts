/** Builds safetensors files byte by byte, right and wrong ones, without the engine's own writer. */

export type Entry = {
  readonly dtype?: unknown;
  readonly shape?: unknown;
  readonly data_offsets?: unknown;
};

/** Returns a file with the given header text or bytes and `dataBytes` bytes of data 0, 1, 2, … */
export function rawFile(header: string | Uint8Array, dataBytes = 0, length?: bigint): Uint8Array {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + json.byteLength + dataBytes);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(json.byteLength), true);
  file.set(json, 8);
  for (let i = 0; i < dataBytes; i++) file[8 + json.byteLength + i] = i;
  return file;
}

/** Returns a file with the given entries. */
export const fileOf = (entries: Record<string, unknown>, dataBytes = 0): Uint8Array =>
  rawFile(JSON.stringify(entries), dataBytes);
