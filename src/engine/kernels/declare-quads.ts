/**
 * Accessors of kernels that wait for memory alone: QUADS groups of four values at a time, so that an invocation moves
 * 16 bytes at once in either storage type.
 *
 * A kernel that has a value QUADS (1 or 2) finds beside the accessors of kernel.ts, for a tensor `x`:
 *   Quads                    array<vec4f, QUADS>
 *   loadsX(i) -> Quads       groups QUADS i .. QUADS i + QUADS - 1
 *   storesX(i, Quads)        for outputs
 *   runX(i) -> vec4u         the same 16 bytes as they are, of halves with QUADS = 2
 * With QUADS = 2, halves are bound as 16 bytes: rows must then be a multiple of eight values long (`fitsQuads`), and only
 * `loadX` of the single accessors is there for them.
 */
import type { Dtype } from '../gpu/tensor.ts';
import type { Arithmetic, Dims, Situation, TensorRole, Values } from './kernel.ts';

type Bound = {
  readonly name: string;
  readonly role: TensorRole;
  readonly dtype: Dtype;
  readonly under?: string;
};

/** Whether rows of C values are whole runs of QUADS groups. */
export const fitsQuads = ({ QUADS }: Values, { C = 1 }: Dims): boolean =>
  Math.ceil(C / 4) % Number(QUADS ?? 1) === 0;

/** The same for a kernel that needs nothing else. Processors compile for long and gain nothing from much at once. */
export const fitsSituation = (values: Values, { dims, caps }: Situation): boolean =>
  fitsQuads(values, dims) && !(caps.software && (values['LANES'] !== 64 || values['ITEMS'] === 8));

/**
 * QUADS for the storage type that the arithmetic implies: two groups of halves are 16 bytes that stand together, two of
 * f32 are twice 16 bytes with gaps between neighbours, which reach two thirds of the bandwidth on an H200.
 */
export const quadsFor = (dims: Dims, arithmetic: Arithmetic): Values => ({
  QUADS: arithmetic === 'f16' && fitsQuads({ QUADS: 2 }, dims) ? 2 : 1,
});

/** Whether a tensor is bound in runs of 16 bytes where the kernel's own accessors have eight. */
export const isWide = ({ dtype }: Bound, quads: number): boolean => quads > 1 && dtype === 'f16';

/** Returns `loadX` of a tensor of halves that is bound in runs of 16 bytes. */
export function loadWide({ name, under = name }: Bound): string {
  return `fn load${nameOf(name)}(i: u32) -> vec4f {
  let run = ${under}[i / 2u];
  let held = select(run.xy, run.zw, (i & 1u) == 1u);
  return ${floats('held.x', 'held.y')};
}`;
}

/** Returns `loadsX` and `storesX` of a tensor. */
export function declareQuads({ name, role, dtype, under = name }: Bound, quads: number): string {
  const Name = nameOf(name);
  const groups = Array.from({ length: quads }, (_, q) => q);
  const wide = isWide({ name, role, dtype }, quads);
  const loads = wide
    ? `let run = ${under}[i]; return Quads(${floats('run.x', 'run.y')}, ${floats('run.z', 'run.w')});`
    : `return Quads(${groups.map((q) => `load${Name}(${quads}u * i + ${q}u)`).join(', ')});`;
  const stores = wide
    ? `${under}[i] = vec4u(halves(own[0].xy), halves(own[0].zw), halves(own[1].xy), halves(own[1].zw));`
    : groups.map((q) => `store${Name}(${quads}u * i + ${q}u, own[${q}]);`).join(' ');
  return [
    ...(wide ? [`fn run${Name}(i: u32) -> vec4u { return ${under}[i]; }`] : []),
    `fn loads${Name}(i: u32) -> Quads { ${loads} }`,
    ...(role === 'weight' ? [] : [`fn stores${Name}(i: u32, own: Quads) { ${stores} }`]),
  ].join('\n');
}

/** What the accessors of all tensors share. */
export const quadTypes = (quads: number): string =>
  `alias Quads = array<vec4f, ${quads}>;
fn halves(v: vec2f) -> u32 { return pack2x16float(clamp(v, vec2f(-65504.0), vec2f(65504.0))); }`;

const nameOf = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

const floats = (low: string, high: string): string =>
  `vec4f(unpack2x16float(${low}), unpack2x16float(${high}))`;
