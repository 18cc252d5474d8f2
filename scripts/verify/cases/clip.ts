/** The CLIP image encoder, up to its second last layer. */
import { createTensor, writeTensor } from '../../../src/engine/gpu/tensor.ts';
import { clipVision, parseClipConfig } from '../../../src/engine/models/wan/clip-vision.ts';
import type { Config } from '../../../src/engine/models/config-json.ts';
import { renameClip } from '../../../src/engine/models/wan/names-encoders.ts';
import { runOnce } from '../../../src/engine/nn/run-once.ts';
import type { CaseContext, Checker, Output } from '../case.ts';

export const clip: Checker = {
  matches: ({ image_encoder }, io) =>
    typeof image_encoder === 'object' && image_encoder !== null && io.includes('in.pixel_values'),
  async run(context) {
    const outputs: Output[] = [];
    for (const path of context.weightFiles) {
      const note = path === 'model' ? {} : { note: path };
      outputs.push(...(await encode(context, path)).map((output) => ({ ...output, ...note })));
    }
    return outputs;
  },
};

async function encode(context: CaseContext, path: string): Promise<Output[]> {
  const { io, gpu } = context;
  const config = parseClipConfig(context.config['image_encoder'] as Config);
  const store = await context.open(path, renameClip(config.width));
  const { values, shape } = await io.read('in.pixel_values');
  const [, C = 3, H = 1, W = 1] = shape;
  const pixels = Float32Array.from(
    { length: values.length },
    (_, i) => values[(i % C) * H * W + Math.floor(i / C)] ?? NaN,
  );
  const picture = createTensor(gpu.device, 'picture', [1, H, W, C]);
  writeTensor(gpu.device, picture, pixels);
  const run = (probe: boolean) =>
    runOnce(context, store, (root) => {
      const keep = probe ? root.graph.result.bind(root.graph) : undefined;
      root.graph.result(
        'penultimate',
        clipVision(config)(root)(root.graph.external(picture), keep),
      );
    });
  const { penultimate = new Float32Array() } = await run(false);
  const outputs: Output[] = [{ name: 'out.penultimate', values: penultimate, measure: 'network' }];
  if (!context.blocks) return outputs;
  const known = Object.entries(await run(true)).filter(([name]) => io.has(`mid.${name}`));
  return [
    ...outputs,
    ...known.map(([name, kept]): Output => ({
      name: `mid.${name}`,
      values: kept,
      measure: 'network',
    })),
  ];
}
