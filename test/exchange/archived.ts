/** What an archive alone says of a ticket: its snapshot, and the events after it. */
import { decodeState } from '../../src/actors/state-codec.js';
import type { Archive } from '../../src/archive/port.js';
import { apply, initialState, type TicketState } from '../../src/rules/index.js';

/** `ticket`: `matchNumber:category`. */
export async function archivedState(
  archive: Pick<Archive, 'snapshot' | 'events'>,
  ticket: string,
): Promise<TicketState> {
  const [matchNumber = 0, category = 0] = ticket.split(':').map(Number);
  const id = { matchNumber, category };
  const snapshot = await archive.snapshot(id);
  let state = snapshot ? decodeState(id, snapshot.schema, snapshot.state) : initialState(id);
  for await (const { event } of archive.events(id, snapshot)) state = apply(state, event);
  return state;
}
