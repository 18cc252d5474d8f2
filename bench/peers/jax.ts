/** jax-js on WebGPU: the operator under `jit`. */
import * as jax from '@jax-js/jax';
import type { Contender, ElementType } from '../contender.ts';
import { elementAt } from '../contender.ts';
import type { OperandBytes } from '../operands.ts';
import type { Operator } from '../operators/operator.ts';
import type { Peer } from './peer.ts';

async function prepare(
  operator: Operator,
  type: ElementType,
  bytes: OperandBytes,
): Promise<Contender> {
  const ready = await jax.init('webgpu');
  if (!ready.includes('webgpu')) throw new Error('jax-js offers no WebGPU');
  jax.defaultDevice('webgpu');
  const form = operator.jax;
  if (!form) throw new Error(`${operator.name} has no form for jax-js`);
  const names = Object.keys(operator.operands);
  const arrays: jax.Array[] = [];
  for (const [name, operand] of Object.entries(operator.operands)) {
    const layout = form.layouts[name];
    if (!layout) throw new Error(`${operator.name} has no layout for ${name}`);
    const values = new Float32Array(await bytes(operand, layout, 'f32'));
    const array = jax.numpy.array(values, { shape: [...layout.shape] });
    const typed = type === 'f16' ? array.astype(jax.DType.Float16) : array;
    arrays.push(await typed.blockUntilReady());
  }
  const compiled = jax.jit((...given: jax.Array[]) =>
    form.run(jax, Object.fromEntries(names.map((name, i) => [name, given[i] as jax.Array]))),
  );
  const call = (): jax.Array => compiled(...arrays.map((array) => array.ref));
  let y = call();
  return {
    library: 'jax-js',
    type,
    async run(repeats) {
      for (let i = 0; i < repeats; i++) {
        const next = call();
        next.ref.gpuBufferSync(); // submits; a result that is given back at once serves as the next one's memory
        y.dispose();
        y = next;
      }
      await y.blockUntilReady();
    },
    async read(places) {
      const values = await y.ref.data();
      const layout = form.layouts['y'];
      if (!layout) throw new Error(`${operator.name} has no layout for y`);
      return places.map((place) => Number(values[elementAt(place, operator.result, layout)]));
    },
    destroy() {
      for (const array of [y, ...arrays]) array.dispose();
      compiled.dispose();
    },
  };
}

export const jaxPeer: Peer = {
  library: 'jax-js',
  version: '0.1.25',
  types: ['f32', 'f16'],
  runs: (operator) => operator.jax !== undefined,
  prepare,
};
