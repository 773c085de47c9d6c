/** Sale phases as the archive keeps them: one document a ticket, replaced whole. */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import { Collection, type Documents } from '../archive/documents.js';
import { ticketName } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';
import { phaseSchema, type Phase } from './phase.js';

const ticketPhasesSchema = z.object({
  matchNumber: z.number().int(),
  category: z.number().int(),
  /** None: it is sold without. */
  phases: z.array(phaseSchema),
  changedAt: z.number(),
  /** As in the audit. */
  changedBy: z.string(),
});
export const allPhasesSchema = z.array(ticketPhasesSchema);
export type TicketPhases = z.output<typeof ticketPhasesSchema>;

export interface PhaseRecordsOptions {
  readonly documents: Documents;
  readonly clock: Clock;
}

const MATCH_DIGITS = 4;
const listKey = ({ matchNumber, category }: TicketId): string =>
  `${String(matchNumber).padStart(MATCH_DIGITS, '0')}:${category}`;

export class PhaseRecords {
  readonly #tickets: Collection<'salePhases', typeof ticketPhasesSchema>;
  readonly #clock: Clock;

  constructor({ documents, clock }: PhaseRecordsOptions) {
    this.#clock = clock;
    this.#tickets = new Collection(documents, {
      name: 'salePhases',
      schema: ticketPhasesSchema,
      lists: (ticket) => ({ all: listKey(ticket) }),
    });
  }

  /** Of the tickets that have some, by ticket. */
  async all(): Promise<readonly TicketPhases[]> {
    const all: TicketPhases[] = [];
    for await (const { value } of this.#tickets.all('all')) if (value.phases.length > 0) all.push(value);
    return all;
  }

  async of(ticket: TicketId): Promise<readonly Phase[]> {
    return (await this.#tickets.get(ticketName(ticket)))?.value.phases ?? [];
  }

  /**
   * Replaces the phases of a ticket; answers those before and after. `change` may be asked several times, and answers
   * those it was given to leave them.
   */
  async change(
    { matchNumber, category }: TicketId,
    by: string,
    change: (phases: readonly Phase[]) => readonly Phase[],
  ): Promise<{ readonly before: readonly Phase[]; readonly after: readonly Phase[] }> {
    let before: readonly Phase[] = [];
    const { value } = await this.#tickets.put(ticketName({ matchNumber, category }), (stored) => {
      before = stored?.phases ?? [];
      const phases = change(before);
      if (stored && phases === before) return stored;
      return { matchNumber, category, phases: [...phases], changedAt: this.#clock.now(), changedBy: by };
    });
    return { before, after: value.phases };
  }
}
