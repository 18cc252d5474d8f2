/**
 * Runs a TypeScript program of this repository on plain Node: `node scripts/run.mjs FILE [ARGUMENT...]`.
 * Vite loads it, so that `.ts` and `.wgsl` imports work as they do in the page. The program finds its arguments in
 * `process.argv`, awaits its work at the top level and sets `process.exitCode`; an error it lets out ends in status 1.
 */
import { resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { createServer } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const [file = '', ...args] = process.argv.slice(2);
const program = resolve(root, file);
process.argv = [process.execPath, program, ...args];

const server = await createServer({
  root,
  logLevel: 'error',
  appType: 'custom',
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
  optimizeDeps: { noDiscovery: true, include: [] },
});
try {
  await server.ssrLoadModule(program);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await server.close();
}
