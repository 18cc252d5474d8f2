/** Texts turned into what the transformer reads: rows of Gemma and the pooled text of Jina, kept by their tokens. */
import type { Engine, RunOptions } from '../../nn/run-once.ts';
import { runOnce } from '../../nn/run-once.ts';
import { parseGemmaConfig } from '../gemma/config.ts';
import { gemmaEncoder } from '../gemma/gemma.ts';
import { gemmaWeights, readGemmaRows } from '../gemma/weights.ts';
import { parseJinaConfig } from '../jina/config.ts';
import { jinaEncoder, meanOfRows } from '../jina/jina.ts';
import { jinaWeights, readJinaRows } from '../jina/weights.ts';
import type { NewbieSource, TextIds } from './request.ts';

export type EncodedText = {
  /** Rows [n, width] of Gemma's second last hidden state. */
  readonly rows: Float32Array;
  /** Mean of the rows of Jina's last hidden state. */
  readonly pooled: Float32Array;
};

/** Texts that are kept: a session has few, and each is some megabytes. */
const KEPT = 16;

/** Encoded texts by the hash of their tokens, the latest of them; belongs to one set of encoders. */
export class TextCache {
  readonly #texts = new Map<string, EncodedText>();

  /** Resolves to what stands for `ids`, from `encode` when it is new. */
  async get(ids: TextIds, encode: () => Promise<EncodedText>): Promise<EncodedText> {
    const key = await hashOf(ids);
    const text = this.#texts.get(key) ?? (await encode());
    this.#texts.delete(key);
    this.#texts.set(key, text);
    const [oldest] = this.#texts.keys();
    if (this.#texts.size > KEPT && oldest !== undefined) this.#texts.delete(oldest);
    return text;
  }
}

async function hashOf({ gemma, jina }: TextIds): Promise<string> {
  const words = Int32Array.from([gemma.length, ...gemma, ...jina]);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', words));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Resolves to one text, encoded; the encoders' weights are freed again. Throws `text/token`. */
export async function encodeText(
  engine: Engine,
  source: NewbieSource,
  { gemma, jina }: TextIds,
  options: RunOptions = {},
): Promise<EncodedText> {
  const half = (first: number): RunOptions => ({
    ...options,
    onProgress: (done) => options.onProgress?.((first + done) / 2),
  });
  return {
    rows: await gemmaRows(engine, source, gemma, half(0)),
    pooled: await jinaPooled(engine, source, jina, half(1)),
  };
}

async function gemmaRows(
  engine: Engine,
  source: NewbieSource,
  ids: readonly number[],
  options: RunOptions,
): Promise<Float32Array> {
  const config = parseGemmaConfig(await source.config('text_encoder'));
  const weights = gemmaWeights(await source.weights('text_encoder'), config);
  const embeddings = await readGemmaRows(weights, config, ids);
  const encoder = gemmaEncoder(config, { layers: config.layers.length - 1, finalNorm: false });
  const build = (root: Parameters<typeof encoder>[0]): void =>
    root.graph.result('rows', encoder(root)(embeddings));
  return (await runOnce(engine, weights, build, options))['rows'] ?? new Float32Array();
}

async function jinaPooled(
  engine: Engine,
  source: NewbieSource,
  ids: readonly number[],
  options: RunOptions,
): Promise<Float32Array> {
  const config = parseJinaConfig(await source.config('clip_model'));
  const weights = jinaWeights(await source.weights('clip_model'), config);
  const embeddings = await readJinaRows(weights, config, ids);
  const encoder = jinaEncoder(config);
  const build = (root: Parameters<typeof encoder>[0]): void =>
    root.graph.result('rows', encoder(root)(embeddings));
  const { rows = new Float32Array() } = await runOnce(engine, weights, build, options);
  return meanOfRows(rows, config.width);
}
