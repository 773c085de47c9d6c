/**
 * Ends where an account waits, before it is erased. Guarantee: when this has resolved it is in no list any more, and nothing
 * more will be offered to it; when it rejects it may wait somewhere still, and one asks again.
 */
import { randomUUID } from 'node:crypto';
import type { Clock, TicketStore } from '../actors/ports.js';
import { bounded } from '../http/bounded.js';
import type { CommandGateway } from '../http/ports.js';
import { UnavailableError } from '../http/problem.js';
import type { RedisWaitingLists } from '../redis/waiting-lists.js';
import type { TicketId } from '../rules/index.js';
import { personOf } from '../security/person.js';

/** Nobody asks for the outcome later. */
const KEEP_MS = 60_000;
/** How long one look at all lists may take. */
const LOOK_MS_MAX = 5_000;
/** A place for which the log of the market is asked can be given up, or is offered, when the log has decided. */
const ROUNDS_MAX = 5;
const PAUSE_MS = 500;

export interface LeaveAllOptions {
  readonly lists: Pick<RedisWaitingLists, 'find' | 'ofPerson'>;
  readonly store: Pick<TicketStore, 'pulse'>;
  readonly tickets: readonly TicketId[];
  readonly gateway: CommandGateway;
  readonly clock: Clock;
}

interface Place {
  readonly ticket: TicketId;
  readonly entryId: string;
}

export async function leaveWaitingLists(
  options: LeaveAllOptions,
  { id: account, email }: { readonly id: string; readonly email: string | null },
): Promise<void> {
  if (email === null) return;
  const { gateway, clock } = options;
  // What a command answers is not trusted: there is an end when a look finds no place.
  for (let round = 1; ; round += 1) {
    const look = placesOf(options, account, personOf(email));
    const places = await bounded(clock, LOOK_MS_MAX, 'waiting lists', look);
    if (places.length === 0) return;
    if (round > ROUNDS_MAX) throw new UnavailableError('a place in a waiting list could not be given up yet');
    if (round > 1) await new Promise<void>((resolve) => clock.schedule(PAUSE_MS, resolve));
    await Promise.all(
      places.map(async ({ ticket, entryId }) => {
        const body = { type: 'leaveWaitingList' as const, entryId };
        const { kind } = await gateway.submit({ ticket, id: randomUUID(), body, keepMs: KEEP_MS });
        if (kind !== 'answered')
          throw new UnavailableError('a place in a waiting list could not be given up');
      }),
    );
  }
}

/** Rejects while Redis may have lost a place that the archive has. */
async function placesOf(
  { lists, store, tickets }: LeaveAllOptions,
  account: string,
  person: string,
): Promise<readonly Place[]> {
  const waiting = await lists.ofPerson(tickets, person);
  const found = await Promise.all(waiting.map(({ ticket, entryId }) => lists.find(ticket, entryId)));
  // After the look, which may have been at what a Redis that lost writes had left.
  const pulses = await store.pulse(tickets);
  if (pulses.length < tickets.length || pulses.some(({ dueAt }) => dueAt === null)) {
    throw new Error('a ticket waits to be rebuilt');
  }
  return waiting.filter((_, i) => {
    const one = found[i];
    // A guest with the same mailbox waits on.
    return one?.kind === 'waiting' && one.entry.account === account;
  });
}
