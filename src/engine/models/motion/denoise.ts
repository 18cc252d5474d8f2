/** From a picture to a field: encoder and DiT, denoising on the device from its own state. */
import type { DeviceTensor } from '../../gpu/tensor.ts';
import { createTensor, writeTensor } from '../../gpu/tensor.ts';
import { Graph } from '../../graph/graph.ts';
import type { GraphOptions, Tensor } from '../../graph/graph.ts';
import { schedulerStep } from '../../graph/ops/scheduler.ts';
import { tableRow } from '../../graph/ops/table.ts';
import type { Recording } from '../../graph/record.ts';
import { timestepSinusoid } from '../../kernels/rope.ts';
import { Scope } from '../../nn/module.ts';
import { flowEulerSteps } from '../../sampling/flow-euler.ts';
import type { Sampler } from '../../sampling/sampler.ts';
import type { SamplerState } from '../../sampling/state.ts';
import type { Raster } from '../../image/resize.ts';
import { borrowContext, keepContext, wanContext } from '../wan/context.ts';
import { wanTransformer } from '../wan/dit.ts';
import type { MotionConfig } from './config.ts';
import { CONDITION_CHANNELS } from './config.ts';
import { CONTROL_ROWS } from './field.ts';
import { atEveryKey, pictureEncoder, transformerConfig } from './model.ts';

/** Returns Euler's method over the noise levels shift(1 − i/steps), the timestep 1000 σ being a fraction. */
export function motionSampler({ sampler }: MotionConfig, steps = sampler.steps): Sampler {
  const { shift } = sampler;
  const levels = Array.from({ length: steps + 1 }, (_, i) => {
    const even = 1 - i / steps;
    return (shift * even) / (1 + (shift - 1) * even);
  });
  const schedule = { sigmas: levels, timesteps: levels.slice(0, steps).map((s) => 1000 * s) };
  return { ...schedule, steps: flowEulerSteps(schedule) };
}

/** What the network is given, the same at every step; it lives on the device and outside the graphs. */
export class ConditionState {
  /** The working picture [8 h, 8 w, 3] in −1 … 1. */
  readonly picture: DeviceTensor;
  /** Camera, flag and time at every cell [keys, h, w, 5]. */
  readonly channels: DeviceTensor;
  /** Control tokens [4, 32]. */
  readonly controls: DeviceTensor;

  constructor(
    device: GPUDevice,
    working: Raster,
    channels: { readonly values: Float32Array; readonly shape: readonly [number, number, number] },
    controls: Float32Array,
  ) {
    const make = (label: string, shape: readonly number[], values: Float32Array): DeviceTensor => {
      const tensor = createTensor(device, `condition/${label}`, shape);
      writeTensor(device, tensor, values);
      return tensor;
    };
    this.picture = make('picture', [working.height, working.width, 3], working.data);
    this.channels = make('channels', [...channels.shape, CONDITION_CHANNELS], channels.values);
    this.controls = make('controls', [CONTROL_ROWS, controls.length / CONTROL_ROWS], controls);
  }

  destroy(): void {
    for (const { buffer } of [this.picture, this.channels, this.controls]) buffer.destroy();
  }
}

/**
 * Returns the graph of what stays the same over the steps: result `features` [keys, h, w, C], and the keys and values
 * of the control tokens for `stepGraph`.
 */
export function encodeGraph(
  config: MotionConfig,
  condition: ConditionState,
  options: GraphOptions,
): Graph {
  const graph = new Graph(options);
  const root = new Scope(graph);
  const encode = pictureEncoder(config)(root.child('encoder'));
  const attend = wanContext(transformerConfig(config))(root.child('transformer'));
  graph.result('features', atEveryKey(encode(graph.external(condition.picture)), config.keys));
  keepContext(graph, attend({ text: graph.external(condition.controls) }));
  return graph;
}

/** Returns the graph of one step: network, solver and counter, all on the device; `encoded` is the other graph's. */
export function stepGraph(
  config: MotionConfig,
  condition: ConditionState,
  encoded: Recording,
  state: SamplerState,
  options: GraphOptions,
): Graph {
  const graph = new Graph(options);
  const wan = transformerConfig(config);
  const tensors = state.in(graph);
  const network = wanTransformer(wan)(new Scope(graph, 'transformer'));
  const velocity = network({
    latents: [
      tensors.x,
      graph.external(condition.channels),
      graph.external(encoded.result('features')),
    ],
    time: tableRow(sinusoids(graph, state.sampler, wan.freqDim), tensors.step),
    rowsPerGroup: tensors.x.shape.reduce((a, b) => a * b, 1), // one timestep for all
    context: borrowContext(graph, wan, (name) => encoded.result(name)),
  });
  graph.result('velocity', velocity);
  schedulerStep(tensors, velocity, undefined, tensors.coefficients, tensors.step);
  return graph;
}

/** The sinusoids of all timesteps [steps, 1, width]. */
function sinusoids(graph: Graph, { timesteps }: Sampler, width: number): Tensor {
  const rows = timesteps.flatMap((t) => [...timestepSinusoid(t, width)]);
  return graph.constant('timesteps', rows, [timesteps.length, 1, width]);
}
