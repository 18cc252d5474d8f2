/** Which memory tensors share, and where the output of a call is written over one of its inputs. */
import { bytesOf } from '../gpu/tensor.ts';
import type { Dispatch } from '../kernels/kernel.ts';
import { outputOf } from '../kernels/kernel.ts';
import type { Tensor } from './graph.ts';
import { offsetOf, rootOf } from './graph.ts';

/** Whether two tensors share memory. */
export function meets(a: Tensor, b: Tensor): boolean {
  if (rootOf(a) !== rootOf(b)) return false;
  const [atA, atB] = [offsetOf(a), offsetOf(b)];
  return atA < atB + bytesOf(b.shape, b.dtype) && atB < atA + bytesOf(a.shape, a.dtype);
}

/** Returns the inputs, by binding name, over which every kernel that may take the call can write its output. */
export function coverable({
  kernel,
  variants = [],
  dims,
  values = {},
}: Dispatch<Tensor>): string[] {
  const [first = [], ...others] = [kernel, ...variants].map(({ over }) => over?.(dims, values));
  return first.filter((name) => others.every((names) => names?.includes(name)));
}

/** Returns the input, by binding name, in whose place the output of a call lies; see passes/in-place.ts. */
export function coveredBy(call: Dispatch<Tensor>): string | undefined {
  const y = call.tensors[outputOf(call.kernel)];
  return coverable(call).find((name) => {
    const x = call.tensors[name];
    return x && y && rootOf(x) === rootOf(y) && offsetOf(x) === offsetOf(y);
  });
}
