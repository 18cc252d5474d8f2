/** What a restricted pickle can hold: numbers, text, plain containers, and descriptions of tensors. Nothing runs. */
import { EngineError } from '../gpu/errors.ts';
import type { WeightDtype } from './dtype.ts';

/** A name of Python code. It is only ever compared with the few that are known; nothing is imported. */
export class PickleGlobal {
  readonly path: string;

  constructor(module: string, name: string) {
    this.path = `${module}.${name}`;
  }
}

/** Bytes of the archive that tensors are cut from. */
export class PickleStorage {
  readonly key: string;
  readonly dtype: WeightDtype;
  /** Values it holds. */
  readonly count: number;

  constructor(key: string, dtype: WeightDtype, count: number) {
    this.key = key;
    this.dtype = dtype;
    this.count = count;
  }
}

/** Some values of a storage under a shape, in row-major order. */
export class PickleTensor {
  readonly storage: PickleStorage;
  /** First value in the storage. */
  readonly offset: number;
  readonly shape: readonly number[];

  constructor(storage: PickleStorage, offset: number, shape: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
  }
}

/** A tuple, told apart from lists. */
export class PickleTuple {
  readonly items: readonly PickleValue[];

  constructor(items: readonly PickleValue[]) {
    this.items = items;
  }
}

/** Lists are arrays, dictionaries maps; `bytes` stay bytes. */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickleTuple
  | PickleGlobal
  | PickleStorage
  | PickleTensor;

/** Returns the error for a pickle that is damaged (`pickle`) or holds what is never run (`pickle-code`). */
export const refusePickle = (kind: 'pickle' | 'pickle-code', text: string): EngineError =>
  new EngineError(
    `weights/${kind}`,
    `checkpoint: ${text} — use a checkpoint of tensors alone, or a safetensors file`,
  );

const STORAGES: ReadonlyMap<string, WeightDtype> = new Map([
  ['torch.DoubleStorage', 'F64'],
  ['torch.FloatStorage', 'F32'],
  ['torch.HalfStorage', 'F16'],
  ['torch.BFloat16Storage', 'BF16'],
  ['torch.LongStorage', 'I64'],
  ['torch.IntStorage', 'I32'],
  ['torch.ShortStorage', 'I16'],
  ['torch.CharStorage', 'I8'],
  ['torch.ByteStorage', 'U8'],
  ['torch.BoolStorage', 'BOOL'],
]);

const isCount = (value: PickleValue | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function countsIn(value: PickleValue | undefined): readonly number[] {
  const items = value instanceof PickleTuple ? value.items : undefined;
  if (items?.every(isCount)) return items.filter(isCount);
  throw refusePickle('pickle', 'got no tuple of counts for the shape or strides of a tensor');
}

/** Returns the storage that a persistent id ('storage', type, key, device, count) names. Throws `weights/pickle…`. */
export function storageOf(id: PickleValue | undefined): PickleStorage {
  const [kind, type, key, , count] = id instanceof PickleTuple ? id.items : [];
  const dtype = type instanceof PickleGlobal ? STORAGES.get(type.path) : undefined;
  if (kind === 'storage' && dtype && typeof key === 'string' && isCount(count))
    return new PickleStorage(key, dtype, count);
  const named = type instanceof PickleGlobal ? type.path : typeof type;
  throw refusePickle('pickle', `got a reference to ${named}, needs a storage of known type`);
}

/** Strides of values that lie in row-major order without gaps; those of axes of length one do not matter. */
function isDense(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  return shape
    .map((length, axis) => ({ length, stride: strides[axis] }))
    .reverse()
    .every(({ length, stride }) => {
      const fits = length === 1 || stride === expected;
      expected *= length;
      return fits;
    });
}

function rebuildTensor(args: readonly PickleValue[]): PickleTensor {
  const [storage, offset] = args;
  if (!(storage instanceof PickleStorage) || !isCount(offset))
    throw refusePickle('pickle', 'got a tensor without storage or offset');
  const [shape, strides] = [countsIn(args[2]), countsIn(args[3])];
  if (shape.length !== strides.length || !isDense(shape, strides)) {
    throw refusePickle(
      'pickle',
      `got a tensor [${shape.join(', ')}] with strides [${strides.join(', ')}], needs row-major order`,
    );
  }
  const size = shape.reduce((a, b) => a * b, 1);
  if (!(offset + size <= storage.count)) {
    throw refusePickle(
      'pickle',
      `got a tensor of ${size} values from ${offset} on in a storage of ${storage.count}`,
    );
  }
  return new PickleTensor(storage, offset, shape);
}

/** The only calls that are understood, by name; each builds a value from its arguments. */
const CALLS: ReadonlyMap<string, (args: readonly PickleValue[]) => PickleValue> = new Map([
  ['torch._utils._rebuild_tensor', (args): PickleValue => rebuildTensor(args)],
  ['torch._utils._rebuild_tensor_v2', (args): PickleValue => rebuildTensor(args)],
  [
    'torch._utils._rebuild_parameter',
    ([tensor]): PickleValue => {
      if (tensor instanceof PickleTensor) return tensor;
      throw refusePickle('pickle', 'got a parameter without a tensor');
    },
  ],
  [
    'collections.OrderedDict',
    (args): PickleValue => {
      if (args.length === 0) return new Map();
      throw refusePickle('pickle', 'got a dictionary made with arguments');
    },
  ],
]);

/** Returns what a call makes. Throws `weights/pickle-code` for every callable that is not in the short list above. */
export function callOf(
  callable: PickleValue | undefined,
  args: PickleValue | undefined,
): PickleValue {
  if (!(callable instanceof PickleGlobal) || !(args instanceof PickleTuple))
    throw refusePickle('pickle', 'got a call of something that is no name');
  const make = CALLS.get(callable.path);
  if (!make)
    throw refusePickle('pickle-code', `got a call of ${callable.path}, which is never run`);
  return make(args.items);
}
