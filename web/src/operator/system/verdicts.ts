/**
 * Whether a part of the system needs somebody, from what it says of itself. Pure. The limits are those of a marketplace
 * that does its work: what is above them for a moment in a rush goes by itself.
 */
import type { VerdictKind } from '../ui/verdict';
import type { ConsumerState, SystemState } from './types';

export const PARTS = [
  'workers',
  'consumers',
  'deadLetters',
  'payments',
  'mails',
  'queues',
  'outbox',
] as const;
export type Part = (typeof PARTS)[number];

export const LIMITS = {
  /** A consumer that is alive says so every few seconds. */
  consumerSilenceMs: 60_000,
  lagRecords: 1_000,
  mailSeconds: 600,
  jobsWaiting: 5_000,
  outboxEntries: 5_000,
} as const;

export const isSilent = ({ at }: ConsumerState, now: number): boolean =>
  now - Date.parse(at) > LIMITS.consumerSilenceMs;

export const lagOf = ({ lag }: ConsumerState): number => lag.reduce((all, { records }) => all + records, 0);

/** `unknown`: no part of that kind says anything, which is right where there are no brokers. */
export function verdictsOf(system: SystemState): Readonly<Record<Part, VerdictKind>> {
  const now = Date.parse(system.at);
  const { workers, consumers, deadLetters, payments, mails, queues, outbox } = system;
  const isBehind = (one: ConsumerState): boolean => isSilent(one, now) || lagOf(one) > LIMITS.lagRecords;
  const look = (needed: boolean): VerdictKind => (needed ? 'look' : 'fine');
  return {
    workers: look(workers.length === 0),
    consumers: consumers.length === 0 ? 'unknown' : look(consumers.some(isBehind)),
    deadLetters: look(deadLetters.open > 0),
    payments: look(payments.stuck > 0),
    mails: look(mails.oldestSeconds > LIMITS.mailSeconds),
    queues: look(queues.waiting > LIMITS.jobsWaiting),
    outbox: look(outbox.entries > LIMITS.outboxEntries),
  };
}
