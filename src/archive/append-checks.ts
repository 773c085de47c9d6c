/** What every archive refuses of an append, and how it says so. */
import { ticketName } from '../redis/keys.js';
import type { AppendBatch, CommittedEvent } from './port.js';

/** Checks what the port asks of a batch by itself. */
export function checkBatch({ ticket, incarnation, events }: AppendBatch): void {
  const first = events[0]?.sequence ?? 1;
  events.forEach((event, index) => {
    const fits =
      event.ticket.matchNumber === ticket.matchNumber &&
      event.ticket.category === ticket.category &&
      event.incarnation === incarnation &&
      event.sequence === first + index;
    if (!fits) {
      throw new Error(
        `Batch of ticket ${ticketName(ticket)}, incarnation ${incarnation}, from sequence ${first}: ` +
          `its event ${index} is of ${ticketName(event.ticket)}, ${event.incarnation}, ${event.sequence}`,
      );
    }
  });
}

/**
 * A repeated event must be the one that is stored. Answering `appended` for another would promise durability
 * to a fact that is nowhere written: a sender that lost part of its own history and numbers anew.
 */
export function refuseOther(event: CommittedEvent, kept: CommittedEvent | null | undefined): void {
  if (kept?.commandId === event.commandId && kept.event.type === event.event.type) return;
  throw new Error(
    `Ledger of ticket ${ticketName(event.ticket)}, incarnation ${event.incarnation}, holds another event at ` +
      `sequence ${event.sequence}: ${kept?.event.type} of command ${kept?.commandId}, ` +
      `not ${event.event.type} of ${event.commandId}`,
  );
}

export function gapBefore({ ticket, incarnation, sequence }: CommittedEvent, due: number): Error {
  return new Error(
    `Gap in the ledger of ticket ${ticketName(ticket)}, incarnation ${incarnation}: ` +
      `sequence ${due} is next, ${sequence} was appended`,
  );
}
