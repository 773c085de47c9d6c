/**
 * Ends where an account waits, before it is erased. Guarantee: when this has resolved nothing more will be offered to it;
 * when it rejects it may wait somewhere still, and one asks again.
 */
import { randomUUID } from 'node:crypto';
import type { CommandGateway } from '../http/ports.js';
import { UnavailableError } from '../http/problem.js';
import type { RedisWaitingLists } from '../redis/waiting-lists.js';
import type { TicketId } from '../rules/index.js';
import { personOf } from '../security/person.js';

/** Nobody asks for the outcome later. */
const KEEP_MS = 60_000;

export interface LeaveAllOptions {
  readonly lists: Pick<RedisWaitingLists, 'find' | 'ofPerson'>;
  readonly tickets: readonly TicketId[];
  readonly gateway: CommandGateway;
}

export async function leaveWaitingLists(
  { lists, tickets, gateway }: LeaveAllOptions,
  { id: account, email }: { readonly id: string; readonly email: string | null },
): Promise<void> {
  if (email === null) return;
  const waiting = await lists.ofPerson(tickets, personOf(email));
  await Promise.all(
    waiting.map(async ({ ticket, entryId }) => {
      const found = await lists.find(ticket, entryId);
      // A guest with the same mailbox waits on.
      if (found?.entry.account !== account) return;
      const body = { type: 'leaveWaitingList' as const, entryId };
      const { kind } = await gateway.submit({ ticket, id: randomUUID(), body, keepMs: KEEP_MS });
      if (kind !== 'answered') throw new UnavailableError('a place in a waiting list could not be given up');
    }),
  );
}
