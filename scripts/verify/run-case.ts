/** Runs one case and holds every output against its reference. */
import type { CaseContext, Checker, Output } from './case.ts';
import type { Comparison } from './compare.ts';
import { compare } from './compare.ts';

export type Report = {
  readonly passed: boolean;
  /** What to print after the name of the case. */
  readonly text: string;
};

/** Whether a tensor of io.safetensors is a result, with or without a variant's name before it. */
export function isResult(name: string): boolean {
  const segments = name.split('.');
  const at = segments.indexOf('out');
  return at >= 0 && at < segments.length - 1 && !['in', 'mid', 'act'].includes(segments[0] ?? '');
}

/** Resolves to the verdict on one case; a checker that throws is a failure with its message. */
export async function runCase(context: CaseContext, checkers: readonly Checker[]): Promise<Report> {
  const checker = checkers.find(({ matches }) => matches(context.config, context.io.names()));
  if (!checker) return { passed: false, text: 'unknown kind of case' };
  try {
    return await judge(context, await checker.run(context));
  } catch (error) {
    return { passed: false, text: error instanceof Error ? error.message : String(error) };
  }
}

async function judge({ io, level }: CaseContext, outputs: readonly Output[]): Promise<Report> {
  const missing = io
    .names()
    .filter((name) => isResult(name) && !outputs.some((output) => output.name === name));
  if (missing.length > 0) return { passed: false, text: `not computed: ${missing.join(', ')}` };
  if (outputs.length === 0) return { passed: false, text: 'nothing to compare' };
  const compared: { label: string; comparison: Comparison }[] = [];
  for (const { name, values, measure, defined, skipped, note } of outputs) {
    const label = note ? `${name} (${note})` : name;
    const reference = (await io.read(name)).values.subarray(skipped ?? 0, defined);
    compared.push({ label, comparison: compare(values, reference, measure, level) });
  }
  compared.sort((a, b) => b.comparison.badness - a.comparison.badness);
  const failed = compared.filter(({ comparison }) => !comparison.passed);
  const shown = failed.length > 0 ? failed.slice(0, 4) : compared.slice(0, 1);
  const worst = shown.map(({ label, comparison }) => `${comparison.text} ${label}`).join(', ');
  const more = failed.length > shown.length ? ` and ${failed.length - shown.length} more` : '';
  return { passed: failed.length === 0, text: `worst ${worst}${more} of ${compared.length}` };
}
