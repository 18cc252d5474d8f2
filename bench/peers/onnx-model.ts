/** Writes ONNX models: the few fields of the protobuf format that graphs of standard operators need. */

/** A whole number, whole numbers, or a real number. */
export type OnnxAttribute = number | readonly number[] | { readonly float: number };

export type OnnxNode = {
  readonly op: string;
  /** Default: the standard operators. */
  readonly domain?: 'com.microsoft';
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
};

export type OnnxType = 'f32' | 'f16';

export type OnnxValue = { readonly name: string; readonly shape: readonly number[] };

/** Values known when the model is made, little-endian. */
export type OnnxConstant = OnnxValue & {
  readonly type: OnnxType | 'i64';
  readonly bytes: Uint8Array<ArrayBuffer>;
};

export type OnnxGraph = {
  /** Type of all inputs and outputs. */
  readonly type: OnnxType;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly constants?: readonly OnnxConstant[];
  readonly nodes: readonly OnnxNode[];
};

const ELEMENT = { f32: 1, i64: 7, f16: 10 } as const;
const IR_VERSION = 9;
const OPSET = 20;

type Bytes = readonly Uint8Array<ArrayBuffer>[];

/** Returns the bytes of a ModelProto. Field numbers are those of onnx.proto. */
export function onnxModel(graph: OnnxGraph): Uint8Array<ArrayBuffer> {
  return joined([
    ...number(1, IR_VERSION),
    ...message(7, graphProto(graph)),
    ...message(8, [...text(1, ''), ...number(2, OPSET)]),
    ...message(8, [...text(1, 'com.microsoft'), ...number(2, 1)]),
  ]);
}

const graphProto = ({ type, inputs, outputs, constants = [], nodes }: OnnxGraph): Bytes => [
  ...nodes.flatMap((node) => message(1, nodeProto(node))),
  ...text(2, 'bench'),
  ...constants.flatMap((constant) => message(5, tensorProto(constant))),
  ...inputs.flatMap((value) => message(11, valueProto(value, type))),
  ...outputs.flatMap((value) => message(12, valueProto(value, type))),
];

const nodeProto = ({ op, domain, inputs, outputs, attributes = {} }: OnnxNode): Bytes => [
  ...inputs.flatMap((name) => text(1, name)),
  ...outputs.flatMap((name) => text(2, name)),
  ...text(4, op),
  ...Object.entries(attributes).flatMap(([name, value]) => message(5, attributeProto(name, value))),
  ...text(7, domain ?? ''),
];

const FLOAT = 1;
const INT = 2;
const INTS = 7;

function attributeProto(name: string, value: OnnxAttribute): Bytes {
  if (typeof value === 'number') return [...text(1, name), ...number(3, value), ...number(20, INT)];
  if ('float' in value) return [...text(1, name), ...real(2, value.float), ...number(20, FLOAT)];
  return [...text(1, name), ...value.flatMap((n) => number(8, n)), ...number(20, INTS)];
}

const tensorProto = ({ name, shape, type, bytes }: OnnxConstant): Bytes => [
  ...shape.flatMap((length) => number(1, length)),
  ...number(2, ELEMENT[type]),
  ...text(8, name),
  ...field(9, bytes),
];

const valueProto = ({ name, shape }: OnnxValue, type: OnnxType): Bytes => [
  ...text(1, name),
  ...message(2, message(1, [...number(1, ELEMENT[type]), ...message(2, shapeProto(shape))])),
];

const shapeProto = (shape: readonly number[]): Bytes =>
  shape.flatMap((length) => message(1, number(1, length)));

/** Base-128 digits, lowest first; negative numbers as 64-bit two's complement. */
function varint(value: number): Uint8Array<ArrayBuffer> {
  const digits: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const more = rest > 127n;
    digits.push(Number(rest & 127n) | (more ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(digits);
}

const number = (id: number, value: number): Bytes => [varint(id << 3), varint(value)];

const real = (id: number, value: number): Bytes => [
  varint((id << 3) | 5),
  new Uint8Array(new Float32Array([value]).buffer),
];

const field = (id: number, bytes: Uint8Array<ArrayBuffer>): Bytes => [
  varint((id << 3) | 2),
  varint(bytes.length),
  bytes,
];

const text = (id: number, value: string): Bytes =>
  field(id, new Uint8Array(new TextEncoder().encode(value)));

const message = (id: number, parts: Bytes): Bytes => field(id, joined(parts));

function joined(parts: Bytes): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
