import type { Outcome, Told } from '../../src/rules/index.js';

/** For where no ticket is sold in the order of the log: every outcome is told at once. */
export function told(outcome: Outcome): Told {
  if (outcome.kind === 'asked') throw new Error('the log decides this one');
  return outcome;
}
