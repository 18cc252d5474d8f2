/**
 * SHA-256 over bytes that come piece by piece, with a state that can be kept and taken up again. Browsers hash whole
 * buffers only; files of many gigabytes need this. FIPS 180-4, section 6.2.
 */

const STATE_WORDS = 8;
const BLOCK = 64;

/** The first 32 bits of the fractional parts of the cube (K) and square (H) roots of the first primes. */
const K = new Int32Array(64);
const H = new Int32Array(STATE_WORDS);
{
  const fraction = (x: number): number => ((x - Math.floor(x)) * 2 ** 32) | 0;
  let found = 0;
  for (let n = 2; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    if (found < STATE_WORDS) H[found] = fraction(Math.sqrt(n));
    K[found++] = fraction(Math.cbrt(n));
  }
}

/** A hash under way. */
export class Sha256 {
  readonly #state = Int32Array.from(H);
  readonly #rest = new Uint8Array(BLOCK);
  readonly #words = new Int32Array(64);
  #restBytes = 0;
  #bytes = 0;

  /** Takes up a hash where `save` left it. */
  static resume(saved: Uint8Array, bytes: number): Sha256 {
    const hash = new Sha256();
    const view = new DataView(saved.buffer, saved.byteOffset, saved.byteLength);
    for (let i = 0; i < STATE_WORDS; i++) hash.#state[i] = view.getInt32(4 * i);
    hash.#bytes = bytes;
    return hash;
  }

  /** Bytes hashed so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the 32 bytes to resume from; undefined unless a whole number of 64-byte blocks was hashed. */
  save(): Uint8Array<ArrayBuffer> | undefined {
    return this.#restBytes === 0 ? this.#stateBytes() : undefined;
  }

  update(bytes: Uint8Array): this {
    this.#bytes += bytes.byteLength;
    let at = 0;
    if (this.#restBytes > 0) {
      at = Math.min(BLOCK - this.#restBytes, bytes.byteLength);
      this.#rest.set(bytes.subarray(0, at), this.#restBytes);
      this.#restBytes += at;
      if (this.#restBytes < BLOCK) return this;
      this.#blocks(this.#rest, 0, BLOCK);
      this.#restBytes = 0;
    }
    const whole = at + Math.floor((bytes.byteLength - at) / BLOCK) * BLOCK;
    this.#blocks(bytes, at, whole);
    this.#rest.set(bytes.subarray(whole));
    this.#restBytes = bytes.byteLength - whole;
    return this;
  }

  /** Returns the hash, 32 bytes. Nothing can be added afterwards. */
  digest(): Uint8Array<ArrayBuffer> {
    const length = this.#bytes;
    const zeros = (2 * BLOCK - 9 - (length % BLOCK)) % BLOCK;
    const tail = new Uint8Array(1 + zeros + 8);
    tail[0] = 0x80;
    new DataView(tail.buffer).setBigUint64(1 + zeros, BigInt(length) * 8n);
    this.update(tail);
    return this.#stateBytes();
  }

  #stateBytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(4 * STATE_WORDS);
    const view = new DataView(bytes.buffer);
    this.#state.forEach((word, i) => view.setInt32(4 * i, word));
    return bytes;
  }

  #blocks(bytes: Uint8Array, start: number, end: number): void {
    const w = this.#words;
    const state = this.#state;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // One by one: what is taken apart as a list counts as any value to V8, and all sums take twice the time.
    let h0 = state[0] ?? 0;
    let h1 = state[1] ?? 0;
    let h2 = state[2] ?? 0;
    let h3 = state[3] ?? 0;
    let h4 = state[4] ?? 0;
    let h5 = state[5] ?? 0;
    let h6 = state[6] ?? 0;
    let h7 = state[7] ?? 0;
    for (let at = start; at < end; at += BLOCK) {
      for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + 4 * i);
      for (let i = 16; i < 64; i++) {
        const x = w[i - 15] ?? 0;
        const y = w[i - 2] ?? 0;
        const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
        const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
        w[i] = ((w[i - 16] ?? 0) + s0 + (w[i - 7] ?? 0) + s1) | 0;
      }
      let a = h0;
      let b = h1;
      let c = h2;
      let d = h3;
      let e = h4;
      let f = h5;
      let g = h6;
      let h = h7;
      for (let i = 0; i < 64; i++) {
        const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (K[i] ?? 0) + (w[i] ?? 0)) | 0;
        const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g;
        g = f;
        f = e;
        e = (d + t1) | 0;
        d = c;
        c = b;
        b = a;
        a = (t1 + t2) | 0;
      }
      h0 = (h0 + a) | 0;
      h1 = (h1 + b) | 0;
      h2 = (h2 + c) | 0;
      h3 = (h3 + d) | 0;
      h4 = (h4 + e) | 0;
      h5 = (h5 + f) | 0;
      h6 = (h6 + g) | 0;
      h7 = (h7 + h) | 0;
    }
    state.set([h0, h1, h2, h3, h4, h5, h6, h7]);
  }
}

/** Returns bytes as lower-case hexadecimal digits. */
export const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
