/** The ladders that `npm run bench -- --ladder MODEL` knows: a model adds itself here. */
import { i2vgenxl } from './i2vgenxl.ts';
import type { LadderModel } from './ladder.ts';
import { newbie } from './newbie.ts';
import { wan5b } from './wan5b.ts';

export const ladders: readonly LadderModel[] = [wan5b, i2vgenxl, newbie];
