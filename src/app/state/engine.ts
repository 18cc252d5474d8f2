/** The engine's worker, started once a page. */
import { startEngine } from '../engine-client.ts';

/** The engine. */
export const engine = startEngine();
