/** What a sampler keeps on the device: the sample, its memory, the step counter and the table of coefficients. */
import { EngineError } from '../gpu/errors.ts';
import type { DeviceTensor, Shape } from '../gpu/tensor.ts';
import { createTensor, readTensor, writeTensor } from '../gpu/tensor.ts';
import type { Graph, Tensor } from '../graph/graph.ts';
import type { SamplerTensors } from '../graph/ops/scheduler.ts';
import { GUIDANCE_COLUMN } from '../kernels/scheduler-step.ts';
import type { Values } from './checkpoint.ts';
import { restoreTensors } from './checkpoint.ts';
import type { Sampler } from './sampler.ts';
import { FLOATS_PER_STEP, packSteps } from './sampler.ts';

export type SamplerExternals = SamplerTensors & {
  readonly coefficients: Tensor;
  readonly step: Tensor;
};

/** The tensors of one sampling run. They live outside any graph, so that several recordings can share them. */
export class SamplerState {
  readonly sampler: Sampler;
  /** The sample: noise at first, the result after the last step. */
  readonly x: DeviceTensor;
  readonly #device: GPUDevice;
  readonly #memory: Readonly<Record<'m1' | 'm2' | 'xbar', DeviceTensor>>;
  readonly #coefficients: DeviceTensor;
  readonly #step: DeviceTensor;

  /** `guidance` is the scale at each step; 1 everywhere without it. */
  constructor(
    device: GPUDevice,
    sampler: Sampler,
    shape: Shape,
    guidance: (index: number) => number = () => 1,
  ) {
    const make = (name: string): DeviceTensor => createTensor(device, `sampler/${name}`, shape);
    const steps = sampler.steps.length;
    this.#device = device;
    this.sampler = sampler;
    this.x = make('x');
    this.#memory = { m1: make('m1'), m2: make('m2'), xbar: make('xbar') };
    this.#coefficients = createTensor(device, 'sampler/coefficients', [steps, FLOATS_PER_STEP]);
    this.#step = createTensor(device, 'sampler/step', [1], 'u32');
    const rows = packSteps(sampler.steps);
    for (let i = 0; i < steps; i++) rows[i * FLOATS_PER_STEP + GUIDANCE_COLUMN] = guidance(i);
    writeTensor(device, this.#coefficients, rows);
  }

  /** What the last step took the clean sample to be, for solvers that make such an estimate. */
  get estimate(): DeviceTensor {
    return this.#memory.m1;
  }

  /** Puts `noise` in place and the counter back to the first step. Throws `sampling/noise` for a wrong count or values that are not finite. */
  start(noise: Float32Array): void {
    const need = this.x.shape.reduce((a, b) => a * b, 1);
    if (noise.length !== need || !noise.every(Number.isFinite)) {
      throw new EngineError(
        'sampling/noise',
        `noise — got ${noise.length} values, needs ${need} finite ones for [${this.x.shape.join(', ')}]`,
        {
          have: noise.length,
          need,
        },
      );
    }
    writeTensor(this.#device, this.x, noise);
    writeTensor(this.#device, this.#step, [0]);
  }

  /** Puts the noise of the coming step in place, for samplers that renoise. */
  renoise(noise: Float32Array): void {
    writeTensor(this.#device, this.#memory.xbar, noise);
  }

  /** Resolves to all that a later run needs to go on from here, but for the step. */
  async save(): Promise<Values> {
    const values: Record<string, Float32Array> = {};
    for (const [name, tensor] of Object.entries({ x: this.x, ...this.#memory }))
      values[name] = await readTensor(this.#device, tensor); // one by one: each takes memory to read
    return values;
  }

  /** Puts saved values back, with `step` as the next one. Throws `sampling/checkpoint` for those of another run. */
  restore(values: Values, step: number): void {
    restoreTensors(this.#device, { x: this.x, ...this.#memory }, values);
    writeTensor(this.#device, this.#step, [step]);
  }

  /** Returns the tensors as externals of `graph`. */
  in(graph: Graph): SamplerExternals {
    const { m1, m2, xbar } = this.#memory;
    return {
      x: graph.external(this.x),
      m1: graph.external(m1),
      m2: graph.external(m2),
      xbar: graph.external(xbar),
      coefficients: graph.external(this.#coefficients),
      step: graph.external(this.#step),
    };
  }

  destroy(): void {
    for (const { buffer } of [
      this.x,
      ...Object.values(this.#memory),
      this.#coefficients,
      this.#step,
    ])
      buffer.destroy();
  }
}
