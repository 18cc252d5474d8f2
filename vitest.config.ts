import { defineConfig } from 'vitest/config';
import { wgslLoader } from './wgsl-loader/index.ts';

const plugins = [wgslLoader()];

/** Three tiers, one after another: pure TypeScript, the software GPU adapters in Node, and the app in a browser. */
export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        plugins,
        test: {
          name: 'unit',
          include: ['tests/unit/**/*.test.ts'],
          environment: 'node',
          sequence: { groupOrder: 0 },
        },
      },
      {
        plugins,
        test: {
          name: 'gpu',
          include: ['tests/kernels/**/*.test.ts', 'tests/models/**/*.test.ts'],
          environment: 'node',
          // A process a file: Dawn is native code, and a crash must not take other files with it.
          pool: 'forks',
          // Compiling takes most of the time, on one core a file.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 300_000,
          hookTimeout: 60_000,
        },
      },
      {
        plugins,
        test: {
          name: 'app',
          include: ['tests/app/**/*.test.ts'],
          environment: 'node',
          pool: 'forks',
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
