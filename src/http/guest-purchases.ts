/**
 * Which purchase of somebody whose e-mail address is not confirmed may be charged. Guarantee: one at a time,
 * whatever is paid at the same moment and by whichever process; the place is free again once that purchase has
 * come to nothing.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import { Collection, type Documents } from '../archive/documents.js';

const placeSchema = z.object({ reservationId: z.string(), at: z.number() });

/** Each lost attempt means that another purchase got on. */
const ATTEMPTS_MAX = 20;

export interface GuestPurchasesOptions {
  readonly documents: Documents;
  readonly clock: Clock;
  /** By then the purchase is in the archive, or has ended. */
  readonly keepMs: number;
}

export class GuestPurchases {
  readonly #places: Collection<'guestPurchases', typeof placeSchema>;
  readonly #clock: Clock;

  constructor({ documents, clock, keepMs }: GuestPurchasesOptions) {
    this.#clock = clock;
    this.#places = new Collection(documents, {
      name: 'guestPurchases',
      schema: placeSchema,
      expiresAt: ({ at }) => at + keepMs,
    });
  }

  /** Whether the reservation has the place now. `isOver` says whether the one that had it has come to nothing. */
  async claim(
    person: string,
    reservationId: string,
    isOver: (reservationId: string) => Promise<boolean>,
  ): Promise<boolean> {
    const id = createHash('sha256').update(person).digest('hex');
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const place = { reservationId, at: this.#clock.now() };
      if (await this.#places.insert(id, place)) return true;
      const found = await this.#places.get(id);
      if (!found) continue;
      const { reservationId: holder } = found.value;
      if (holder === reservationId) return true;
      if (!(await isOver(holder))) return false;
      if (await this.#places.replace(id, place, found.version)) return true;
    }
    return false;
  }
}
