/** What was read of each part of a model, and when: the loading of a run that reports no such thing itself. */
import type { ByteSource } from '../../src/engine/weights/byte-source.ts';
import type { ModelFiles } from '../../src/engine/weights/model-files.ts';
import { storedPacks } from '../../src/engine/weights/packs.ts';
import type { Packs } from '../../src/engine/weights/packs.ts';
import type { Store } from '../../src/engine/weights/store.ts';

/** Reading of one part from one place. */
export type Reading = {
  readonly part: string;
  readonly from: 'files' | 'storage';
  /** Stage of the run that needed it. */
  readonly stage: string;
  readonly bytes: number;
  /** From the first read to the last, without pauses of half a second and more: shaders compile then, or weights are kept. */
  readonly readMs: number;
  /** Time spent on keeping quantised weights for the next start. */
  readonly keepMs: number;
  readonly keptBytes: number;
};

type Tally = { -readonly [K in keyof Reading]: Reading[K] } & {
  /** When the last read ended. */
  until: number;
};

const PAUSE_MS = 500;

/** Headers are read when a model is opened; weights come in pieces that are larger. */
const HEADER_BYTES = 2 ** 20;

/** Counts what passes. */
export class Reads {
  readonly #tallies: Tally[] = [];
  /** Stage that runs. */
  stage = '';

  get all(): readonly Reading[] {
    return this.#tallies;
  }

  /** Returns `files`, counted; quantised weights are kept in `store` under names that begin with `key`. */
  files(files: ModelFiles, store: Store | undefined, key: string): ModelFiles {
    return {
      ...(files.paths && { paths: files.paths }),
      open: async (path) => {
        const source = await files.open(path);
        return source && this.#counted(source, path.split('/')[0] ?? '', 'files');
      },
      ...(store && { packs: (part: string) => this.#packs(store, part, key) }),
    };
  }

  #packs(store: Store, part: string, key: string): Packs {
    // The text encoder is the same in all models.
    const name = part === 'text_encoder' ? part : `${key}/${part}`;
    const packs = storedPacks(store, name, (error) => {
      throw error instanceof Error ? error : new Error(String(error));
    });
    return {
      ...packs,
      open: async (pack) => {
        const source = await packs.open(pack);
        return source && this.#counted(source, part, 'storage');
      },
      keep: async (pack, size, pieces) => {
        const begun = performance.now();
        await packs.keep(pack, size, pieces);
        const tally = this.#tally(part, 'files', begun);
        tally.keepMs += performance.now() - begun;
        tally.keptBytes += size;
      },
    };
  }

  #counted(source: ByteSource, part: string, from: Reading['from']): ByteSource {
    return {
      size: source.size,
      read: async (start, end, memory) => {
        const begun = performance.now();
        const bytes = await source.read(start, end, memory);
        if (end - start < HEADER_BYTES && end < HEADER_BYTES) return bytes;
        const tally = this.#tally(part, from, begun);
        tally.bytes += end - start;
        const now = performance.now();
        tally.readMs += now - (begun - tally.until > PAUSE_MS ? begun : tally.until);
        tally.until = now;
        return bytes;
      },
    };
  }

  #tally(part: string, from: Reading['from'], begun: number): Tally {
    const { stage } = this;
    const known = this.#tallies.find(
      (each) => each.part === part && each.from === from && each.stage === stage,
    );
    if (known) return known;
    const tally: Tally = {
      ...{ part, from, stage, until: begun, bytes: 0, readMs: 0 },
      ...{ keepMs: 0, keptBytes: 0 },
    };
    this.#tallies.push(tally);
    return tally;
  }
}
