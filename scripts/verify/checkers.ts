/** Every kind of golden case that is known, in the order in which they are asked. */
import type { Checker } from './case.ts';
import { schedulers } from './cases/schedulers.ts';

export const CHECKERS: readonly Checker[] = [schedulers];
