/** A library that the engine is compared with. */
import type { Contender, ElementType } from '../contender.ts';
import type { OperandBytes } from '../operands.ts';
import type { Operator } from '../operators/operator.ts';

export type Peer = {
  readonly library: string;
  readonly version: string;
  readonly types: readonly ElementType[];
  /** Whether the operator has a form for the library. */
  runs(operator: Operator): boolean;
  prepare(operator: Operator, type: ElementType, bytes: OperandBytes): Promise<Contender>;
};
