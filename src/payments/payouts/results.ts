/**
 * How each payout compared when it was looked at last, and whose turn it is to look. Guarantee: of several
 * processes one has the turn; one that dies leaves it after a while.
 */
import { z } from 'zod';
import type { Clock } from '../../actors/ports.js';
import { Collection, sortable, type Documents } from '../../archive/documents.js';

const resultSchema = z.object({
  kind: z.literal('result'),
  /** When the payout was made; of what is not paid out, when it was compared. */
  at: z.number(),
  comparedAt: z.number(),
  mismatches: z.number(),
  isComplete: z.boolean(),
  /** Of what is not paid out: how far back the balance has to be read for it. */
  unpaidSince: z.number().exactOptional(),
  /** Of what is not paid out: when the newest charge was made that is. */
  chargedUntil: z.number().exactOptional(),
});
export type PayoutResult = Omit<z.output<typeof resultSchema>, 'kind'>;

const turnSchema = z.object({
  kind: z.literal('turn'),
  /** Until when somebody has it. */
  takenUntil: z.number(),
  /** When the next one begins. */
  nextAt: z.number(),
});

/** The result of what is not paid out. No payout is called so. */
export const PENDING = 'pending';
const TURN = 'turn';
const KEEP_MS = 400 * 24 * 60 * 60_000;

export interface PayoutTurn {
  /** Longer than that; false when another has it by now. */
  extend(ms: number): Promise<boolean>;
  /** The next one may begin at `nextAt`. */
  end(nextAt: number): Promise<void>;
}

const schema = z.discriminatedUnion('kind', [resultSchema, turnSchema]);

export class PayoutResults {
  readonly #collection: Collection<'payouts', typeof schema>;
  readonly #clock: Clock;

  constructor(documents: Documents, clock: Clock) {
    this.#clock = clock;
    this.#collection = new Collection(documents, {
      name: 'payouts',
      schema,
      lists: (value) => (value.kind === 'result' ? { all: sortable(value.at) } : {}),
      expiresAt: (value) => (value.kind === 'result' ? value.comparedAt + KEEP_MS : undefined),
    });
  }

  async get(id: string): Promise<PayoutResult | null> {
    const value = (await this.#collection.get(id))?.value;
    if (value?.kind !== 'result') return null;
    const { kind: _, ...result } = value;
    return result;
  }

  async keep(id: string, result: PayoutResult): Promise<void> {
    await this.#collection.put(id, () => ({ kind: 'result', ...result }));
  }

  /** Of all payouts made since, and of what is not paid out. */
  async mismatches(since: number): Promise<number> {
    let sum = 0;
    for await (const { value } of this.#collection.all('all', { newestFirst: true })) {
      if (value.kind !== 'result') continue;
      if (value.at < since) break;
      sum += value.mismatches;
    }
    return sum;
  }

  /** For so long; null when it is another's, or not due. */
  async take(ms: number): Promise<PayoutTurn | null> {
    const now = this.#clock.now();
    const mine = { kind: 'turn', takenUntil: now + ms, nextAt: 0 } as const;
    if (await this.#collection.insert(TURN, mine)) return this.#turn(1);
    const found = await this.#collection.get(TURN);
    if (found?.value.kind !== 'turn') return null;
    if (found.value.takenUntil > now || found.value.nextAt > now) return null;
    return (await this.#collection.replace(TURN, mine, found.version)) ? this.#turn(found.version + 1) : null;
  }

  #turn(first: number): PayoutTurn {
    let version = first;
    const replace = async (takenUntil: number, nextAt: number): Promise<boolean> => {
      const isMine = await this.#collection.replace(TURN, { kind: 'turn', takenUntil, nextAt }, version);
      if (isMine) version += 1;
      return isMine;
    };
    return {
      extend: (ms) => replace(this.#clock.now() + ms, 0),
      end: async (nextAt) => void (await replace(0, nextAt)),
    };
  }
}
