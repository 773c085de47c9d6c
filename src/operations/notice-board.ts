/**
 * What operators have decided about sales and matches: pauses, cancelled matches, moved ones.
 *
 * Guarantees: a decision is durable before anything follows from it; every process is told of it, again whenever
 * Redis may have forgotten; decisions about pauses are numbered in their order, so that whoever applies an older
 * one late changes nothing.
 */
import { z } from 'zod';
import { Collection, type Documents } from '../archive/documents.js';
import type { Catalog } from '../catalog/catalog.js';
import {
  messageSchema,
  noticesToFields,
  pauseIdOf,
  pauseSchema,
  type MatchNotice,
  type Notices,
  type Pause,
} from '../catalog/notices.js';

/** Pauses at once; a global one makes most of them needless. */
export const PAUSES_MAX = 300;

const controlSchema = z.object({
  /** Grows with every change. */
  revision: z.number().int(),
  pauses: z.array(pauseSchema),
});
export type SalesControl = z.output<typeof controlSchema>;

const time = z.number();
const cancellationSchema = z.object({
  state: z.enum(['closing', 'refunding', 'done']),
  reason: messageSchema,
  startedAt: time,
  startedBy: z.string(),
  finishedAt: time.exactOptional(),
  /** Tickets of the match whose actors have closed it. */
  closed: z.number().int(),
  /** Reservations that were paid, or being paid for, when it was closed. */
  total: z.number().int(),
  /** Those of them that have ended. */
  refunded: z.number().int(),
  /** Mails that were queued. */
  mailed: z.number().int(),
  /** What a person must look at. */
  failures: z.array(z.object({ reservationId: z.string(), reason: z.string() })),
});
export type Cancellation = z.output<typeof cancellationSchema>;

const rescheduleSchema = z.object({
  dateUtc: z.string(),
  location: z.string(),
  previousDateUtc: z.string(),
  previousLocation: z.string(),
  message: messageSchema.exactOptional(),
  refundUntil: time,
  startedAt: time,
  startedBy: z.string(),
  finishedAt: time.exactOptional(),
  total: z.number().int(),
  mailed: z.number().int(),
});
export type Reschedule = z.output<typeof rescheduleSchema>;

const changeSchema = z.object({
  matchNumber: z.number().int(),
  cancellation: cancellationSchema.exactOptional(),
  reschedule: rescheduleSchema.exactOptional(),
});
export type MatchChange = z.output<typeof changeSchema>;

const CONTROL_ID = 'pauses';
const NO_CONTROL: SalesControl = { revision: 0, pauses: [] };

export interface NoticeBoardOptions {
  readonly documents: Documents;
  readonly catalog: Pick<Catalog, 'shareNotices' | 'notices' | 'matches'>;
}

export class NoticeBoard {
  readonly #options: NoticeBoardOptions;
  readonly #control: Collection<'salesControl', typeof controlSchema>;
  readonly #changes: Collection<'matchChanges', typeof changeSchema>;

  constructor(options: NoticeBoardOptions) {
    const { documents } = options;
    this.#options = options;
    this.#control = new Collection(documents, { name: 'salesControl', schema: controlSchema });
    this.#changes = new Collection(documents, {
      name: 'matchChanges',
      schema: changeSchema,
      lists: (_, id) => ({ all: id }),
    });
  }

  async control(): Promise<SalesControl> {
    return (await this.#control.get(CONTROL_ID))?.value ?? NO_CONTROL;
  }

  /** Replaces a pause of the same scope. `full` when there are too many. */
  async pause(pause: Omit<Pause, 'id'>): Promise<Pause | 'full'> {
    const placed: Pause = { id: pauseIdOf(pause), ...pause };
    const kept = await this.#control.put(CONTROL_ID, (stored) => {
      const before = stored ?? NO_CONTROL;
      const others = before.pauses.filter(({ id }) => id !== placed.id);
      return others.length >= PAUSES_MAX ? before : revised(before, [...others, placed]);
    });
    if (!kept.value.pauses.includes(placed)) return 'full';
    await this.share();
    return placed;
  }

  /** False when there was none. */
  async resume(id: string): Promise<boolean> {
    let was = false;
    await this.#control.update(CONTROL_ID, (before) => {
      const others = before.pauses.filter((pause) => pause.id !== id);
      was = others.length < before.pauses.length;
      return was ? revised(before, others) : before;
    });
    if (was) await this.share();
    return was;
  }

  /** The next decision is numbered above `revision`: tickets remember one that this store has lost. */
  async raise(revision: number): Promise<SalesControl> {
    const { value } = await this.#control.put(CONTROL_ID, (stored) => {
      const before = stored ?? NO_CONTROL;
      return revised({ ...before, revision: Math.max(before.revision, revision) }, before.pauses);
    });
    return value;
  }

  async change(matchNumber: number): Promise<MatchChange | null> {
    return (await this.#changes.get(String(matchNumber)))?.value ?? null;
  }

  async changes(): Promise<readonly MatchChange[]> {
    const all: MatchChange[] = [];
    for await (const { value } of this.#changes.all('all')) all.push(value);
    return all;
  }

  /** `update` may be asked several times; it answers what it was given to leave it as it is. */
  async changeMatch(matchNumber: number, update: (change: MatchChange) => MatchChange): Promise<MatchChange> {
    const kept = await this.#changes.put(String(matchNumber), (stored) => update(stored ?? { matchNumber }));
    return kept.value;
  }

  /** Tells every process what is decided now. */
  async share(): Promise<void> {
    await this.#options.catalog.shareNotices(await this.#notices());
  }

  /** Tells it again where Redis does not have it; answers whether it had to. */
  async restore(): Promise<boolean> {
    const { catalog } = this.#options;
    const decided = await this.#notices();
    await catalog.matches();
    const isTold =
      JSON.stringify(noticesToFields(decided)) === JSON.stringify(noticesToFields(catalog.notices));
    if (!isTold) await catalog.shareNotices(decided);
    return !isTold;
  }

  async #notices(): Promise<Notices> {
    const [{ pauses }, changes] = await Promise.all([this.control(), this.changes()]);
    const matches = changes
      .map((change) => [change.matchNumber, noticeOf(change)] as const)
      .sort(([a], [b]) => a - b);
    return { pauses, matches: new Map(matches) };
  }
}

const revised = ({ revision }: SalesControl, pauses: readonly Pause[]): SalesControl => ({
  revision: revision + 1,
  pauses: [...pauses],
});

function noticeOf({ cancellation, reschedule }: MatchChange): MatchNotice {
  return {
    ...(cancellation && { cancelled: { message: cancellation.reason } }),
    ...(reschedule && { rescheduled: rescheduledOf(reschedule) }),
  };
}

function rescheduledOf(change: Reschedule): NonNullable<MatchNotice['rescheduled']> {
  const { dateUtc, location, previousDateUtc, previousLocation, message, refundUntil } = change;
  return {
    dateUtc,
    location,
    previousDateUtc,
    previousLocation,
    ...(message && { message }),
    refundUntil,
  };
}
