/**
 * Subgroup matrices: what the adapter offers, how a shader asks for them, and a test by numbers.
 * The proposal is in flux: Chromium has it under an experimental name, so both names are known here and nowhere else.
 */
import { floatsToHalves } from '../weights/convert.ts';
import { runShader } from './run-shader.ts';

export type MatrixComponent = 'f16' | 'f32' | 'i8' | 'u8';
export type MatrixResult = 'f16' | 'f32' | 'i32' | 'u32';

/** One kind of product, [M, K] by [K, N], that a subgroup can make at once. */
export type MatrixConfig = {
  readonly component: MatrixComponent;
  readonly result: MatrixResult;
  readonly M: number;
  readonly N: number;
  readonly K: number;
};

/** The feature under its names, the one to prefer first, with what a shader writes on top. */
const NAMES: readonly { readonly feature: string; readonly directives: readonly string[] }[] = [
  { feature: 'subgroup-matrix', directives: ['enable subgroup_matrix;'] },
  {
    feature: 'chromium-experimental-subgroup-matrix',
    directives: [
      'enable chromium_experimental_subgroup_matrix;',
      // Tiles are addressed by subgroup: uniform in a subgroup, which the analysis cannot see.
      'diagnostic(off, chromium.subgroup_matrix_uniformity);',
    ],
  },
];

/** Names of the feature, to ask an adapter for. */
export const MATRIX_FEATURES: readonly string[] = NAMES.map(({ feature }) => feature);

/** Returns the directives of a shader that uses subgroup matrices; undefined when the device has none. */
export function matrixDirectives(features: ReadonlySet<string>): readonly string[] | undefined {
  const name = NAMES.find(({ feature }) => features.has(feature));
  return name && ['enable subgroups;', ...name.directives];
}

/** Returns what the adapter lists, as far as the engine knows the types. */
export function listedMatrices(info: GPUAdapterInfo): MatrixConfig[] {
  const { subgroupMatrixConfigs = [] } = info as GPUAdapterInfo & {
    readonly subgroupMatrixConfigs?: Iterable<{
      readonly componentType: string;
      readonly resultComponentType: string;
      readonly M: number;
      readonly N: number;
      readonly K: number;
    }>;
  };
  return [...subgroupMatrixConfigs].flatMap(({ componentType, resultComponentType, M, N, K }) => {
    const component = COMPONENTS.find((type) => type === componentType);
    const result = RESULTS.find((type) => type === resultComponentType);
    return component && result ? [{ component, result, M, N, K }] : [];
  });
}

const COMPONENTS: readonly MatrixComponent[] = ['f16', 'f32', 'i8', 'u8'];
const RESULTS: readonly MatrixResult[] = ['f16', 'f32', 'i32', 'u32'];

/**
 * Resolves to whether the product comes out right: left operand from a buffer, right operand from workgroup memory,
 * accumulated twice, stored through workgroup memory. All sums are whole numbers that every type holds exactly.
 */
export async function matrixWorks(
  device: GPUDevice,
  config: MatrixConfig,
  lanes: number,
): Promise<boolean> {
  const { component, M, N, K } = config;
  const code = matrixTestCode(config, matrixDirectives(device.features) ?? [], lanes);
  const input = packValues(component, [
    ...Array.from({ length: M * K }, (_, i) => leftValue(component, i)),
    ...Array.from({ length: N * K }, (_, i) => rightValue(component, i)),
  ]);
  const label = `self-test/matrix ${component} ${config.result} ${M}x${N}x${K}`;
  const got = await runShader(device, label, code, M * N, input);
  const values = got && new Int32Array(got.buffer);
  return values?.every((value, i) => value === wanted(config, Math.floor(i / N), i % N)) ?? false;
}

/** Returns the WGSL of the test; its output is one i32 for each value of the product. */
export function matrixTestCode(
  { component, result, M, N, K }: MatrixConfig,
  directives: readonly string[],
  lanes: number,
): string {
  const eight = component === 'i8' || component === 'u8';
  const element = eight ? 'u32' : component;
  const each = eight ? 4 : 1;
  return `${component === 'f16' || result === 'f16' ? 'enable f16;' : ''}
${directives.join('\n')}
@group(0) @binding(0) var<storage, read_write> y: array<i32>;
@group(0) @binding(1) var<storage, read> x: array<${element}>;
var<workgroup> right: array<${element}, ${(N * K) / each}>;
var<workgroup> made: array<${result}, ${M * N}>;
@compute @workgroup_size(${lanes})
fn main(@builtin(local_invocation_index) lane: u32) {
  for (var i = lane; i < ${(N * K) / each}u; i += ${lanes}u) { right[i] = x[${(M * K) / each}u + i]; }
  workgroupBarrier();
  let a = subgroupMatrixLoad<subgroup_matrix_left<${component}, ${K}, ${M}>, row_major>(&x, 0u, ${K / each}u);
  let b = subgroupMatrixLoad<subgroup_matrix_right<${component}, ${N}, ${K}>, col_major>(&right, 0u, ${K / each}u);
  var c = subgroup_matrix_result<${result}, ${N}, ${M}>();
  c = subgroupMatrixMultiplyAccumulate(a, b, c);
  c = subgroupMatrixMultiplyAccumulate(a, b, c);
  subgroupMatrixStore<row_major>(&made, 0u, c, ${N}u);
  workgroupBarrier();
  for (var i = lane; i < ${M * N}u; i += ${lanes}u) { y[i] = i32(made[i]); }
}`;
}

const leftValue = (component: MatrixComponent, i: number): number =>
  ((i * 7 + (i >> 4)) % 5) - (component === 'u8' ? 0 : 2);
const rightValue = (component: MatrixComponent, i: number): number =>
  ((i * 5 + (i >> 3)) % 7) - (component === 'u8' ? 0 : 3);

function wanted({ component, K }: MatrixConfig, m: number, n: number): number {
  let sum = 0;
  for (let k = 0; k < K; k++)
    sum += 2 * leftValue(component, m * K + k) * rightValue(component, n * K + k);
  return sum;
}

function packValues(component: MatrixComponent, values: number[]): Uint32Array<ArrayBuffer> {
  if (component === 'f32') return new Uint32Array(Float32Array.from(values).buffer);
  if (component === 'f16') return new Uint32Array(floatsToHalves(Float32Array.from(values)).buffer);
  return new Uint32Array(Int8Array.from(values).buffer);
}
