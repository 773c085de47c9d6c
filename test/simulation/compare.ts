/**
 * Conversations with a real Redis, whose scripts may be those of a mutation, and with the one in memory. The seeds are
 * the arguments; says of each that differs where it does, and ends with 1 then.
 */
import { randomUUID } from 'node:crypto';
import { Conversation, TICKETS } from './conversation.js';
import { DifferenceError, Twins } from './twins.js';

const STEPS = 500;

async function differenceOf(seed: number): Promise<DifferenceError | null> {
  const twins = new Twins(`seed ${seed}`, `t-${randomUUID().slice(0, 8)}`, TICKETS);
  try {
    await twins.start();
    await new Conversation(twins, seed).run(STEPS);
    return null;
  } catch (error) {
    if (error instanceof DifferenceError) return error;
    throw error;
  } finally {
    await twins.stop();
  }
}

for (const seed of process.argv.slice(2).map(Number)) {
  // A real server has a clock of its own: what differs by it, and not by a script, does not do so twice.
  const difference = (await differenceOf(seed)) && (await differenceOf(seed));
  if (!difference) continue;
  console.log(difference.message);
  process.exitCode = 1;
}
