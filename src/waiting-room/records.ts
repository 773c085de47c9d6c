/**
 * What of the waiting room outlives Redis: what operators decided, and the round.
 *
 * Guarantees: of several processes that begin, open or end a round at the same time one does; a place below `ceiling`
 * may have been given, one above has not; the order of those who came before an opening is on record before anybody is
 * told of it.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { z } from 'zod';
import { Collection, type Documents } from '../archive/documents.js';
import { MODES } from './state.js';

const settingsSchema = z.object({
  mode: z.enum(MODES),
  opensAt: z.number().nullable(),
  perMinuteMax: z.number().nullable(),
});
export type RoomSettings = z.output<typeof settingsSchema>;

const roundSchema = z.object({
  id: z.number().int(),
  isOn: z.boolean(),
  /** Null when it was open at once. */
  opensAt: z.number().nullable(),
  /** Null before the opening. */
  openedAt: z.number().nullable(),
  /** How many came before it, in the order that the seed draws. */
  early: z.number().int(),
  seed: z.string(),
  ceiling: z.number().int(),
  /** As saved last: it may have gone on since. */
  admitted: z.number().int(),
  lapsed: z.number().int(),
  perMinute: z.number(),
});
export type Round = z.output<typeof roundSchema>;

const keptSchema = z.object({ settings: settingsSchema, round: roundSchema.nullable() });
export type KeptRoom = z.output<typeof keptSchema>;

const ID = 'room';
const ROUND_MAX = 2 ** 32;
const SEED_BYTES = 32;
const NOTHING: KeptRoom = { settings: { mode: 'off', opensAt: null, perMinuteMax: null }, round: null };

export class RoomRecords {
  readonly #collection: Collection<'waitingRoom', typeof keptSchema>;

  constructor(documents: Documents) {
    this.#collection = new Collection(documents, { name: 'waitingRoom', schema: keptSchema });
  }

  async read(): Promise<KeptRoom> {
    return (await this.#collection.get(ID))?.value ?? NOTHING;
  }

  settle(settings: RoomSettings): Promise<KeptRoom> {
    return this.#change((kept) => ({ ...kept, settings }));
  }

  /**
   * Another round in the place of `before`, unless somebody else has begun one. By chance, so that tokens of an
   * installation that was made anew under the same secret are none of it.
   */
  begin(
    before: number | null,
    { opensAt, now, perMinute }: { opensAt: number | null; now: number; perMinute: number },
  ): Promise<KeptRoom> {
    const isOpen = opensAt === null || opensAt <= now;
    const round: Round = {
      id: randomInt(1, ROUND_MAX),
      isOn: true,
      opensAt,
      openedAt: isOpen ? now : null,
      early: 0,
      seed: '',
      ceiling: 0,
      admitted: 0,
      lapsed: 0,
      perMinute,
    };
    return this.#change((kept) => ((kept.round?.id ?? null) === before ? { ...kept, round } : kept));
  }

  end(id: number): Promise<KeptRoom> {
    return this.#changeRound(id, (round) => (round.isOn ? { ...round, isOn: false } : round));
  }

  /** Another time of opening, while it has not opened. */
  move(id: number, opensAt: number | null): Promise<KeptRoom> {
    return this.#changeRound(id, (round) =>
      round.openedAt === null && round.opensAt !== opensAt ? { ...round, opensAt } : round,
    );
  }

  /** Draws the seed: the first who opens it does. */
  open(id: number, { early, now }: { readonly early: number; readonly now: number }): Promise<KeptRoom> {
    const seed = randomBytes(SEED_BYTES).toString('base64url');
    return this.#changeRound(id, (round) =>
      round.openedAt === null ? { ...round, openedAt: now, early, seed } : round,
    );
  }

  /** Answers the first place that may not be given; null when there is another round. */
  async raise(id: number, ceiling: number): Promise<number | null> {
    const { round } = await this.#changeRound(id, (before) =>
      before.ceiling < ceiling ? { ...before, ceiling } : before,
    );
    return round?.id === id ? round.ceiling : null;
  }

  /** How far it is. Never backwards. */
  save(
    id: number,
    { admitted, lapsed, perMinute }: Pick<Round, 'admitted' | 'lapsed' | 'perMinute'>,
  ): Promise<KeptRoom> {
    return this.#changeRound(id, (round) =>
      round.admitted > admitted ? round : { ...round, admitted, lapsed, perMinute },
    );
  }

  #changeRound(id: number, change: (round: Round) => Round): Promise<KeptRoom> {
    return this.#change((kept) => {
      if (kept.round?.id !== id) return kept;
      const round = change(kept.round);
      return round === kept.round ? kept : { ...kept, round };
    });
  }

  async #change(change: (kept: KeptRoom) => KeptRoom): Promise<KeptRoom> {
    return (await this.#collection.put(ID, (stored) => change(stored ?? NOTHING))).value;
  }
}
