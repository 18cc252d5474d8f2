import { describe, expect, it } from 'vitest';
import { Executor } from '../../src/engine/graph/replay.ts';
import { seeded } from '../../src/engine/kernels/case.ts';
import { withLora } from '../../src/engine/models/live-avatar/lora.ts';
import { renameWan } from '../../src/engine/models/wan/names-dit.ts';
import { bytesSource } from '../../src/engine/weights/byte-source.ts';
import { writeSafetensors } from '../helpers/safetensors-writer.ts';
import { WeightStore } from '../../src/engine/weights/weight-store.ts';
import { testGpus } from '../helpers/devices.ts';
import { pipelinesOf } from '../helpers/graph.ts';

const [OUT, IN, RANK] = [10, 12, 4];
const values = (name: string, count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => seeded(name, i));

const file = (tensors: Readonly<Record<string, readonly number[]>>): Uint8Array =>
  writeSafetensors(
    Object.entries(tensors).map(([name, shape]) => {
      const data = values(
        name,
        shape.reduce((a, b) => a * b, 1),
      );
      return [name, { dtype: 'F32', shape: [...shape], data }] as const;
    }),
  );

describe.each(testGpus().filter(({ name }) => name === 'lavapipe'))(
  'low-rank weights on $name',
  (open) => {
    it('are added to their matrices under either prefix; other tensors replace the base', async () => {
      const gpu = await open.gpu();
      const engine = { gpu, pipelines: pipelinesOf(gpu), executor: new Executor(gpu) };
      const q = 'blocks.0.self_attn.q';
      const o = 'audio_injector.injector.3.o';
      const base = await WeightStore.open(
        [
          bytesSource(
            file({
              ...{ [`${q}.weight`]: [OUT, IN], [`${q}.bias`]: [OUT], [`${o}.weight`]: [OUT, IN] },
              ...{ 'blocks.0.ffn.0.weight': [OUT, IN], 'head.modulation': [1, 2, IN] },
            }),
          ),
        ],
        renameWan,
      );
      const [a, b] = [
        `base_model.model.${q}.lora_A.default.weight`,
        `base_model.model.${q}.lora_B.default.weight`,
      ];
      const [a2, b2] = [`${o}.lora_A.weight`, `${o}.lora_B.weight`];
      const lora = await WeightStore.open([
        bytesSource(
          file({
            ...{ [a]: [RANK, IN], [b]: [OUT, RANK], [a2]: [RANK, IN], [b2]: [OUT, RANK] },
            ...{ 'base_model.model.blocks.0.ffn.0.base_layer.weight': [OUT, IN] },
          }),
        ),
      ]);
      const merged = withLora({ ...engine, precision: 'f16' }, base, lora, { lora_alpha: 2 });
      const want = (weight: string, left: string, right: string): number[] => {
        const [w, down, up] = [
          values(weight, OUT * IN),
          values(left, RANK * IN),
          values(right, OUT * RANK),
        ];
        return Array.from(w, (value, i) => {
          const [row, column] = [Math.floor(i / IN), i % IN];
          let sum = 0;
          for (let r = 0; r < RANK; r++)
            sum += (up[row * RANK + r] ?? NaN) * (down[r * IN + column] ?? NaN);
          return value + (2 / RANK) * sum;
        });
      };
      const close = (got: Float32Array, expected: readonly number[]): void => {
        expect(got).toHaveLength(expected.length);
        got.forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? NaN, 5));
      };
      close(await merged.read('blocks.0.attn1.to_q.weight'), want(`${q}.weight`, a, b));
      close(await merged.read(`${o}.weight`), want(`${o}.weight`, a2, b2));
      close(await merged.read('blocks.0.attn1.to_q.bias'), [...values(`${q}.bias`, OUT)]);
      close(await merged.read('blocks.0.ffn.net.0.proj.weight'), [
        ...values('base_model.model.blocks.0.ffn.0.base_layer.weight', OUT * IN),
      ]);
      close(await merged.read('scale_shift_table'), [...values('head.modulation', 2 * IN)]);
      expect(merged.raw?.('blocks.0.attn1.to_q.weight')).toBeUndefined();
      expect(merged.raw?.('blocks.0.attn1.to_q.bias')?.dtype).toBe('F32');
    });
  },
);
