/**
 * Reads the pickles inside PyTorch checkpoints without executing anything: opcodes build numbers, text, plain
 * containers and descriptions of tensors; every other one, and every call of a name that is not in the short list of
 * pickle-values.ts, is refused. Source: CPython, Lib/pickletools.py.
 */
import type { PickleValue } from './pickle-values.ts';
import { PickleGlobal, PickleTuple, callOf, refusePickle, storageOf } from './pickle-values.ts';

/** Highest protocol that is known. */
const NEWEST = 5;

/** Largest number of values that may be alive in the memo and on the stack: a real checkpoint has thousands. */
const MOST_VALUES = 2 ** 22;

const MARK = Symbol('mark');
type Slot = PickleValue | typeof MARK;

type Machine = {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
  readonly stack: Slot[];
  readonly memo: Map<number, PickleValue>;
};

const text = new TextDecoder('utf-8', { fatal: true });

function take(m: Machine, count: number): number {
  const at = m.at;
  if (!(count >= 0 && at + count <= m.bytes.byteLength))
    throw refusePickle('pickle', `got an end at byte ${m.bytes.byteLength}, needs ${at + count}`);
  m.at += count;
  return at;
}

const u8 = (m: Machine): number => m.view.getUint8(take(m, 1));
const u16 = (m: Machine): number => m.view.getUint16(take(m, 2), true);
const u32 = (m: Machine): number => m.view.getUint32(take(m, 4), true);

function u64(m: Machine): number {
  const value = Number(m.view.getBigUint64(take(m, 8), true));
  if (Number.isSafeInteger(value)) return value;
  throw refusePickle('pickle', `got a length of ${value}`);
}

function bytesOf(m: Machine, count: number): Uint8Array {
  const at = take(m, count);
  return m.bytes.slice(at, at + count);
}

function textOf(m: Machine, count: number): string {
  const at = take(m, count);
  try {
    return text.decode(m.bytes.subarray(at, at + count));
  } catch {
    throw refusePickle('pickle', `got text at byte ${at} that is no UTF-8`);
  }
}

function lineOf(m: Machine): string {
  const end = m.bytes.indexOf(10, m.at);
  if (end < 0) throw refusePickle('pickle', 'got a name without an end');
  const line = textOf(m, end - m.at);
  m.at++;
  return line;
}

/** A whole number of `count` bytes, least significant first, two's complement. */
function longOf(m: Machine, count: number): number {
  const at = take(m, count);
  if (count > 8) throw refusePickle('pickle', `got a number of ${count} bytes, needs 8 at most`);
  let value = 0n;
  for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(m.bytes[at + i] ?? 0);
  const number = Number(BigInt.asIntN(8 * count, value));
  if (Number.isSafeInteger(number)) return number;
  throw refusePickle('pickle', 'got a number beyond 2^53');
}

function pop(m: Machine): PickleValue {
  const value = m.stack.pop();
  if (value === undefined || value === MARK)
    throw refusePickle('pickle', `got an empty stack before byte ${m.at}`);
  return value;
}

function popToMark(m: Machine): PickleValue[] {
  const at = m.stack.lastIndexOf(MARK);
  if (at < 0) throw refusePickle('pickle', `got no mark before byte ${m.at}`);
  const items = m.stack.splice(at) as PickleValue[];
  return items.slice(1);
}

function top(m: Machine): PickleValue {
  const value = pop(m);
  m.stack.push(value);
  return value;
}

function remember(m: Machine, index: number): void {
  m.memo.set(index, top(m));
}

function recall(m: Machine, index: number): PickleValue {
  const value = m.memo.get(index);
  if (value === undefined) throw refusePickle('pickle', `got a reference to nothing, ${index}`);
  return value;
}

function append(m: Machine, items: readonly PickleValue[]): void {
  const list = top(m);
  if (!Array.isArray(list)) throw refusePickle('pickle', 'got an append to something else');
  for (const item of items) list.push(item);
}

function setItems(m: Machine, items: readonly PickleValue[]): void {
  const map = top(m);
  if (!(map instanceof Map) || items.length % 2 !== 0)
    throw refusePickle('pickle', 'got entries of something that is no dictionary');
  for (let i = 0; i < items.length; i += 2) map.set(items[i] ?? null, items[i + 1] ?? null);
}

/** State of a dictionary object, such as the versions of its modules: dropped. */
function build(m: Machine): void {
  const state = pop(m);
  const plain = state instanceof Map || state === null;
  if (!(top(m) instanceof Map) || !plain)
    throw refusePickle('pickle-code', 'got an object with a state, which is never restored');
}

function stackGlobal(m: Machine): PickleGlobal {
  const [name, module] = [pop(m), pop(m)];
  if (typeof name === 'string' && typeof module === 'string') return new PickleGlobal(module, name);
  throw refusePickle('pickle', 'got a name that is no text');
}

function tupleOf(m: Machine, count: number): PickleTuple {
  const items = Array.from({ length: count }, () => pop(m));
  return new PickleTuple(items.reverse());
}

/** Opcodes that put one value on the stack. */
const PUSH: ReadonlyMap<string, (m: Machine) => PickleValue> = new Map<
  string,
  (m: Machine) => PickleValue
>([
  ['N', () => null],
  ['\x88', () => true],
  ['\x89', () => false],
  ['J', (m) => m.view.getInt32(take(m, 4), true)],
  ['K', u8],
  ['M', u16],
  ['\x8a', (m) => longOf(m, u8(m))],
  ['G', (m) => m.view.getFloat64(take(m, 8), false)],
  ['X', (m) => textOf(m, u32(m))],
  ['\x8c', (m) => textOf(m, u8(m))],
  ['\x8d', (m) => textOf(m, u64(m))],
  ['C', (m) => bytesOf(m, u8(m))],
  ['B', (m) => bytesOf(m, u32(m))],
  ['\x8e', (m) => bytesOf(m, u64(m))],
  ['}', () => new Map()],
  [']', () => []],
  [')', () => new PickleTuple([])],
  ['t', (m) => new PickleTuple(popToMark(m))],
  ['\x85', (m) => tupleOf(m, 1)],
  ['\x86', (m) => tupleOf(m, 2)],
  ['\x87', (m) => tupleOf(m, 3)],
  ['l', popToMark],
  ['h', (m) => recall(m, u8(m))],
  ['j', (m) => recall(m, u32(m))],
  ['c', (m) => new PickleGlobal(lineOf(m), lineOf(m))],
  ['\x93', stackGlobal],
  ['Q', (m) => storageOf(pop(m))],
  [
    'R',
    (m) => {
      const args = pop(m);
      return callOf(pop(m), args);
    },
  ],
]);

/** Opcodes that change what is there. */
const EFFECTS: ReadonlyMap<string, (m: Machine) => void> = new Map<string, (m: Machine) => void>([
  ['(', (m) => void m.stack.push(MARK)],
  ['0', (m) => void pop(m)],
  ['q', (m) => remember(m, u8(m))],
  ['r', (m) => remember(m, u32(m))],
  ['\x94', (m) => remember(m, m.memo.size)],
  ['\x95', (m) => void u64(m)],
  ['a', (m) => append(m, [pop(m)])],
  ['e', (m) => append(m, popToMark(m))],
  [
    's',
    (m) => {
      const value = pop(m);
      setItems(m, [pop(m), value]);
    },
  ],
  ['u', (m) => setItems(m, popToMark(m))],
  ['b', build],
  [
    '\x80',
    (m) => {
      const protocol = u8(m);
      if (protocol > NEWEST) throw refusePickle('pickle', `got protocol ${protocol}`);
    },
  ],
]);

/**
 * Returns the value that `bytes` describe. Throws `weights/pickle` for bytes that are no pickle or too large a one and
 * `weights/pickle-code` for what would have to be executed.
 */
export function readPickle(bytes: Uint8Array): PickleValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const m: Machine = { bytes, view, at: 0, stack: [], memo: new Map() };
  for (;;) {
    const at = m.at;
    const opcode = String.fromCharCode(u8(m));
    if (opcode === '.') return pop(m);
    const push = PUSH.get(opcode);
    const effect = EFFECTS.get(opcode);
    if (push) m.stack.push(push(m));
    else if (effect) effect(m);
    else {
      const code = opcode.charCodeAt(0).toString(16);
      throw refusePickle('pickle-code', `got opcode 0x${code} at byte ${at}, which is never run`);
    }
    if (m.stack.length + m.memo.size > MOST_VALUES)
      throw refusePickle('pickle', `got more than ${MOST_VALUES} values at once`);
  }
}
