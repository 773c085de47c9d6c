/**
 * The shop's read model: matches and their counters, kept in memory and in step with every commit.
 *
 * Guarantees: what `fresh` answers includes every change committed before it was called, so reads after a write
 * are true; while that cannot be known it rejects instead (`UnavailableError`), within a bound. A change that
 * is older than what is shown never shows. Where the sale of a ticket has phases, what is shown is what holds at that
 * moment, and listeners hear when one begins or ends.
 */
import { createHash } from 'node:crypto';
import type { Clock, TicketCounters } from '../actors/ports.js';
import { CATEGORIES, ticketsOf, type Category, type Match } from '../catalog/match.js';
import { pauseOf, NO_NOTICES, type Message, type Notices } from '../catalog/notices.js';
import type { Logger } from '../process/log.js';
import type { TicketId } from '../rules/index.js';
import { bounded } from './bounded.js';
import type { SaleView } from '../phases/phase.js';
import type { CatalogSource, CountersSource, SalesSource } from './ports.js';
import { UnavailableError } from './problem.js';

export const TICKET_STATUSES = ['available', 'temporarily_unavailable', 'sold_out'] as const;
export type TicketStatus = (typeof TICKET_STATUSES)[number];

/** What people see of a ticket: never below 0, whatever several marketplaces did at once. */
export interface CategoryView {
  readonly available: number;
  readonly pending: number;
  readonly price: number;
  readonly status: TicketStatus;
  /** Present once sales were closed. */
  readonly closed?: true;
  /** Present while an operator has stopped its sales. */
  readonly paused?: true;
  /** Present where its sale has phases. */
  readonly sale?: SaleView;
}

/** What operators tell whoever looks at a match. */
export type MatchNoticeView =
  | { readonly kind: 'cancelled' | 'paused'; readonly message?: Message }
  | {
      readonly kind: 'rescheduled';
      readonly message?: Message;
      readonly previousDateUtc: string;
      readonly previousLocation: string;
      readonly refundUntil: string;
    };

export interface MatchView {
  readonly matchNumber: number;
  readonly roundNumber: number;
  readonly dateUtc: string;
  readonly location: string;
  readonly availability: Readonly<Record<`category${Category}`, CategoryView>>;
  readonly homeTeam: string;
  readonly awayTeam: string;
  readonly group: string | null;
  /** ISO 4217, lower case. */
  readonly currency: string;
  readonly notice?: MatchNoticeView;
}

export interface ListedMatch {
  readonly view: MatchView;
  /** `view`, serialized. */
  readonly json: string;
  readonly counters: readonly TicketCounters[];
}

export interface Listing {
  /** Matches whose three tickets are open, by match number. */
  readonly matches: readonly ListedMatch[];
  /** `{ "matches": [...] }`, serialized. */
  readonly json: string;
  /** Strong: a hash of `json`, the same in every process. */
  readonly etag: string;
}

/** `ticket`: one listed ticket changed, or its sale began or ended. `listing`: other matches are listed, or anything may have changed. */
export type ReadModelChange =
  { readonly kind: 'ticket'; readonly counters: TicketCounters } | { readonly kind: 'listing' };

export interface ReadModelOptions {
  readonly counters: CountersSource;
  readonly catalog: CatalogSource;
  /** Absent: everything is sold without phases. */
  readonly sales?: SalesSource;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a read may wait for the model to be known to be up to date. */
  readonly waitMs: number;
  /** Between attempts to load it. */
  readonly retryMs?: number;
}

const RETRY_MS = 500;
/** A timer is set for so long at most: the longest that Node.js knows is 24 days. */
const TIMER_MS_MAX = 24 * 60 * 60_000;

const keyOf = ({ matchNumber, category }: TicketId): number => matchNumber * 10 + category;

export function statusOf({
  available,
  pending,
  paused = false,
}: Pick<TicketCounters, 'available' | 'pending' | 'paused'>): TicketStatus {
  if (available <= 0) return 'sold_out';
  return paused || pending <= 0 ? 'temporarily_unavailable' : 'available';
}

export function categoryView(counters: TicketCounters, sale: SaleView | null = null): CategoryView {
  return {
    available: Math.max(0, counters.available),
    pending: Math.max(0, counters.pending),
    price: counters.price,
    status: statusOf(counters),
    ...(counters.closed && { closed: true as const }),
    ...(counters.paused === true && { paused: true as const }),
    ...(sale && { sale }),
  };
}

export class ReadModel {
  readonly #options: ReadModelOptions;
  readonly #barrier: SharedBarrier;
  readonly #listeners = new Set<(change: ReadModelChange) => void>();
  #facts = new Map<number, Match>();
  #notices: Notices = NO_NOTICES;
  #counters = new Map<number, TicketCounters>();
  /** Serialized matches; an entry goes when one of its tickets changes. */
  readonly #cache = new Map<number, ListedMatch>();
  #listing: Listing | null = null;
  /** Changes heard while a reload is under way; null when none is. */
  #heard: Map<number, TicketCounters> | null = null;
  /** Set while what is shown may be behind; resolves when it is not. */
  #loading: Promise<void> | null = null;
  #reloadAgain = false;
  #stops: (() => void)[] = [];
  #stopped = false;
  /** When a sale phase begins or ends next, and of which tickets. */
  #turn: ReturnType<SalesSource['nextChange']> = null;
  #cancelTurn: (() => void) | null = null;

  constructor(options: ReadModelOptions) {
    this.#options = options;
    this.#barrier = new SharedBarrier(() => {
      const { clock, waitMs, counters } = this.#options;
      return bounded(clock, waitMs, 'change feed', counters.barrier());
    });
  }

  /** Subscribes and begins to load; resolves when the first load is done. */
  async start(): Promise<void> {
    const { counters, catalog, sales } = this.#options;
    const reload = (): void => this.#reload();
    this.#stops = [counters.subscribe((change) => this.#take(change), reload), catalog.subscribe(reload)];
    if (sales) this.#stops.push(sales.subscribe(() => this.#salesChanged()));
    this.#planTurn();
    this.#reload();
    await this.#loading;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTurn?.();
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }

  /** The listing with every change committed before this call. Rejects with `UnavailableError`. */
  async fresh(): Promise<Listing> {
    await this.#barrier.wait();
    // A reset says that changes were missed, and a reload may be followed by another.
    if (this.#loading) {
      const { clock, waitMs } = this.#options;
      await bounded(clock, waitMs, 'read model', this.#settled());
    }
    return this.current();
  }

  /** The listing as far as it is known, without waiting. */
  current(): Listing {
    this.#keepTime();
    return (this.#listing ??= this.#list());
  }

  /** How the sale of a ticket stands now; null where it has no phases. */
  saleOf(ticket: TicketId): SaleView | null {
    const { sales, clock } = this.#options;
    return sales?.saleOf(ticket, clock.now()) ?? null;
  }

  /** Whether a match number is in the catalog; asks again before it says no. */
  async knows({ matchNumber }: TicketId): Promise<boolean> {
    if (this.#facts.has(matchNumber)) return true;
    await this.fresh();
    return this.#facts.has(matchNumber);
  }

  onChange(listener: (change: ReadModelChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #settled(): Promise<void> {
    while (this.#loading) await this.#loading;
    if (this.#stopped) throw new UnavailableError('the read model was stopped');
  }

  #take(change: TicketCounters): void {
    const key = keyOf(change);
    if (this.#heard) putNewer(this.#heard, key, change);
    const wasOpen = this.#isOpen(change.matchNumber);
    if (!putNewer(this.#counters, key, change)) return;
    this.#forget(change.matchNumber);
    if (!this.#isOpen(change.matchNumber)) return;
    this.#emit(wasOpen ? { kind: 'ticket', counters: change } : { kind: 'listing' });
  }

  /** A timer may come late, and reads must not show what was before. */
  #keepTime(): void {
    const { clock } = this.#options;
    while (this.#turn && this.#turn.at <= clock.now()) {
      const { tickets } = this.#turn;
      this.#planTurn(this.#turn.at);
      for (const ticket of tickets) this.#turned(ticket);
    }
  }

  #turned(ticket: TicketId): void {
    this.#forget(ticket.matchNumber);
    const counters = this.#counters.get(keyOf(ticket));
    if (counters && this.#isOpen(ticket.matchNumber)) this.#emit({ kind: 'ticket', counters });
  }

  #planTurn(after = this.#options.clock.now()): void {
    const { sales, clock } = this.#options;
    this.#cancelTurn?.();
    this.#cancelTurn = null;
    this.#turn = sales?.nextChange(after) ?? null;
    if (this.#turn && !this.#stopped) this.#waitForTurn(this.#turn.at - clock.now());
  }

  #waitForTurn(ms: number): void {
    const { clock } = this.#options;
    this.#cancelTurn = clock.schedule(Math.min(Math.max(ms, 0), TIMER_MS_MAX), () => {
      this.#cancelTurn = null;
      this.#keepTime();
      // It came too early, as after the longest timer there is.
      const waits = this.#turn && !this.#cancelTurn && !this.#stopped;
      if (this.#turn && waits) this.#waitForTurn(Math.max(1, this.#turn.at - clock.now()));
    });
  }

  #salesChanged(): void {
    this.#planTurn();
    this.#cache.clear();
    this.#listing = null;
    this.#emit({ kind: 'listing' });
  }

  #isOpen(matchNumber: number): boolean {
    return this.#facts.has(matchNumber) && this.#ticketsOf(matchNumber) !== null;
  }

  #forget(matchNumber: number): void {
    this.#cache.delete(matchNumber);
    this.#listing = null;
  }

  #emit(change: ReadModelChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  #reload(): void {
    if (this.#loading) {
      this.#reloadAgain = true;
      return;
    }
    this.#loading = this.#loadUntilDone().finally(() => {
      this.#loading = null;
      if (this.#stopped) return;
      // Asked for after the last look: nothing may be missed between the two.
      if (this.#reloadAgain) this.#reload();
      else this.#emit({ kind: 'listing' });
    });
  }

  async #loadUntilDone(): Promise<void> {
    const { clock, logger, retryMs } = this.#options;
    let again = true;
    while (again && !this.#stopped) {
      this.#reloadAgain = false;
      this.#heard = new Map();
      try {
        await this.#load(this.#heard);
        again = this.#reloadAgain;
      } catch (error) {
        logger.warn({ error: String(error) }, 'the read model could not be loaded; trying again');
        await new Promise<void>((resolve) => clock.schedule(retryMs ?? RETRY_MS, resolve));
      }
    }
    this.#heard = null;
  }

  /** Replaces everything by what is stored, except where a newer change was heard meanwhile. */
  async #load(heard: ReadonlyMap<number, TicketCounters>): Promise<void> {
    const { clock, waitMs, counters, catalog } = this.#options;
    const matches = await bounded(clock, waitMs, 'catalog', catalog.matches());
    const tickets = matches.flatMap(({ matchNumber }) => ticketsOf(matchNumber));
    const stored = await bounded(clock, waitMs, 'counters', counters.read(tickets));
    const next = new Map<number, TicketCounters>();
    for (const change of [...stored, ...heard.values()]) putNewer(next, keyOf(change), change);
    this.#notices = catalog.notices;
    this.#facts = new Map(matches.map((match) => [match.matchNumber, match]));
    this.#counters = next;
    this.#cache.clear();
    this.#listing = null;
  }

  #list(): Listing {
    const numbers = [...this.#facts.keys()].sort((a, b) => a - b);
    const matches = numbers.map((matchNumber) => this.#listed(matchNumber)).filter((match) => match !== null);
    const json = `{"matches":[${matches.map((match) => match.json).join(',')}]}`;
    const etag = `"${createHash('sha256').update(json).digest('base64url').slice(0, 27)}"`;
    return { matches, json, etag };
  }

  #listed(matchNumber: number): ListedMatch | null {
    const cached = this.#cache.get(matchNumber);
    if (cached) return cached;
    const facts = this.#facts.get(matchNumber);
    const tickets = this.#ticketsOf(matchNumber);
    if (!facts || !tickets) return null;
    const view = matchView(facts, tickets, this.#notices, (ticket) => this.saleOf(ticket));
    const listed = { view, json: JSON.stringify(view), counters: tickets };
    this.#cache.set(matchNumber, listed);
    return listed;
  }

  /** Counters of the three tickets; null until all are open. */
  #ticketsOf(matchNumber: number): readonly [TicketCounters, TicketCounters, TicketCounters] | null {
    const [first, second, third] = CATEGORIES.map((category) =>
      this.#counters.get(keyOf({ matchNumber, category })),
    );
    return first && second && third ? [first, second, third] : null;
  }
}

function matchView(
  facts: Match,
  [first, second, third]: readonly [TicketCounters, TicketCounters, TicketCounters],
  notices: Notices,
  saleOf: (ticket: TicketId) => SaleView | null,
): MatchView {
  const notice = noticeOf(facts.matchNumber, notices);
  return {
    matchNumber: facts.matchNumber,
    roundNumber: facts.roundNumber,
    dateUtc: facts.dateUtc,
    location: facts.location,
    availability: {
      category1: categoryView(first, saleOf(first)),
      category2: categoryView(second, saleOf(second)),
      category3: categoryView(third, saleOf(third)),
    },
    homeTeam: facts.homeTeam,
    awayTeam: facts.awayTeam,
    group: facts.group,
    currency: first.currency,
    ...(notice && { notice }),
  };
}

/** The one that matters most. */
function noticeOf(matchNumber: number, notices: Notices): MatchNoticeView | null {
  const { cancelled, rescheduled } = notices.matches.get(matchNumber) ?? {};
  if (cancelled) return { kind: 'cancelled', ...cancelled };
  const paused = CATEGORIES.map((category) => pauseOf(notices, { matchNumber, category })).find(
    (pause) => pause !== null,
  );
  if (paused) return { kind: 'paused', message: paused.message };
  if (!rescheduled) return null;
  const { message, previousDateUtc, previousLocation, refundUntil } = rescheduled;
  return {
    kind: 'rescheduled',
    ...(message && { message }),
    previousDateUtc,
    previousLocation,
    refundUntil: new Date(refundUntil).toISOString(),
  };
}

/** Puts `change` unless what is there is as new; versions count within an incarnation. */
function putNewer(into: Map<number, TicketCounters>, key: number, change: TicketCounters): boolean {
  const known = into.get(key);
  const isOld =
    known !== undefined &&
    (change.incarnation < known.incarnation ||
      (change.incarnation === known.incarnation && change.version <= known.version));
  if (!isOld) into.set(key, change);
  return !isOld;
}

/**
 * A barrier that concurrent callers share, where each shares only one that started after it came: one that was
 * under way already says nothing about what was committed since it started.
 */
export class SharedBarrier {
  readonly #pass: () => Promise<void>;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(pass: () => Promise<void>) {
    this.#pass = pass;
  }

  wait(): Promise<void> {
    if (!this.#running) return this.#start();
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = null;
        return this.#start();
      });
    return this.#next;
  }

  #start(): Promise<void> {
    const running = this.#pass().finally(() => {
      if (this.#running === running) this.#running = null;
    });
    this.#running = running;
    return running;
  }
}
