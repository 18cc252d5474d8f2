import { tableRow } from '../../src/engine/kernels/table-row.ts';
import { sweepKernel } from '../helpers/kernel.ts';

sweepKernel(tableRow);
