/** The NewBie pipeline: token ids and noise in, latents of every step and pictures out, by several solvers. */
import { EngineError } from '../../../src/engine/gpu/errors.ts';
import type { EncodedText } from '../../../src/engine/models/newbie/encode.ts';
import { TextCache } from '../../../src/engine/models/newbie/encode.ts';
import { paint } from '../../../src/engine/models/newbie/pipeline.ts';
import type {
  NewbieComponent,
  NewbieRequest,
  NewbieSolver,
  NewbieSource,
  TextIds,
} from '../../../src/engine/models/newbie/request.ts';
import { channelsFirst, channelsLast } from '../axes.ts';
import type { CaseContext, Checker, Output } from '../case.ts';
import { joined } from '../trajectory.ts';

type Json = Readonly<Record<string, unknown>>;

const settings = (config: Json): Json => (config['config'] as Json | undefined) ?? config;

/** Where the case's config holds that of a component. */
const CONFIGS: Readonly<Record<NewbieComponent, string>> = {
  transformer: 'transformer',
  text_encoder: 'gemma',
  clip_model: 'jina',
  vae: 'vae',
};

export const newbiePipeline: Checker = {
  matches: (_, io) => io.includes('in.gemma_ids') && io.includes('in.jina_ids'),
  async run(context) {
    const { io } = context;
    const [prompt, negativePrompt] = await readTexts(context);
    const noise = await io.read('in.noise');
    const [, channels = 1] = noise.shape;
    const texts = new TextCache();
    const outputs: Output[] = [];
    for (const run of settings(context.config)['runs'] as Json[]) {
      const name = String(run['name']);
      const latents = [noise.values];
      const encoded: EncodedText[] = [];
      const request = { ...requestOf(run, context), prompt, negativePrompt };
      const picture = await paint(
        context,
        sourceOf(context),
        { ...request, noise: channelsLast(noise.values, noise.shape) },
        {
          texts,
          onTrace: (trace) => {
            if (trace.stage === 'latent') latents.push(channelsFirst(trace.latent, channels));
            else encoded.push(...trace.texts);
          },
        },
      );
      const last = latents.at(-1) ?? noise.values;
      outputs.push(
        { name: `out.${name}.latent`, values: last, measure: 'latents' },
        { name: `out.${name}.image`, values: channelsFirst(picture.data, 3), measure: 'frames' },
      );
      if (!context.blocks) continue;
      outputs.push({ name: `mid.${name}.x`, values: joined(latents), measure: 'latents' });
      outputs.push(...(await textOutputs(context, encoded)));
    }
    return outputs;
  },
};

async function textOutputs(
  { io }: CaseContext,
  encoded: readonly EncodedText[],
): Promise<Output[]> {
  const [rows, pooled] = [await io.read('mid.cap_feats'), await io.read('mid.clip_text_pooled')];
  const at = (name: string, values: Float32Array, skipped: number): Output => ({
    ...{ name, values, skipped, measure: 'network' },
    defined: skipped + values.length,
  });
  return encoded.flatMap((text, i) => [
    at('mid.cap_feats', text.rows, (i * rows.values.length) / (rows.shape[0] ?? 1)),
    at('mid.clip_text_pooled', text.pooled, (i * pooled.values.length) / (pooled.shape[0] ?? 1)),
  ]);
}

/** The conditional text, then the unconditional one. */
async function readTexts({ io, config }: CaseContext): Promise<[TextIds, TextIds]> {
  const [ids, mask] = [await io.read('in.gemma_ids'), await io.read('in.gemma_mask')];
  const jina = await io.read('in.jina_ids');
  const pad = Number((settings(config)['jina'] as Json)['pad_token_id'] ?? 1);
  const text = (row: number): TextIds => {
    const part = ({ values, shape }: typeof ids): number[] => [
      ...values.subarray(row * (shape[1] ?? 1), (row + 1) * (shape[1] ?? 1)),
    ];
    const real = part(mask);
    return {
      gemma: part(ids).filter((_, i) => real[i] !== 0),
      jina: part(jina).filter((id) => id !== pad),
    };
  };
  return [text(0), text(1)];
}

const SOLVERS: Readonly<Record<string, NewbieSolver>> = {
  euler: 'euler',
  midpoint: 'midpoint',
  rk4: 'rk4',
  dpm: 'dpmpp',
};

type Settings = Omit<NewbieRequest, 'prompt' | 'negativePrompt' | 'noise'>;

function requestOf(run: Json, { config }: CaseContext): Settings {
  const solver = SOLVERS[String(run['method'])];
  if (!solver)
    throw new EngineError('verify/unknown', `method ${String(run['method'])} — not known`);
  const [h = 1, w = 1] = settings(config)['latent_hw'] as number[];
  const vae = settings(config)['vae'] as Json;
  const side = 2 ** ((vae['block_out_channels'] as number[]).length - 1);
  const points = Number(run['num_steps']);
  return {
    width: w * side,
    height: h * side,
    steps: solver === 'dpmpp' ? points : points - 1, // a grid of n points has n − 1 steps
    solver,
    shift: Number(run['shift']),
    guidance: Number(run['cfg_scale']),
    guideUntil: Number(run['cfg_trunc']),
    guidanceLimit: Number(run['renorm_cfg']),
  };
}

const sourceOf = ({ config, open }: CaseContext): NewbieSource => ({
  config: async (name) => settings(config)[CONFIGS[name]] as Json,
  weights: (name, rename) => open(name, rename),
});
