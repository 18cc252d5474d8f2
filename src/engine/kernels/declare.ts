/** Writes the WGSL declarations of a kernel's bindings and accessors from its descriptor. */
import { EngineError } from '../gpu/errors.ts';
import { isIntegerType } from '../gpu/integers.ts';
import { preprocess } from '../gpu/preprocess.ts';
import { matrixDirectives } from '../gpu/subgroup-matrix.ts';
import type { Dtype } from '../gpu/tensor.ts';
import { declareQuads, isWide, loadWide, quadTypes } from './declare-quads.ts';
import type { Arithmetic, Kernel, TensorRole, UniformType, Values } from './kernel.ts';
import { outputOf } from './kernel.ts';

export type BoundTensor = {
  readonly name: string;
  readonly role: TensorRole;
  readonly dtype: Dtype;
  /** The output that lies over this input, whose binding serves both. */
  readonly under?: string;
};

/**
 * Returns the tensors of a call: those given, by the order of the descriptor. The output is written over the input
 * `over`, if that is named.
 */
export function boundTensors(
  kernel: Kernel,
  dtypes: Readonly<Record<string, Dtype | undefined>>,
  over?: string,
): BoundTensor[] {
  return Object.entries(kernel.tensors).flatMap(([name, { role }]) => {
    const dtype = dtypes[name];
    const under = name === over && { under: outputOf(kernel) };
    return dtype ? [{ name, role, dtype, ...under }] : [];
  });
}

/** Returns those that have a binding of their own, in binding order. */
export const bindingsOf = (bound: readonly BoundTensor[]): BoundTensor[] =>
  bound.filter(({ under }) => under === undefined);

/** A kernel with everything that its text depends on. */
export type Variant = {
  readonly kernel: Kernel;
  readonly bound: readonly BoundTensor[];
  readonly arithmetic: Arithmetic;
  readonly values: Values;
};

/**
 * Returns the complete WGSL of one variant for a device with `features`.
 * Throws `shader/param` when a value is missing, `shader/feature` when the device lacks what the kernel needs.
 */
export function shaderCode(
  { kernel, bound, arithmetic, values }: Variant,
  features: ReadonlySet<string>,
): string {
  const quads = Number(values['QUADS'] ?? 0);
  const bindings = bindingsOf(bound);
  const header = [
    ...directives(kernel, arithmetic, features),
    `alias Real = ${arithmetic};`,
    'alias Real4 = vec4<Real>;',
    `struct Params { base: vec3u, ${Object.entries(kernel.uniforms)
      .map(([name, type]) => `${name}: ${type}`)
      .join(', ')} }`,
    ...bindings.map((tensor, index) => declareBinding(tensor, index, quads)),
    ...bound.map((tensor) =>
      isWide(tensor, quads) ? loadWide(tensor) : declareTensor(tensor, arithmetic),
    ),
    ...(quads > 0 ? [quadTypes(quads), ...bound.map((each) => declareQuads(each, quads))] : []),
    `@group(0) @binding(${bindings.length}) var<uniform> p: Params;`,
  ].join('\n');
  const present = Object.fromEntries(
    Object.keys(kernel.tensors).map((name) => [
      `HAS_${name.toUpperCase()}`,
      bound.some((tensor) => tensor.name === name),
    ]),
  );
  // The storage type of an integer weight by name, `plain` for all others: what lib/weights.wgsl tells apart.
  const types = Object.fromEntries(
    bound.map(({ name, dtype }) => [
      `${name.toUpperCase()}_TYPE`,
      isIntegerType(dtype) ? dtype : 'plain',
    ]),
  );
  const halves = Object.fromEntries(
    bound.map(({ name, dtype }) => [`${name.toUpperCase()}_HALVES`, dtype === 'f16']),
  );
  const all: Values = { ...present, ...types, ...halves, F16: arithmetic === 'f16', ...values };
  const given = Object.fromEntries(Object.entries(all).filter(([name]) => declares(kernel, name)));
  return preprocess({ ...kernel.wgsl, code: `${header}\n${kernel.wgsl.code}` }, given);
}

function directives(
  { name, features: needed = [] }: Kernel,
  arithmetic: Arithmetic,
  features: ReadonlySet<string>,
): string[] {
  const lines = arithmetic === 'f16' ? ['enable f16;'] : [];
  for (const feature of needed) {
    const enabled =
      feature === 'subgroup-matrix' ? matrixDirectives(features) : ['enable subgroups;'];
    if (!enabled || !features.has('subgroups')) {
      throw new EngineError(
        'shader/feature',
        `shader ${name} — got a device without ${feature}, needs it`,
        { stage: name, need: feature },
      );
    }
    lines.push(...enabled);
  }
  return lines;
}

/** Bytes of one uniform block: `base` (12, padded by what follows) and four per member. */
export const uniformBytes = (kernel: Kernel): number =>
  16 + Math.ceil(Object.keys(kernel.uniforms).length / 4) * 16;

/** Writes one uniform block: `base`, then the members from byte 12 on, each four bytes. */
export function writeUniforms(
  view: DataView,
  at: number,
  kernel: Kernel,
  dims: Readonly<Record<string, number>>,
  base: readonly number[],
): void {
  base.forEach((value, i) => view.setUint32(at + 4 * i, value, true));
  Object.entries(kernel.uniforms).forEach(([name, type], i) => {
    setUniform(view, at + 12 + 4 * i, type, dims[name] ?? NaN, `${kernel.name}.${name}`);
  });
}

function setUniform(
  view: DataView,
  at: number,
  type: UniformType,
  value: number,
  name: string,
): void {
  if (Number.isNaN(value))
    throw new EngineError('shader/uniform', `uniform ${name} — got no number, needs one`);
  if (type === 'f32') view.setFloat32(at, value, true);
  else if (type === 'i32') view.setInt32(at, value, true);
  else view.setUint32(at, value, true);
}

const declares = (kernel: Kernel, name: string): boolean =>
  kernel.wgsl.params.some((param) => param.split(' ')[0] === name);

/** What a binding is an array of: one value, four values, or 16 bytes of small integers. */
const ELEMENT: Readonly<Record<Dtype, string>> = {
  f32: 'vec4f',
  f16: 'vec2u',
  u32: 'u32',
  i8: 'vec4u',
  i4: 'vec4u',
  i4x64: 'vec4u',
};

function declareBinding(tensor: BoundTensor, binding: number, quads: number): string {
  const { name, role, dtype } = tensor;
  const access = role === 'weight' ? 'read' : 'read_write';
  const element = isWide(tensor, quads) ? 'vec4u' : ELEMENT[dtype];
  return `@group(0) @binding(${binding}) var<storage, ${access}> ${name}: array<${element}>;`;
}

function declareTensor({ name, role, dtype, under }: BoundTensor, arithmetic: Arithmetic): string {
  const Name = name.charAt(0).toUpperCase() + name.slice(1);
  const held = under ?? name;
  const lines: string[] = [];
  if (dtype === 'f32') {
    lines.push(`fn load${Name}(i: u32) -> vec4f { return ${held}[i]; }`);
    lines.push(`fn real${Name}(i: u32) -> Real4 { return Real4(${held}[i]); }`);
    lines.push(`fn at${Name}(e: u32) -> f32 { return ${held}[e >> 2u][e & 3u]; }`);
    if (role !== 'weight')
      lines.push(`fn store${Name}(i: u32, value: vec4f) { ${held}[i] = value; }`);
  } else if (dtype === 'f16') {
    lines.push(
      `fn load${Name}(i: u32) -> vec4f { let held = ${held}[i]; return vec4f(unpack2x16float(held.x), unpack2x16float(held.y)); }`,
    );
    const real = arithmetic === 'f16' ? `bitcast<vec4<f16>>(${held}[i])` : `load${Name}(i)`;
    lines.push(`fn real${Name}(i: u32) -> Real4 { return ${real}; }`);
    lines.push(
      `fn at${Name}(e: u32) -> f32 { return unpack2x16float(${held}[e >> 2u][(e >> 1u) & 1u])[e & 1u]; }`,
    );
    if (role !== 'weight') {
      lines.push(`fn store${Name}(i: u32, value: vec4f) {`);
      lines.push('  let held = clamp(value, vec4f(-65504.0), vec4f(65504.0));');
      lines.push(`  ${held}[i] = vec2u(pack2x16float(held.xy), pack2x16float(held.zw));\n}`);
    }
  }
  return lines.join('\n');
}
