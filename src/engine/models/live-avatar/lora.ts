/**
 * The low-rank weights that turn the base model into the streaming one: W + (alpha / rank) · B · A, merged as weights are
 * read, before they are quantised.
 */
import { matmulWeight } from '../../graph/ops/linear.ts';
import type { Engine } from '../../nn/run-once.ts';
import { runOnce } from '../../nn/run-once.ts';
import type { WeightSource } from '../../weights/upload.ts';
import { SHAPES_ALONE } from '../../weights/upload.ts';
import type { Config } from '../config-json.ts';
import { numberIn } from '../config-json.ts';
import { renameWan } from '../wan/names-dit.ts';

/** What can be asked of a file of weights. */
type Store = Pick<WeightSource, 'info' | 'read'> & { has(name: string): boolean };

const PREFIXES = ['', 'base_model.model.'] as const;
/** How PEFT spells the two factors, with the name of the adapter and without. */
const SUFFIXES = ['.default.weight', '.weight'] as const;
const WEIGHT = /\.weight$/;

/** Names in a PEFT file are the original's, with or without a prefix. */
const spellingsOf = (name: string): string[] => {
  const renamed = renameWan(name);
  const own = typeof renamed === 'string' ? renamed : name;
  return PREFIXES.map((prefix) => prefix + own);
};

const found = (store: Store, names: readonly string[]): string | undefined =>
  names.find((name) => store.has(name));

/**
 * Returns `base` with the weights of `lora` merged in: pairs of factors are added, any other tensor of the file takes the
 * place of the base's. Products are made on the device, in f32. `config` has `lora_alpha`; the rank is that of the factors.
 */
export function withLora(
  engine: Engine,
  base: WeightSource,
  lora: Store,
  config: Config,
): WeightSource {
  const alpha = numberIn(config, 'lora_alpha', 64);
  const factorsOf = (name: string): { a: string; b: string } | undefined => {
    const modules = spellingsOf(name).map((spelling) => spelling.replace(WEIGHT, ''));
    const factor = (which: 'A' | 'B'): string | undefined =>
      found(
        lora,
        modules.flatMap((module) => SUFFIXES.map((suffix) => `${module}.lora_${which}${suffix}`)),
      );
    const [a, b] = [factor('A'), factor('B')];
    return WEIGHT.test(name) && a !== undefined && b !== undefined ? { a, b } : undefined;
  };
  const replacementOf = (name: string): string | undefined =>
    found(
      lora,
      spellingsOf(name).flatMap((spelling) => [
        spelling,
        spelling.replace(/\.(weight|bias)$/, '.base_layer.$1'),
      ]),
    );
  const touched = (name: string): boolean =>
    factorsOf(name) !== undefined || replacementOf(name) !== undefined;
  return {
    info: (name) => base.info(name),
    async read(name) {
      const replacement = replacementOf(name);
      const values = await (replacement === undefined ? base.read(name) : lora.read(replacement));
      const factors = factorsOf(name);
      if (!factors) return values;
      const rank = lora.info(factors.a).shape[0] ?? 1;
      const a = await lora.read(factors.a);
      const b = await lora.read(factors.b);
      const change = await product(engine, b, transposed(a, rank), rank, alpha / rank);
      for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? NaN) + (change[i] ?? NaN);
      return values;
    },
    raw: (name, rows) => (touched(name) ? undefined : base.raw?.(name, rows)),
  };
}

/** [rank, columns] -> [columns, rank]. */
function transposed(values: Float32Array, rank: number): Float32Array {
  const columns = values.length / rank;
  const turned = new Float32Array(values.length);
  for (let r = 0; r < rank; r++) {
    for (let c = 0; c < columns; c++) turned[c * rank + r] = values[r * columns + c] ?? NaN;
  }
  return turned;
}

/** Resolves to scale · b aᵀ: b [rows, rank], a [columns, rank] -> [rows, columns]. */
async function product(
  engine: Engine,
  b: Float32Array,
  a: Float32Array,
  rank: number,
  scale: number,
): Promise<Float32Array> {
  const { change = new Float32Array() } = await runOnce(
    { ...engine, precision: 'f32', quantise: undefined },
    SHAPES_ALONE,
    ({ graph }) => {
      const left = graph.constant(
        'B',
        b.map((value) => scale * value),
        [b.length / rank, rank],
      );
      const right = graph.constant('A', a, [a.length / rank, rank]);
      graph.result('change', matmulWeight(left, right));
    },
  );
  return change;
}
