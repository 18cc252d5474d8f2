/**
 * `npm run tune`: times the variants of every kernel at the sizes of the bench's operators and writes what is fastest
 * into the table that ships with the engine, with and without subgroup matrices.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { operators, smallOperators } from '../bench/operators/index.ts';
import { prepareOurs } from '../bench/ours.ts';
import type { Gpu } from '../src/engine/gpu/device.ts';
import { EngineError } from '../src/engine/gpu/errors.ts';
import { PipelineCache } from '../src/engine/kernels/pipelines.ts';
import { memoryStore } from '../src/engine/tuning/store.ts';
import type { TuningEntry } from '../src/engine/tuning/store.ts';
import { tableKey } from '../src/engine/tuning/table.ts';
import { Tuner } from '../src/engine/tuning/tuner.ts';
import { openAdapter, usualAdapter } from './verify/adapter.ts';
import type { AdapterChoice } from './verify/adapter.ts';
import { ADAPTERS } from './verify/adapter.ts';

const HELP = `npm run tune -- [--adapter lavapipe|swiftshader|default] [--small] [--table FILE]

  --adapter A    what to time on; without it lavapipe where installed, else the machine's own GPU
  --small        small operators that a processor finishes in a moment
  --table FILE   where the table is (default: src/engine/tuning/table.json); entries of other devices stay`;

type Table = Record<string, Record<string, TuningEntry>>;

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      adapter: { type: 'string', default: usualAdapter() },
      small: { type: 'boolean', default: false },
      table: { type: 'string', default: 'src/engine/tuning/table.json' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const choice = ADAPTERS.find((name) => name === values.adapter);
  if (!choice) throw new Error(`--adapter: got ${values.adapter}, knows ${ADAPTERS.join(', ')}`);
  const table = JSON.parse(await readFile(values.table, 'utf8')) as Table;
  for (const without of [[], ['subgroup-matrix']] as const) {
    await tuneDevice(choice, without, values.small, async (key, record) => {
      table[key] = { ...table[key], ...record };
      await writeFile(values.table, `${JSON.stringify(table, null, 2)}\n`);
    });
  }
}

/** Takes what is known of a family of devices so far, after every operator: a run that is cut loses nothing. */
type Keep = (key: string, record: Record<string, TuningEntry>) => Promise<void>;

async function tuneDevice(
  choice: AdapterChoice,
  without: readonly 'subgroup-matrix'[],
  small: boolean,
  keep: Keep,
): Promise<void> {
  const gpu = await openAdapter(choice, without);
  try {
    if (without.length > 0 && !(await hasMatrices(choice))) return;
    console.log(`\n${tableKey(gpu)}: ${gpu.info.description || gpu.info.device}`);
    await timeOperators(gpu, small, (record) => keep(tableKey(gpu), record));
  } finally {
    gpu.destroy();
  }
}

/** Whether the device differs at all without subgroup matrices. */
async function hasMatrices(choice: AdapterChoice): Promise<boolean> {
  const whole = await openAdapter(choice);
  whole.destroy();
  return whole.caps.subgroupMatrix.length > 0;
}

async function timeOperators(
  gpu: Gpu,
  small: boolean,
  keep: (record: Record<string, TuningEntry>) => Promise<void>,
): Promise<void> {
  const pipelines = new PipelineCache(gpu.device);
  const store = memoryStore();
  const tuner = await Tuner.open({ gpu, pipelines, store, table: {}, budgetMs: Infinity });
  pipelines.tuning = tuner;
  for (const type of gpu.caps.f16 ? (['f16', 'f32'] as const) : (['f32', 'f16'] as const)) {
    const runner = { library: 'engine', gpu, pipelines, types: [type] };
    for (const operator of small ? smallOperators : operators) {
      const known = new Set(Object.keys(tuner.record));
      try {
        (await prepareOurs(runner, operator, type)).destroy();
      } catch (error) {
        if (!(error instanceof EngineError) || error.code !== 'gpu/limit') throw error;
        console.log(`left out: ${operator.name}, ${type}: ${error.message}`);
      }
      for (const [key, { kernel, values, ratio }] of Object.entries(tuner.record)) {
        if (!known.has(key)) {
          console.log(`${ratio.toFixed(2)}  ${kernel} ${JSON.stringify(values)}  for ${key}`);
        }
      }
      // What is not in the table runs by its defaults.
      const faster = Object.entries(tuner.record).filter(([, { ratio }]) => ratio < 1);
      await keep(Object.fromEntries(faster));
    }
  }
}

await main(process.argv.slice(2));
