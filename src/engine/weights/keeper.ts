/** Weights that stay on the device from run to run: the ones used last, as far as a bound on their bytes allows. */
import type { Gpu } from '../gpu/device.ts';
import type { Graph, Precision, WeightPolicy } from '../graph/graph.ts';
import type { Feed, Recording } from '../graph/record.ts';
import type { DeviceTensor } from '../gpu/tensor.ts';
import type { WeightSource } from './upload.ts';
import { WeightSet } from './upload.ts';

/** Which weights: where they come from, and how they are stored. */
export type WeightChoice = {
  readonly source: WeightSource;
  readonly precision: Precision;
  readonly quantise?: WeightPolicy | undefined;
};

/** Weights in use. */
export type WeightLease = {
  /** Uploads what `graph` needs and is not there yet; throws what `WeightSet.load` throws. */
  load(graph: Graph): Promise<void>;
  get(key: string): DeviceTensor;
  /** What each replay of a recording needs beside it, where weights arrive while it runs. */
  feedFor?(recording: Pick<Recording, 'dispatches'>): () => Feed;
  /** Ends the use; the weights are freed unless a keeper holds on to them. */
  release(): void;
};

type Kept = WeightChoice & { readonly set: WeightSet; users: number };

/** Returns weights that are freed with their use. */
export function ownWeights(gpu: Gpu, source: WeightSource): WeightLease {
  const set = new WeightSet(gpu, source);
  return {
    load: (graph) => set.load(graph),
    get: (key) => set.get(key),
    release: () => set.destroy(),
  };
}

/** Holds the weights of several networks of one device. */
export class WeightKeeper {
  /** Most bytes of weights that stay when nobody uses them; may be changed between runs. */
  mostBytes: number;
  readonly #gpu: Gpu;
  /** Those used last come last. */
  #kept: Kept[] = [];

  constructor(gpu: Gpu, mostBytes: number) {
    this.#gpu = gpu;
    this.mostBytes = mostBytes;
  }

  /** Bytes on the device, in use or not. */
  get bytes(): number {
    return this.#kept.reduce((sum, { set }) => sum + set.bytes, 0);
  }

  /** Returns the weights of `choice`, those that are still there among them. */
  borrow({ source, precision, quantise }: WeightChoice): WeightLease {
    const known = this.#kept.find(
      (kept) =>
        kept.source === source && kept.precision === precision && kept.quantise === quantise,
    );
    const set = known?.set ?? new WeightSet(this.#gpu, source);
    const kept: Kept = known ?? { source, precision, quantise, set, users: 0 };
    kept.users++;
    this.#kept = [...this.#kept.filter((other) => other !== kept), kept];
    let whole = true;
    return {
      load: async (graph) => {
        whole = false;
        await set.load(graph);
        whole = true;
      },
      get: (key) => set.get(key),
      release: () => {
        kept.users--;
        if (!whole) this.#drop(kept);
        this.trim(this.mostBytes);
      },
    };
  }

  /** Frees weights that nobody uses, the ones used longest ago first, until at most `bytes` are left. */
  trim(bytes: number): void {
    for (const kept of this.#kept) {
      if (this.bytes <= bytes) return;
      if (kept.users === 0) this.#drop(kept);
    }
  }

  #drop(kept: Kept): void {
    this.#kept = this.#kept.filter((other) => other !== kept);
    kept.set.destroy();
  }
}
