/**
 * Weights of which the device holds two blocks at a time, for networks that are larger than its memory: while one block is
 * computed, the next one takes the place of the one before. Each replay reads all of them again.
 */
import { withinMemory } from '../gpu/allocate.ts';
import type { Gpu } from '../gpu/device.ts';
import { EngineError } from '../gpu/errors.ts';
import type { DeviceTensor } from '../gpu/tensor.ts';
import { GPUUsage } from '../gpu/usage.ts';
import type { Graph, Tensor } from '../graph/graph.ts';
import type { Feed, Recording } from '../graph/record.ts';
import type { ByteSource } from './byte-source.ts';
import { Feeding, slotLoads } from './feeding.ts';
import type { WeightLease } from './keeper.ts';
import { packBytes, packName, packSpans } from './packs.ts';
import { checkShapes, WeightSet } from './upload.ts';
import { readBuffer } from './weight-memory.ts';
import type { WeightSource } from './weight-source.ts';
import { copiesOf, targetsOf, WeightWriter } from './weight-writer.ts';

/** Blocks on the device: one that is computed, one that arrives. */
const SLOTS = 2;

/** The number of the block in a weight's name. */
const BLOCK = /(?:^|\.)(?:blocks?|layers)\.(\d+)\./;

/** The block that a weight belongs to; undefined for those of none, and for stacks across several. */
function blockOf(label: string): number | undefined {
  const numbers = label.split(' + ').map((key) => BLOCK.exec(key)?.[1]);
  const [first] = numbers;
  return first !== undefined && numbers.every((each) => each === first) ? Number(first) : undefined;
}

/** A block: its weights, and where they lie in a slot and in the kept pack. */
type Block = { readonly tensors: readonly Tensor[]; readonly packAt: number };

/** What was laid out for one graph. */
type Layout = {
  readonly slots: readonly GPUBuffer[];
  readonly blocks: ReadonlyMap<number, Block>;
  readonly pack: ByteSource | undefined;
};

/** Weights of `source`, block by block; those outside of blocks stay on the device. */
export class StreamedWeights implements WeightLease {
  readonly #gpu: Gpu;
  readonly #source: WeightSource;
  readonly #resident: WeightSet;
  readonly #writer: WeightWriter;
  readonly #places = new Map<string, DeviceTensor>();
  readonly #layouts: Layout[] = [];

  constructor(gpu: Gpu, source: WeightSource) {
    this.#gpu = gpu;
    this.#source = source;
    this.#resident = new WeightSet(gpu, source);
    this.#writer = new WeightWriter(gpu, source);
  }

  /** Lays out the blocks of `graph` and uploads the rest. Throws what `WeightSet.load` throws. */
  async load(graph: Graph): Promise<void> {
    if (!this.#source.fill) checkShapes(graph, this.#source);
    const blocks = new Map<number, Tensor[]>();
    const resident: Tensor[] = [];
    for (const tensor of graph.weights.values()) {
      if (this.#places.has(tensor.label)) continue;
      const block = blockOf(tensor.label);
      if (block === undefined) resident.push(tensor);
      else blocks.set(block, [...(blocks.get(block) ?? []), tensor]);
    }
    await this.#resident.loadTensors(resident);
    if (this.#source.shapesAlone) {
      for (const tensor of graph.weights.values()) this.#writer.reserve(tensor);
    }
    if (blocks.size > 0) this.#layouts.push(await this.#layOut(blocks));
  }

  get(key: string): DeviceTensor {
    return this.#places.get(key) ?? this.#resident.get(key);
  }

  /** What each replay of a graph that was loaded needs beside it. */
  feedFor({ dispatches }: Pick<Recording, 'dispatches'>): () => Feed {
    const parts = this.#layouts.map((layout) => ({
      layout,
      loads: slotLoads(
        dispatches,
        (key) => {
          const block = blockOf(key);
          return block !== undefined && layout.blocks.has(block) ? block : undefined;
        },
        SLOTS,
      ),
    }));
    const steps = parts
      .flatMap(({ layout, loads }) =>
        loads.map(({ unit, slot, after, before }) => ({
          ...{ after, before },
          write: () => this.#write(layout, unit, slot),
        })),
      )
      .sort((a, b) => a.before - b.before);
    return () => new Feeding(steps);
  }

  release(): void {
    this.#writer.release();
    this.#resident.destroy();
    for (const { slots } of this.#layouts) for (const slot of slots) slot.destroy();
    this.#layouts.length = 0;
    this.#places.clear();
  }

  async #layOut(found: ReadonlyMap<number, readonly Tensor[]>): Promise<Layout> {
    const { device, caps } = this.#gpu;
    const size = Math.max(...[...found.values()].map(packBytes));
    if (size > caps.maxBufferBytes) {
      throw new EngineError(
        'gpu/limit',
        `block of ${size} bytes — this device allows ${caps.maxBufferBytes} — use weights of fewer bits`,
        { have: caps.maxBufferBytes, need: size },
      );
    }
    const usage = GPUUsage.storage | GPUUsage.copyDst | GPUUsage.copySrc;
    const slots = await withinMemory(device, 'weights of two blocks', SLOTS * size, () =>
      Array.from({ length: SLOTS }, (_, i) =>
        device.createBuffer({ label: `weights slot ${i}`, size, usage }),
      ),
    );
    const blocks = new Map<number, Block>();
    let packAt = 0;
    for (const [number, tensors] of found) {
      blocks.set(number, { tensors, packAt });
      packAt += packBytes(tensors);
      const spans = packSpans(tensors);
      const buffer = slots[number % SLOTS];
      for (const tensor of tensors.flatMap((each) => [each, each.graph.scales(each) ?? each])) {
        const { label, shape, dtype } = tensor;
        const offset = spans.get(label)?.start ?? 0;
        if (buffer) this.#places.set(label, { label, shape, dtype, buffer, offset });
      }
    }
    const bare = { slots, blocks, pack: undefined };
    return { ...bare, pack: await this.#packOf(bare, packAt) };
  }

  /** The blocks as they lie on the device, kept; made at the first time. Undefined where nothing is kept. */
  async #packOf(layout: Layout, size: number): Promise<ByteSource | undefined> {
    const { packs, fill, shapesAlone } = this.#source;
    const tensors = [...layout.blocks.values()].flatMap((block) => block.tensors);
    if (!packs || (fill && !shapesAlone)) return undefined;
    if (!tensors.some((tensor) => tensor.graph.scales(tensor))) return undefined;
    try {
      const name = `${await packName(tensors)}-blocks`;
      const known = await packs.open(name);
      if (known) return known;
      await packs.keep(name, size, this.#bake(layout));
      return await packs.open(name);
    } catch (error) {
      packs.onError(error);
      return undefined;
    }
  }

  /** Yields the bytes of every block, made on the device one after the other. */
  async *#bake(layout: Layout): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (const [number, { tensors }] of layout.blocks) {
      const slot = number % SLOTS;
      const buffer = layout.slots[slot];
      if (!buffer) continue;
      await this.#write(layout, number, slot);
      yield* readBuffer(this.#gpu.device, buffer, packBytes(tensors));
    }
  }

  async #write({ slots, blocks, pack }: Layout, number: number, slot: number): Promise<void> {
    const [block, buffer] = [blocks.get(number), slots[slot]];
    if (!block || !buffer) throw new EngineError('engine/assert', `no block ${number}`);
    const { tensors, packAt } = block;
    if (pack) {
      const end = packAt + packBytes(tensors);
      await this.#writer.copyAll(copiesOf(pack, packAt, end, { buffer, offset: 0 }));
    } else if (this.#source.fill) {
      const made = new Map(tensors.map((tensor) => [tensor.label, tensor]));
      await this.#source.fill?.(made, (key) => this.get(key));
    } else {
      const targets = tensors.flatMap((tensor) => {
        const scales = tensor.graph.scales(tensor);
        return targetsOf(tensor, this.get(tensor.label), scales && this.get(scales.label));
      });
      await this.#writer.writeAll(targets);
    }
  }
}
