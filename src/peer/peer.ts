/**
 * Another marketplace, played: it sells from the same master list, tells of it as peers do, and misbehaves
 * when asked to.
 *
 * Guarantees: the same options and seed give the same messages, as long as the others sell the same; without
 * misbehaviour every value is canonical and every PENDING gets its end, also when the peer is stopped; a log
 * that is away is waited for, and meanwhile no sale begins; nothing grows without a limit; once `stop` has
 * resolved nothing of it is left running.
 */
import type { Clock } from '../actors/ports.js';
import type { MatchEntry } from '../catalog/match.js';
import type { IncomingRecord, Log, OutgoingRecord, Subscription } from '../kafka/port.js';
import { decodeMasterList, decodeSalesMessage } from '../kafka/wire.js';
import { garbageRecord, saleRecords, type IdsMode, type Sale, type SaleAction } from './messages.js';
import { inTime } from './in-time.js';
import { Outbox } from './outbox.js';
import { planSale, type Habits, type Plan } from './plan.js';
import { seeded, type Random } from './random.js';
import { Stock } from './stock.js';

export interface PeerOptions extends Habits {
  readonly log: Pick<Log, 'openPublisher' | 'fence' | 'readBack' | 'subscribe'>;
  readonly clock: Clock;
  readonly masterlistTopic: string;
  readonly salesTopic: string;
  /** Of no other marketplace. */
  readonly clientId: string;
  /** Also part of the reservation ids: two runs on one topic need different ones. */
  readonly seed: number;
  /** Sales per second, on average. */
  readonly rate: number;
  readonly ids: IdsMode;
  /** The only matches to sell; absent: all. */
  readonly matches?: ReadonlySet<number>;
  /** What is on sale before the log says anything. */
  readonly entries?: readonly MatchEntry[];
  /** Told once a second, and a last time when the peer has stopped. */
  readonly onSummary?: (summary: PeerSummary) => void;
}

/** Records that the log has, by kind: `repeats` are those published a second time. */
export interface PublishedCounts {
  readonly pending: number;
  readonly reserved: number;
  readonly cancelled: number;
  readonly repeats: number;
  readonly garbage: number;
}

export interface PeerSummary extends PublishedCounts {
  /** Begun. */
  readonly sales: number;
  /** Waiting for their end. */
  readonly open: number;
  readonly reordered: number;
  readonly silent: number;
  /** Sales messages read, its own among them. */
  readonly heard: number;
  /** Whether it knows of anything to sell. */
  readonly hasList: boolean;
  /** Tickets that it believes are left. */
  readonly left: number;
  /** Attempts to publish that failed and were made again. */
  readonly failures: number;
  /** Records that are not known to be published. */
  readonly waiting: number;
}

type Kind = keyof PublishedCounts;

export const PEER_HABITS: Habits = {
  patienceMs: 10_000,
  quantityMin: 1,
  quantityMax: 2,
  cancelShare: 0.3,
  repeats: 0,
  reorders: 0,
  garbage: 0,
  silence: 0,
};
/** Sales per second. */
export const PEER_RATE = 0.5;

/** While more ends and repeats are due, or more records wait for the log, no further sale begins. */
export const TIMERS_MAX = 10_000;
export const RECORDS_WAITING_MAX = 1_000;
/** The same while the log does not show so many of its own PENDING. */
export const UNSEEN_MAX = 1_000;
/** The first sale waits this long after there is a list, for the sales before it to be read. */
export const SETTLE_MS = 1_000;
const SUMMARY_MS = 1_000;
/** The subscription gets this long to end. */
const STOP_MS_MAX = 3_000;
/** A process that slept longer does not make up for the sales that it missed. */
const CATCH_UP_MS = 1_000;
/** Pauses between sales are by chance; this many times the mean at most. */
const GAP_MEANS_MAX = 5;

/** Streams of the seed; sales have those from 1 on. */
const GAP_STREAM = 0;
const JITTER_STREAM = -1;
const GARBAGE_STREAM = -2;

const KINDS: Readonly<Record<SaleAction, Kind>> = {
  TICKET_PENDING: 'pending',
  TICKET_RESERVED: 'reserved',
  TICKET_CANCELLED: 'cancelled',
};

export class Peer {
  readonly #options: PeerOptions;
  readonly #stock: Stock;
  readonly #outbox: Outbox<Kind>;
  readonly #gaps: Random;
  readonly #garbage: Random;
  readonly #published = { pending: 0, reserved: 0, cancelled: 0, repeats: 0, garbage: 0 };
  readonly #counts = { sales: 0, reordered: 0, silent: 0, heard: 0, failures: 0 };
  readonly #timers = new Set<() => void>();
  /** Sales that wait for their second record, and what that is when the peer is stopped before. */
  readonly #open = new Map<Sale, SaleAction>();
  /** PENDING of ours that the log has not shown yet, by what they look like there. */
  readonly #unseen = new Map<string, number>();
  /** The next offset to read, by source. */
  readonly #next = new Map<string, bigint>();
  #subscription: Subscription | null = null;
  #nextAt = 0;
  /** When there was a list for the first time. */
  #listedAt: number | null = null;
  #isCaughtUp = false;
  #stopping: Promise<void> | null = null;

  constructor(options: PeerOptions) {
    this.#options = options;
    const { log, clock, seed, salesTopic } = options;
    this.#stock = new Stock(options.matches ?? null);
    this.#gaps = seeded(seed, GAP_STREAM);
    this.#garbage = seeded(seed, GARBAGE_STREAM);
    this.#outbox = new Outbox<Kind>({
      log,
      clock,
      topic: salesTopic,
      random: seeded(seed, JITTER_STREAM),
      onPublished: (kinds) => {
        for (const kind of kinds) this.#published[kind] += 1;
      },
      onFailure: () => {
        this.#counts.failures += 1;
      },
    });
  }

  async start(): Promise<void> {
    const { log, clock, masterlistTopic, salesTopic, entries = [] } = this.#options;
    this.#load(entries);
    // Nothing is ever committed: what is left can only be counted from the beginning.
    this.#subscription = await log.subscribe([masterlistTopic, salesTopic], (records) => {
      for (const record of records) this.#hear(record);
      return Promise.resolve();
    });
    this.#nextAt = clock.now() + this.#gap();
    this.#armSale();
    this.#armSummary();
  }

  /** Gives open sales back, as a marketplace that closes does. Bounded, also while the log is away. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    for (const [sale, last] of this.#open) this.#send(sale, last);
    this.#open.clear();
    await this.#outbox.stop();
    if (this.#subscription) await inTime(this.#options.clock, STOP_MS_MAX, this.#subscription.stop());
    this.#options.onSummary?.(this.summary());
  }

  summary(): PeerSummary {
    return {
      ...this.#counts,
      ...this.#published,
      open: this.#open.size,
      hasList: !this.#stock.isEmpty,
      left: this.#stock.left,
      waiting: this.#outbox.waiting,
    };
  }

  // ---- listening --------------------------------------------------------------------------------------

  #hear(record: IncomingRecord): void {
    if (this.#wasRead(record)) return;
    if (record.topic === this.#options.masterlistTopic) {
      const decoded = decodeMasterList(record);
      if (decoded.kind === 'masterList') this.#load(decoded.entries);
      return;
    }
    this.#counts.heard += 1;
    const decoded = decodeSalesMessage(record);
    if (decoded.kind === 'malformed') return;
    const wasCounted = this.#wasUnseen(record);
    for (const item of decoded.items) {
      if (wasCounted) this.#stock.add(item.ticket, -item.quantity);
      this.#stock.count(item);
    }
  }

  /** A subscription that failed begins anew. */
  #wasRead({ source, offset }: IncomingRecord): boolean {
    const next = this.#next.get(source) ?? 0n;
    if (BigInt(offset) < next) return true;
    this.#next.set(source, BigInt(offset) + 1n);
    return false;
  }

  #load(entries: readonly MatchEntry[]): void {
    this.#stock.load(entries);
    if (!this.#stock.isEmpty) this.#listedAt ??= this.#options.clock.now();
  }

  /** True for the first appearance of a PENDING of ours. */
  #wasUnseen(record: IncomingRecord): boolean {
    const look = lookOf(record.value?.toString() ?? '', record.headers);
    const count = this.#unseen.get(look) ?? 0;
    if (count === 0) return false;
    if (count === 1) this.#unseen.delete(look);
    else this.#unseen.set(look, count - 1);
    return true;
  }

  /** Whether what came before has been read, so that what is left is known. */
  #knowsWhatIsLeft(): boolean {
    if (this.#isCaughtUp) return true;
    const { clock } = this.#options;
    if (this.#listedAt === null || clock.now() < this.#listedAt + SETTLE_MS) return false;
    const lag = this.#subscription?.lag() ?? new Map<string, number>();
    this.#isCaughtUp = [...lag.values()].every((records) => records === 0);
    return this.#isCaughtUp;
  }

  // ---- selling ----------------------------------------------------------------------------------------

  #armSale(): void {
    const { clock } = this.#options;
    this.#after(Math.max(0, this.#nextAt - clock.now()), () => {
      const now = clock.now();
      if (this.#nextAt < now - CATCH_UP_MS) this.#nextAt = now;
      while (this.#nextAt <= now) {
        if (this.#mayBegin()) this.#begin();
        this.#nextAt += this.#gap();
      }
      this.#armSale();
    });
  }

  /** Until the next sale, milliseconds: buyers come independently of each other. */
  #gap(): number {
    const means = Math.min(GAP_MEANS_MAX, -Math.log(1 - this.#gaps()));
    return (means * 1_000) / this.#options.rate;
  }

  #mayBegin(): boolean {
    return (
      this.#knowsWhatIsLeft() &&
      this.#timers.size < TIMERS_MAX &&
      this.#outbox.waiting < RECORDS_WAITING_MAX &&
      this.#unseen.size < UNSEEN_MAX
    );
  }

  #begin(): void {
    const { seed, quantityMin } = this.#options;
    const number = this.#counts.sales + 1;
    const random = seeded(seed, number);
    const plan = planSale(random, this.#options);
    const offer = this.#stock.offer(random, plan.quantity) ?? this.#stock.offer(random, quantityMin);
    // Sold out, as far as is known.
    if (!offer) return;
    this.#counts.sales = number;
    const quantity = Math.min(plan.quantity, offer.left);
    const { ticket, price } = offer;
    const sale = { reservationId: `${seed.toString(36)}-${number}`, ticket, price, quantity };
    if (plan.hasGarbage) this.#outbox.add([garbageRecord(this.#garbage, this.#sender)], 'garbage');
    this.#perform(sale, plan);
  }

  #perform(sale: Sale, plan: Plan): void {
    const { end, endAfterMs, isReordered } = plan;
    const [repeatFirst, repeatSecond] = plan.repeatAfterMs;
    if (end === null) {
      this.#counts.silent += 1;
      this.#send(sale, 'TICKET_PENDING', repeatFirst);
      return;
    }
    if (isReordered) this.#counts.reordered += 1;
    const [first, second]: [SaleAction, SaleAction] = isReordered
      ? [end, 'TICKET_PENDING']
      : ['TICKET_PENDING', end];
    this.#send(sale, first, repeatFirst);
    this.#open.set(sale, isReordered ? 'TICKET_PENDING' : 'TICKET_CANCELLED');
    this.#after(endAfterMs, () => {
      this.#open.delete(sale);
      this.#send(sale, second, repeatSecond);
    });
  }

  #send(sale: Sale, action: SaleAction, repeatAfterMs: number | null = null): void {
    const records = saleRecords(sale, action, this.#sender);
    if (action === 'TICKET_PENDING') this.#expect(sale, records);
    this.#outbox.add(records, KINDS[action]);
    if (repeatAfterMs === 0) this.#outbox.add(records, 'repeats', true);
    else if (repeatAfterMs !== null)
      this.#after(repeatAfterMs, () => this.#outbox.add(records, 'repeats', true));
  }

  /** Counts what is sold at once; when the log shows it, it is not counted again. */
  #expect(sale: Sale, records: readonly OutgoingRecord[]): void {
    this.#stock.add(sale.ticket, sale.quantity);
    for (const { value, headers } of records) {
      const look = lookOf(value, headers);
      this.#unseen.set(look, (this.#unseen.get(look) ?? 0) + 1);
    }
  }

  get #sender() {
    const { salesTopic: topic, clientId, ids } = this.#options;
    return { topic, clientId, ids };
  }

  // ---- timers -----------------------------------------------------------------------------------------

  #armSummary(): void {
    this.#after(SUMMARY_MS, () => {
      this.#options.onSummary?.(this.summary());
      this.#armSummary();
    });
  }

  #after(delayMs: number, task: () => void): void {
    const cancel = this.#options.clock.schedule(delayMs, () => {
      this.#timers.delete(cancel);
      task();
    });
    this.#timers.add(cancel);
  }
}

/** What tells a record of ours from others as far as its headers allow. */
const lookOf = (value: string, { clientId = '', eventId = '' }: Readonly<Record<string, string>>): string =>
  `${clientId} ${eventId} ${value}`;
