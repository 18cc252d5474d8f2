/** Whether files are those of a Wan model: every name and shape of every part, from the headers alone. */
import { EngineError } from '../../gpu/errors.ts';
import type { Capabilities } from '../../gpu/device.ts';
import { paperGpu } from '../../gpu/paper.ts';
import { checkpointWeights, Graph } from '../../graph/graph.ts';
import { Histories } from '../../nn/histories.ts';
import { Scope } from '../../nn/module.ts';
import { checkShapes } from '../../weights/upload.ts';
import type { WeightStore } from '../../weights/weight-store.ts';
import type { Config } from '../config-json.ts';
import { clipVision, parseClipConfig } from './clip-vision.ts';
import type { ComponentName, ComponentSource } from './components.ts';
import type { Checkpoint } from './config.ts';
import { parseWanConfig } from './config.ts';
import { wanContext } from './context.ts';
import { wanTransformer } from './dit.ts';
import { renameWan } from './names-dit.ts';
import { renameClip, renameUmt5 } from './names-encoders.ts';
import { parseUmt5Config, umt5Encoder } from './umt5.ts';
import { readVaeConfig } from './vae-config.ts';
import { vaeDecoder } from './vae-decoder.ts';
import { vaeEncoder } from './vae-encoder.ts';
import { renameVae } from './vae-names.ts';

/**
 * Resolves when every part of a model has all tensors, in the right shapes. Reads headers only. Throws
 * `weights/missing` with the first five that are not there, `weights/shape`, `weights/config`, and what opening files
 * throws.
 */
export async function checkWan(source: ComponentSource, caps: Capabilities): Promise<void> {
  for (const name of ['transformer', 'vae', 'text_encoder'] as const) {
    if (!source.has(name)) {
      throw new EngineError(
        'weights/missing',
        `model — got a folder without ${name}/, needs transformer, vae and text_encoder — choose a complete one`,
      );
    }
  }
  const parts: readonly ComponentName[] = [
    ...(['transformer', 'transformer_2', 'vae', 'text_encoder', 'image_encoder'] as const),
  ];
  for (const part of parts) if (source.has(part)) await checkPart(source, part, caps);
}

async function checkPart(
  source: ComponentSource,
  part: ComponentName,
  caps: Capabilities,
): Promise<void> {
  const store = await openPart(source, part);
  const graph = partGraph(part, await source.config(part), caps, store);
  store.checkAllPresent(checkpointWeights(graph).keys());
  checkShapes(graph, store);
}

/**
 * Returns a graph with the weights of a part and nothing else: their names and shapes as `checkpointWeights` lists them,
 * but for the tables that are read row by row. Throws `weights/config`.
 */
export function partGraph(
  part: ComponentName,
  config: Config,
  caps: Capabilities,
  checkpoint?: Checkpoint,
): Graph {
  const graph = new Graph({ precision: 'f32' });
  const root = new Scope(graph);
  switch (part) {
    case 'transformer':
    case 'transformer_2': {
      const wan = parseWanConfig(config, checkpoint);
      wanContext(wan)(root);
      wanTransformer(wan)(root);
      break;
    }
    case 'text_encoder':
      umt5Encoder(parseUmt5Config(config))(root);
      break;
    case 'image_encoder':
      clipVision(parseClipConfig(config))(root);
      break;
    case 'vae': {
      const stream = new Histories(paperGpu(caps), 'f32').stream('first');
      const vae = readVaeConfig(config);
      vaeEncoder(vae, stream, () => undefined)(root);
      vaeDecoder(vae, stream, () => undefined)(root);
    }
  }
  return graph;
}

async function openPart(source: ComponentSource, part: ComponentName): Promise<WeightStore> {
  if (part === 'text_encoder') return source.weights(part, renameUmt5);
  if (part === 'vae')
    return source.weights(part, renameVae(readVaeConfig(await source.config(part))));
  if (part === 'image_encoder') {
    return source.weights(part, renameClip(parseClipConfig(await source.config(part)).width));
  }
  return source.weights(part, renameWan);
}
