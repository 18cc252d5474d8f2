/** Tables indexed by the step counter on the device: timestep features, coefficients. */
import { tableRow as tableRowKernel } from '../../kernels/table-row.ts';
import { rowsOf } from '../../gpu/tensor.ts';
import type { Inputs, Node, Op, Tensor } from '../graph.ts';
import { checkShape } from '../graph.ts';

export type TableRowInputs = Inputs & { readonly table: Tensor; readonly step: Tensor };

export const tableRowOp: Op<TableRowInputs, null> = {
  name: 'table-row',
  lower({ inputs: { table, step }, outputs }: Node<TableRowInputs, null>) {
    const shape = table.shape.slice(1);
    const dims = { N: table.shape[0] ?? 1, rows: rowsOf(shape), C: shape.at(-1) ?? 1 };
    return [{ kernel: tableRowKernel, tensors: { table, step, y: outputs[0] }, dims }];
  },
};

/** Returns entry step[0] of table [N, ..., C] -> [..., C], stored like the table; a step past the end gives the last. */
export function tableRow(table: Tensor, step: Tensor): Tensor {
  checkShape(table.shape.length > 1, table.graph, 'table', table.shape, '[steps, ..., C]');
  checkShape(step.dtype === 'u32', table.graph, 'step counter', step.shape, 'one u32');
  return table.graph.add(tableRowOp, { table, step }, null, table.shape.slice(1), table.dtype);
}
