/** Policies of quantisation: which weight matrices of a model are stored as small integers, and which stay as they are. */
import { EngineError } from '../gpu/errors.ts';
import type { IntegerType } from '../gpu/integers.ts';
import { isIntegerType } from '../gpu/integers.ts';
import type { WeightPolicy } from '../graph/graph.ts';

/** Weight matrices as a user asks for them: of 8 bits, of 8 bits with activations of 8 bits to go with them, of 4 bits. */
export type WeightsChoice = 'int8' | 'w8a8' | 'int4';

/** A policy as a file: one type for all matrices, and exceptions by checkpoint key. */
export type PolicyFile = {
  readonly weights: IntegerType;
  readonly except: Readonly<Record<string, IntegerType | 'f16'>>;
};

/** The layers at a network's ends and those that make its conditions: small, and every error in them is seen by all. */
const ENDS = /(^|\.)(patch_embedding|condition_embedder|proj_out|text_embedding|img_emb|head)\./;

/** Returns the policy for a model that was not calibrated: all matrices but those at the ends. */
export const usualPolicy =
  (type: IntegerType): WeightPolicy =>
  (key) =>
    ENDS.test(key) ? undefined : type;

/** Returns the policy with products on integers: activations are quantised too, row by row. */
export const withIntegerProducts = (policy: WeightPolicy): WeightPolicy =>
  Object.assign(policy.bind(undefined), { integerProducts: true });

const CHOICES: Readonly<Record<WeightsChoice, WeightPolicy>> = {
  int8: usualPolicy('i8'),
  w8a8: withIntegerProducts(usualPolicy('i8')),
  int4: usualPolicy('i4'),
};

/** All choices. */
export const WEIGHTS_CHOICES = ['int8', 'w8a8', 'int4'] as const satisfies readonly WeightsChoice[];

/** Returns the policy of a choice: the same function each time, as what stays on the device is known by it. */
export const policyFor = (weights: WeightsChoice | undefined): WeightPolicy | undefined =>
  weights && CHOICES[weights];

/** Returns the policy for the matrices whose keys match; all others stay as they are. */
export const policyWhere = (policy: WeightPolicy, keys: RegExp): WeightPolicy => {
  const { integerProducts = false } = policy;
  const narrowed: WeightPolicy = (key, shape) => (keys.test(key) ? policy(key, shape) : undefined);
  return Object.assign(narrowed, { integerProducts });
};

/** Returns the policy that a file states; see `npm run calibrate`. */
export function policyFrom({ weights, except }: PolicyFile): WeightPolicy {
  return (key) => {
    const type = Object.hasOwn(except, key) ? except[key] : weights;
    return type === 'f16' ? undefined : type;
  };
}

/** Returns the policy in the text of a JSON file. Throws `weights/policy` when it is none. */
export function parsePolicy(text: string): PolicyFile {
  const isType = (value: unknown): value is IntegerType =>
    typeof value === 'string' && isIntegerType(value);
  const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
    typeof value === 'object' && value !== null;
  const found: unknown = JSON.parse(text);
  const weights = isRecord(found) ? found['weights'] : undefined;
  const except = isRecord(found) ? found['except'] : undefined;
  if (!isType(weights) || !isRecord(except)) {
    throw new EngineError(
      'weights/policy',
      `policy — got ${JSON.stringify(weights)} for weights, needs i8, i4 or i4x64 and a list of exceptions`,
    );
  }
  const kept = Object.entries(except).map(([key, type]) => {
    if (type === 'f16' || isType(type)) return [key, type] as const;
    throw new EngineError(
      'weights/policy',
      `policy — got ${JSON.stringify(type)} for ${key}, needs f16, i8, i4 or i4x64`,
    );
  });
  return { weights, except: Object.fromEntries(kept) };
}
