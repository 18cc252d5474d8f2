/** What a DDIM run keeps on the device: sample, data prediction, noise of the coming step, counter and coefficients. */
import type { DeviceTensor, Shape } from '../gpu/tensor.ts';
import { createTensor, readTensor, sizeOf, writeTensor } from '../gpu/tensor.ts';
import { EngineError } from '../gpu/errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { DdimTensors } from '../graph/ops/ddim.ts';
import type { Values } from './checkpoint.ts';
import { restoreTensors } from './checkpoint.ts';
import type { DdimSampler, Guidance } from './ddim.ts';
import { DDIM_COLUMNS, packDdim } from './ddim.ts';

/** The tensors of one DDIM run; they live outside any graph. */
export class DdimState {
  readonly sampler: DdimSampler;
  readonly x: DeviceTensor;
  readonly x0: DeviceTensor;
  readonly #device: GPUDevice;
  readonly #noise: DeviceTensor | undefined;
  readonly #coefficients: DeviceTensor;
  readonly #step: DeviceTensor;

  constructor(device: GPUDevice, sampler: DdimSampler, shape: Shape, guidance: Guidance) {
    const make = (name: string): DeviceTensor => createTensor(device, `ddim/${name}`, shape);
    const { steps } = sampler;
    this.#device = device;
    this.sampler = sampler;
    this.x = make('x');
    this.x0 = make('x0');
    this.#noise = steps.some(({ sigma }) => sigma > 0) ? make('noise') : undefined;
    this.#coefficients = createTensor(device, 'ddim/coefficients', [steps.length, DDIM_COLUMNS]);
    this.#step = createTensor(device, 'ddim/step', [1], 'u32');
    writeTensor(device, this.#coefficients, packDdim(sampler, guidance));
  }

  /** Whether steps add fresh noise, which `addNoise` must bring. */
  get noisy(): boolean {
    return this.#noise !== undefined;
  }

  /** Puts `noise` in place of the sample and the counter back to the first step. Throws `sampling/noise`. */
  start(noise: Float32Array): void {
    this.#check(noise);
    writeTensor(this.#device, this.x, noise);
    writeTensor(this.#device, this.#step, [0]);
  }

  /** What the last step took the clean sample to be. */
  get estimate(): DeviceTensor {
    return this.x0;
  }

  /** Resolves to all that a later run needs to go on from here, but for the step. */
  async save(): Promise<Values> {
    return {
      x: await readTensor(this.#device, this.x),
      x0: await readTensor(this.#device, this.x0),
    };
  }

  /** Puts saved values back, with `step` as the next one. Throws `sampling/checkpoint` for those of another run. */
  restore(values: Values, step: number): void {
    restoreTensors(this.#device, { x: this.x, x0: this.x0 }, values);
    writeTensor(this.#device, this.#step, [step]);
  }

  /** Puts the noise of the coming step in place; nothing at η = 0. Throws `sampling/noise`. */
  addNoise(noise: Float32Array): void {
    if (!this.#noise) return;
    this.#check(noise);
    writeTensor(this.#device, this.#noise, noise);
  }

  /** Returns the tensors as externals of `graph`. */
  in(graph: Graph): DdimTensors {
    return {
      x: graph.external(this.x),
      x0: graph.external(this.x0),
      noise: this.#noise && graph.external(this.#noise),
      coefficients: graph.external(this.#coefficients),
      step: graph.external(this.#step),
    };
  }

  destroy(): void {
    for (const tensor of [this.x, this.x0, this.#noise, this.#coefficients, this.#step])
      tensor?.buffer.destroy();
  }

  #check(noise: Float32Array): void {
    const need = sizeOf(this.x.shape);
    if (noise.length === need && noise.every(Number.isFinite)) return;
    throw new EngineError(
      'sampling/noise',
      `noise — got ${noise.length} values, needs ${need} finite ones for [${this.x.shape.join(', ')}]`,
      { have: noise.length, need },
    );
  }
}
