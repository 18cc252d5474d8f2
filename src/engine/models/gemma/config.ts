/** Sizes of the Gemma 2 and 3 text models, from a Hugging Face config.json. */
import { EngineError } from '../../gpu/errors.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';

/** How a layer sees and turns its tokens. */
export type GemmaLayer = {
  /** How many tokens back a query sees, itself among them; undefined: all. */
  readonly window: number | undefined;
  readonly theta: number;
  /** Positions are divided by this. */
  readonly stretch: number;
};

export type GemmaConfig = {
  readonly vocabulary: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly ffnDim: number;
  readonly eps: number;
  /** Factor on q kᵀ. */
  readonly scale: number;
  /** Scores s become cap · tanh(s / cap); undefined: as they are. */
  readonly softCap: number | undefined;
  /** Factor on the rows of the embedding table. */
  readonly embeddingScale: number;
  /** Whether queries and keys are normalised, as in Gemma 3. */
  readonly qkNorm: boolean;
  readonly layers: readonly GemmaLayer[];
};

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** What Gemma 3 4B's file leaves to the class. */
const GEMMA3 = { heads: 8, kvHeads: 4, headDim: 256, vocabulary: 262_208 };
const GEMMA2 = { heads: 8, kvHeads: 4, headDim: 256, vocabulary: 256_000 };

/** Returns the sizes in a config.json, of the text model alone or of one that also sees. Throws `weights/config`. */
export function parseGemmaConfig(file: Config): GemmaConfig {
  const config = isObject(file['text_config']) ? file['text_config'] : file;
  const second = isSecond(config, file);
  const usual = second ? GEMMA2 : GEMMA3;
  const headDim = numberIn(config, 'head_dim', usual.headDim);
  const width = numberIn(config, 'hidden_size');
  const cap = config['attn_logit_softcapping'];
  const scalar = numberIn(config, 'query_pre_attn_scalar', 256);
  return {
    vocabulary: numberIn(config, 'vocab_size', usual.vocabulary),
    width,
    heads: numberIn(config, 'num_attention_heads', usual.heads),
    kvHeads: numberIn(config, 'num_key_value_heads', usual.kvHeads),
    headDim,
    ffnDim: numberIn(config, 'intermediate_size'),
    eps: numberIn(config, 'rms_norm_eps', 1e-6),
    scale: 1 / Math.sqrt(scalar),
    softCap: typeof cap === 'number' ? cap : undefined,
    embeddingScale: numberIn(config, 'embed_scale', embeddingScale(width, config, file)),
    qkNorm: !second,
    layers: layersIn(config, second),
  };
}

/** Gemma 2 or 3; files and classes say which. */
function isSecond(config: Json, file: Json): boolean {
  const kinds = [config['model_type'], file['model_type'], config['class_name']];
  const kind = kinds.find((name) => typeof name === 'string') ?? '';
  if (/gemma_?3/i.test(kind)) return false;
  if (/gemma_?2/i.test(kind)) return true;
  return 'final_logit_softcapping' in config && config['final_logit_softcapping'] !== null;
}

/** √width, rounded to 8 bits where the model runs in bf16: 50.5 for a width of 2560. */
function embeddingScale(width: number, config: Json, file: Json): number {
  const types = [config['torch_dtype'], config['dtype'], file['torch_dtype'], file['dtype']];
  const root = Math.sqrt(width);
  if (!types.includes('bfloat16')) return root;
  const unit = 2 ** (Math.floor(Math.log2(root)) - 7);
  return Math.round(root / unit) * unit;
}

function layersIn(config: Json, second: boolean): GemmaLayer[] {
  const count = numberIn(config, 'num_hidden_layers');
  const pattern = numberIn(config, 'sliding_window_pattern', second ? 2 : 6);
  const types = config['layer_types'];
  const slides = (i: number): boolean =>
    Array.isArray(types) ? types[i] === 'sliding_attention' : (i + 1) % pattern !== 0;
  const window = numberIn(config, 'sliding_window', second ? 4096 : 1024);
  const local = rotation(config, 'sliding_attention', second);
  const global = rotation(config, 'full_attention', second);
  return Array.from({ length: count }, (_, i) =>
    slides(i) ? { window, ...local } : { window: undefined, ...global },
  );
}

type Kind = 'sliding_attention' | 'full_attention';

/** Base and stretch of one kind of layer, in the three ways in which files state them. */
function rotation(
  config: Json,
  kind: Kind,
  second: boolean,
): Pick<GemmaLayer, 'theta' | 'stretch'> {
  const stated = config['rope'] ?? config['rope_parameters'];
  const own = isObject(stated) ? (isObject(stated[kind]) ? stated[kind] : stated) : {};
  const old = isObject(config['rope_scaling']) ? config['rope_scaling'] : {};
  const local = kind === 'sliding_attention' && !second;
  const fallback = local
    ? numberIn(config, 'rope_local_base_freq', 10_000)
    : numberIn(config, 'rope_theta', second ? 10_000 : 1_000_000);
  const rope = isObject(stated) ? own : local ? {} : old;
  const type = rope['rope_type'] ?? 'default';
  if (type !== 'default' && type !== 'linear') {
    throw new EngineError(
      'weights/config',
      `config.json — got ${String(type)} for rope_type, needs default or linear — use the model's own file`,
    );
  }
  return {
    theta: numberIn(own, 'rope_theta', fallback),
    stretch: type === 'linear' ? numberIn(rope, 'factor') : 1,
  };
}
