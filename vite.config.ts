import { defineConfig } from 'vite';
import { wgslLoader } from './wgsl-loader/index.ts';

export default defineConfig({
  base: './',
  plugins: [wgslLoader()],
  worker: { format: 'es', plugins: () => [wgslLoader()] },
  build: { target: 'es2023', assetsInlineLimit: 0 },
});
