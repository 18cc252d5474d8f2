/** The engine's worker, started once a page. */
import { startEngine } from '../engine/client.ts';
import { protectPage } from '../trust/protection.ts';

/** Resolves to what keeps the app to its policy. */
export const protection = protectPage();

/** The engine. */
export const engine = startEngine(protection);
