/**
 * What is kept of admissions, and of how often somebody did something lately. Guarantees: a change is written
 * at the version it was decided on, or not at all; ids and keys made of addresses are their hashes.
 */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import { Collection, sortable, type Documents, type StoredDocument } from '../archive/documents.js';
import type { Page } from '../archive/port.js';
import { ticketOfReservation } from '../http/identity.js';
import type { TicketId } from '../rules/index.js';
import { hashOf } from '../users/records.js';
import { ticketIdOf, type Admission } from './admission.js';

const time = z.number();
const offerSchema = z.object({ id: z.string(), to: z.string(), from: z.string(), at: time });
const refundSchema = z.object({
  id: z.string(),
  numbers: z.array(z.number().int()).readonly(),
  before: z.number().int(),
  at: time,
  isDone: z.boolean(),
});
const useSchema = z.object({
  scanId: z.string(),
  at: time,
  gate: z.string(),
  device: z.string(),
  by: z.string(),
  notedAt: time,
});
const admissionSchema = z.object({
  reservationId: z.string(),
  number: z.number().int(),
  generation: z.number().int(),
  holder: z.string().exactOptional(),
  givenBy: z.string().exactOptional(),
  heldSince: time.exactOptional(),
  offer: offerSchema.exactOptional(),
  endedOffer: z.string().exactOptional(),
  refund: refundSchema.exactOptional(),
  used: useSchema.exactOptional(),
});
export type StoredAdmission = StoredDocument<Admission>;

/** Admissions of one reservation: more cannot be sold in one (`TICKETS_PER_RESERVATION_MAX`). */
const PER_RESERVATION_MAX = 1_000;
const NUMBER_DIGITS = 4;

interface PageRequest {
  readonly limit: number;
  readonly after?: string;
}

export class AdmissionRecords {
  readonly #collection: Collection<'admissions', typeof admissionSchema>;

  constructor(documents: Documents) {
    this.#collection = new Collection(documents, {
      name: 'admissions',
      schema: admissionSchema,
      lists: ({ reservationId, number, holder, heldSince = 0, offer, used }) => ({
        reservation: `${reservationId}/${String(number).padStart(NUMBER_DIGITS, '0')}`,
        holder: holder === undefined ? undefined : `${holder}/${sortable(heldSince)}`,
        offeredTo: offer && `${addressKey(offer.to)}/${sortable(offer.at)}`,
        offeredBy: offer && `${offer.from}/${sortable(offer.at)}`,
        used: used && `m${ticketOfReservation(reservationId)?.matchNumber ?? 0}/${sortable(used.notedAt)}`,
      }),
    });
  }

  /** Those of a reservation to which something happened. */
  async ofReservation(reservationId: string): Promise<readonly StoredAdmission[]> {
    const found: StoredAdmission[] = [];
    for await (const one of this.#beginningWith(`${reservationId}/`)) {
      found.push(one);
      if (found.length >= PER_RESERVATION_MAX) break;
    }
    return found;
  }

  // A reservation's id begins with its match and category (http/identity.ts).

  /** Those of all reservations of a match to which something happened. */
  ofMatch(matchNumber: number): AsyncIterable<StoredAdmission> {
    return this.#beginningWith(`m${matchNumber}c`);
  }

  /** The same of one of its tickets. */
  ofTicket({ matchNumber, category }: TicketId): AsyncIterable<StoredAdmission> {
    return this.#beginningWith(`m${matchNumber}c${category}-`);
  }

  #beginningWith(prefix: string): AsyncIterable<StoredAdmission> {
    return this.#collection.all('reservation', { prefix });
  }

  /** With which somebody was let in, those noted last first. */
  used(matchNumber: number): AsyncIterable<StoredAdmission> {
    return this.#collection.all('used', { prefix: `m${matchNumber}/`, newestFirst: true });
  }

  /** Transferred to the account, the newest first. */
  heldBy(account: string, page: PageRequest): Promise<Page<StoredAdmission>> {
    return this.#collection.list('holder', { ...page, prefix: `${account}/`, newestFirst: true });
  }

  async offeredTo(email: string, limit: number): Promise<readonly StoredAdmission[]> {
    const request = { prefix: `${addressKey(email)}/`, limit, newestFirst: true };
    return (await this.#collection.list('offeredTo', request)).items;
  }

  async offeredBy(account: string, limit: number): Promise<readonly StoredAdmission[]> {
    return (await this.#collection.list('offeredBy', { prefix: `${account}/`, limit })).items;
  }

  /** `version`: of what was read; null when there was none. False, and nothing done, when it changed since. */
  write(admission: Admission, version: number | null): Promise<boolean> {
    const id = ticketIdOf(admission.reservationId, admission.number);
    return version === null
      ? this.#collection.insert(id, admission)
      : this.#collection.replace(id, admission, version);
  }
}

const addressKey = (email: string): string => hashOf('address', email);

const shareSchema = z.object({ times: z.array(time) });
export const SHARE_MS = 3_600_000;
const CHANGES_MAX = 20;

/** Counts what may be done a few times in an hour. */
export class Shares {
  readonly #collection: Collection<'shares', typeof shareSchema>;
  readonly #clock: Clock;

  constructor({ documents, clock }: { readonly documents: Documents; readonly clock: Clock }) {
    this.#clock = clock;
    this.#collection = new Collection(documents, {
      name: 'shares',
      schema: shareSchema,
      expiresAt: ({ times }) => Math.max(0, ...times) + SHARE_MS,
    });
  }

  /** Counts it; false, and not counted, when `who` had `max` within the last hour. */
  async take(what: string, who: string, max: number): Promise<boolean> {
    const id = hashOf(what, who);
    for (let attempt = 0; attempt < CHANGES_MAX; attempt += 1) {
      const found = await this.#collection.get(id);
      const now = this.#clock.now();
      const times = (found?.value.times ?? []).filter((at) => at > now - SHARE_MS);
      if (times.length >= max) return false;
      const counted = { times: [...times, now] };
      const isDone = found
        ? await this.#collection.replace(id, counted, found.version)
        : await this.#collection.insert(id, counted);
      if (isDone) return true;
    }
    // So many at once are more than anybody's share.
    return false;
  }
}
