/**
 * The signed list a gate works with while it has no network: every ticket that is sold of a match, and what is known
 * of it.
 *
 * Guarantees: a ticket that admitted nobody when the list was made is not on it as one that does, and what is on no
 * list admits nobody; nobody makes or changes one without the key of ticket codes; devices that ask at the same time
 * get the same one, which is made once.
 */
import { setImmediate as othersTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Clock } from '../actors/ports.js';
import { ticketsOf } from '../catalog/match.js';
import type { Reservation, TicketId } from '../rules/index.js';
import { standingsOf, ticketIdOf, type Admission, type AdmissionState, type Standing } from './admission.js';
import type { TicketCodes } from './codes.js';
import type { AdmissionRecords, StoredAdmission } from './records.js';

/** The `typ` of its JWS. */
export const LIST_TYPE = 'ticktak-check-in-list';
/** Lists are made before a match, for that match. */
export const LIST_LIFE_MS = 86_400_000;

export type ListedState = 'valid' | 'used' | 'void';
/** Ticket id, category, generation of the code that counts, state, when it was used (epoch seconds). */
export type Listed = readonly [
  ticketId: string,
  category: number,
  generation: number,
  state: ListedState,
  usedAt: number | null,
];

export interface ListPayload {
  readonly v: 1;
  readonly matchNumber: number;
  /** Epoch seconds. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly admissions: readonly Listed[];
}

/** The JSON of an answer, in both forms. */
export interface MadeList {
  readonly plain: Buffer;
  readonly gzipped: Buffer;
}

export interface CheckInListsOptions {
  readonly records: Pick<AdmissionRecords, 'ofTicket'>;
  readonly codes: Pick<TicketCodes, 'statement'>;
  readonly clock: Clock;
  /** Sales of a ticket that have places left. */
  readonly sold: (ticket: TicketId) => AsyncIterable<Reservation>;
  readonly isCancelled: (matchNumber: number) => Promise<boolean>;
}

/** How long a list is handed out again: a stadium's costs a second or two, and every device asks every few minutes. */
export const LIST_KEEP_MS = 30_000;
/** Reservations worked on before others get their turn. */
const TURN = 500;

const zipped = promisify(gzip);

export class CheckInLists {
  readonly #options: CheckInListsOptions;
  readonly #made = new Map<number, { readonly at: number; readonly list: Promise<MadeList> }>();

  constructor(options: CheckInListsOptions) {
    this.#options = options;
  }

  of(matchNumber: number): Promise<MadeList> {
    const { clock } = this.#options;
    const made = this.#made.get(matchNumber);
    if (made && clock.now() - made.at < LIST_KEEP_MS) return made.list;
    const list = this.#make(matchNumber);
    const entry = { at: clock.now(), list };
    this.#made.set(matchNumber, entry);
    const forget = (): void => {
      if (this.#made.get(matchNumber) === entry) this.#made.delete(matchNumber);
    };
    // One that is as large as a stadium is not kept for nothing.
    void list.then(() => clock.schedule(LIST_KEEP_MS, forget), forget);
    return list;
  }

  async #make(matchNumber: number): Promise<MadeList> {
    const issuedAt = Math.floor(this.#options.clock.now() / 1_000);
    const isCancelled = await this.#options.isCancelled(matchNumber);
    const admissions: Listed[] = [];
    for (const ticket of ticketsOf(matchNumber)) {
      for (const one of await this.#ofTicket(ticket)) admissions.push(isCancelled ? voided(one) : one);
    }
    const expiresAt = issuedAt + LIST_LIFE_MS / 1_000;
    const payload: ListPayload = { v: 1, matchNumber, issuedAt, expiresAt, admissions };
    const plain = Buffer.from(JSON.stringify({ list: this.#options.codes.statement(LIST_TYPE, payload) }));
    return { plain, gzipped: await zipped(plain) };
  }

  async #ofTicket(ticket: TicketId): Promise<readonly Listed[]> {
    const { records, sold } = this.#options;
    // These first: a reservation that is read after them is not older.
    const known = await byReservation(records.ofTicket(ticket));
    const listed: Listed[] = [];
    let looked = 0;
    for await (const reservation of sold(ticket)) {
      const standings = standingsOf(reservation, known.get(reservation.id) ?? []);
      for (const standing of standings) listed.push(listedOf(ticket, standing));
      looked += 1;
      if (looked % TURN === 0) await othersTurn();
    }
    return listed;
  }
}

async function byReservation(
  stored: AsyncIterable<StoredAdmission>,
): Promise<ReadonlyMap<string, readonly Admission[]>> {
  const grouped = new Map<string, Admission[]>();
  for await (const { value: one } of stored) {
    const others = grouped.get(one.reservationId);
    if (others) others.push(one);
    else grouped.set(one.reservationId, [one]);
  }
  return grouped;
}

const STATES: Readonly<Record<AdmissionState, ListedState>> = {
  valid: 'valid',
  offered: 'valid',
  // Nobody may be let in with what is given back at this moment.
  refunding: 'void',
  used: 'used',
  void: 'void',
};

function listedOf({ category }: TicketId, { admission, state }: Standing): Listed {
  const { reservationId, number, generation } = admission;
  return [ticketIdOf(reservationId, number), category, generation, STATES[state], usedAt(admission)];
}

const usedAt = ({ used }: Admission): number | null => (used ? Math.floor(used.at / 1_000) : null);

const voided = ([id, category, generation, , at]: Listed): Listed => [id, category, generation, 'void', at];
