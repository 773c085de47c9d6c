/** The demand for every ticket, put together from live counters, the counts of sales, and the catalog. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock, TicketCounters } from '../../actors/ports.js';
import type { Match } from '../../catalog/match.js';
import { peerOf } from '../../operations/market-routes.js';
import type { SalesBook } from '../../operations/sales/book.js';
import { HOUR_MS } from '../../operations/sales/month.js';
import type { Standing } from '../../archive/ledger-walk.js';
import { each } from '../../process/each.js';
import { ticketName } from '../../redis/keys.js';
import type { RemoteTally, TicketId } from '../../rules/index.js';
import type { Subject } from './evidence.js';
import { Forecaster, type Prospect } from './forecast.js';
import { DAY_HOURS, historiesOf, windowOf, type History, type Window } from './history.js';
import { oversubscribersOf, ranked, type Oversubscriber } from './oversubscription.js';

export interface DemandOptions {
  readonly book: Pick<SalesBook, 'read'>;
  readonly standing: () => Standing;
  readonly matches: () => Promise<readonly Match[]>;
  readonly tickets: () => readonly TicketId[];
  readonly counters: (tickets: readonly TicketId[]) => Promise<readonly TicketCounters[]>;
  /** What other marketplaces have of a ticket. */
  readonly market: (
    ticket: TicketId,
  ) => Promise<{ readonly remote: ReadonlyMap<string, Pick<RemoteTally, 'held' | 'sold'>> }>;
  readonly clock: Clock;
  /** Our own name among the marketplaces. */
  readonly clientId: string;
}

/** When it sells out, or why nothing is said of that. */
export type Outlook =
  Prospect | { readonly kind: 'sold_out' | 'temporarily_unavailable' | 'paused' | 'closed' | 'cancelled' };
export const OUTLOOKS = [
  'forecast',
  'temporarily_unavailable',
  'too_little_history',
  'paused',
  'sold_out',
  'closed',
  'cancelled',
] as const satisfies readonly Outlook['kind'][];

/** What a marketplace has of a ticket now. */
export interface Holder {
  readonly clientId: string;
  /** It is ours. */
  readonly isOwn?: true;
  readonly held: number;
  readonly sold: number;
}

/** Times are epoch milliseconds. */
export interface TicketDemand extends TicketId {
  readonly match: Match;
  readonly counters: TicketCounters;
  readonly held: number;
  /** By how much `pending` is below 0. */
  readonly oversubscribed: number;
  readonly outlook: Outlook;
  /** The end of what is forecast. */
  readonly endsAt: number;
  /** It is on sale although its match has begun: what is forecast ends some days from now. */
  readonly isPastKickoff: boolean;
  /** Net, here and elsewhere. */
  readonly soldLastDay: number;
  readonly soldLastWeek: number;
  /** Of a ticket that is oversubscribed: who has what, the most first. */
  readonly holders: readonly Holder[];
  /** Over the last days. */
  readonly oversubscribers: readonly Oversubscriber[];
}

export interface Demand {
  readonly at: number;
  readonly standing: Standing;
  /** What needs attention comes first. */
  readonly tickets: readonly TicketDemand[];
  /** Of all tickets together, with how many tickets it was. */
  readonly oversubscribers: readonly (Oversubscriber & { readonly tickets: number })[];
}

/** Days that are looked back at for who took more than was left. */
export const OVERSUBSCRIPTION_DAYS = 14;
/** What is on sale after kick-off has no end of its own: so far is looked ahead. */
export const PAST_KICKOFF_DAYS = 30;
/** An answer is given again for so long. */
export const KEPT_MS = 10_000;
/** Oversubscribed tickets, those with the largest deficit, of which it is told who has what. */
export const HELD_TICKETS_MAX = 200;
export const HOLDERS_MAX = 20;
const READS_AT_ONCE = 16;
/** Forecasts between which others have their turn. */
const FORECASTS_AT_ONCE = 25;
const DAY_MS = DAY_HOURS * HOUR_MS;

export class DemandView {
  readonly #options: DemandOptions;
  #kept: { readonly until: number; readonly demand: Promise<Demand> } | null = null;

  constructor(options: DemandOptions) {
    this.#options = options;
  }

  /** At most `KEPT_MS` old. Made once, however many ask at the same time. */
  read(): Promise<Demand> {
    const now = this.#options.clock.now();
    if (this.#kept && this.#kept.until > now) return this.#kept.demand;
    const kept = { until: now + KEPT_MS, demand: this.#make(now) };
    this.#kept = kept;
    kept.demand.catch(() => {
      // What failed is tried anew.
      if (this.#kept === kept) this.#kept = null;
    });
    return kept.demand;
  }

  async #make(now: number): Promise<Demand> {
    const { book, standing, matches, tickets, counters } = this.#options;
    const window = windowOf(now);
    // Before the reading: what is counted meanwhile may be in it or not.
    const stood = standing();
    const [months, listed, counted] = await Promise.all([
      book.read(window.start, window.end),
      matches(),
      counters(tickets()),
    ]);
    const histories = historiesOf(months, window);
    const byNumber = new Map(listed.map((match) => [match.matchNumber, match]));
    const since = firstSalesOf(histories, window);
    const known = counted.flatMap((one) => {
      const match = byNumber.get(one.matchNumber);
      if (!match) return [];
      const history = histories.get(ticketName(one)) ?? [];
      const kickOff = Date.parse(match.dateUtc);
      const isPastKickoff = kickOff <= now;
      const endsAt = isPastKickoff ? now + PAST_KICKOFF_DAYS * DAY_MS : kickOff;
      const subject: Subject = {
        history,
        available: one.available,
        since: since(one.matchNumber) ?? now,
        endsAt,
        kinds: kindsOf(match, one.category),
      };
      return [{ match, counters: one, history, subject, isPastKickoff, endsAt }];
    });
    const forecaster = new Forecaster(
      known.map(({ subject }) => subject),
      window,
      now,
    );
    const holders = await this.#holders(counted);
    const made: TicketDemand[] = [];
    for (const { subject, history, ...ticket } of known) {
      if (made.length % FORECASTS_AT_ONCE === FORECASTS_AT_ONCE - 1) await nextTurn();
      const { matchNumber, category, available, pending } = ticket.counters;
      const net = (days: number): number => netSince(history, window, days);
      made.push({
        matchNumber,
        category,
        ...ticket,
        held: available - pending,
        oversubscribed: Math.max(0, -pending),
        outlook: outlookOf(ticket.counters, () => forecaster.prospect(subject)),
        soldLastDay: net(1),
        soldLastWeek: net(7),
        holders: holders.get(ticketName(ticket.counters)) ?? [],
        oversubscribers: oversubscribersOf(history, available, hourAgo(window, OVERSUBSCRIPTION_DAYS)),
      });
    }
    const sorted = made.toSorted(byAttention);
    return { at: now, standing: stood, tickets: sorted, oversubscribers: togetherOf(sorted) };
  }

  async #holders(counted: readonly TicketCounters[]): Promise<ReadonlyMap<string, readonly Holder[]>> {
    const { market, clientId } = this.#options;
    const found = new Map<string, readonly Holder[]>();
    const over = counted
      .filter(({ pending }) => pending < 0)
      .toSorted((a, b) => a.pending - b.pending)
      .slice(0, HELD_TICKETS_MAX);
    await each(over, READS_AT_ONCE, async (ticket) => {
      const { remote } = await market({ matchNumber: ticket.matchNumber, category: ticket.category });
      found.set(ticketName(ticket), holdersOf(ticket, remote, clientId));
    });
    return found;
  }
}

function holdersOf(
  { soldHere, heldHere }: TicketCounters,
  remote: ReadonlyMap<string, Pick<RemoteTally, 'held' | 'sold'>>,
  ownId: string,
): readonly Holder[] {
  const peers = new Map<string, Holder>();
  for (const [key, { held, sold }] of remote) {
    const { clientId } = peerOf(key);
    const before = peers.get(clientId);
    peers.set(clientId, {
      clientId,
      held: (before?.held ?? 0) + held,
      sold: (before?.sold ?? 0) + sold,
    });
  }
  const own: Holder = { clientId: ownId, isOwn: true, held: heldHere, sold: soldHere };
  return [own, ...peers.values()]
    .filter(({ held, sold }) => held + sold > 0)
    .sort((a, b) => b.held + b.sold - (a.held + a.sold))
    .slice(0, HOLDERS_MAX);
}

/** What is similar to a ticket: the same category at the same stage, the same category, any. */
const kindsOf = ({ group, roundNumber }: Match, category: number): readonly string[] => [
  `${group === null ? roundNumber : 'group'}/${category}`,
  `${category}`,
  'any',
];

/** When something of a match was first sold; of one that sold nothing: when anything was. Epoch milliseconds. */
function firstSalesOf(
  histories: ReadonlyMap<string, History>,
  { start }: Window,
): (matchNumber: number) => number | null {
  const first = new Map<number, number>();
  let ofAll = Infinity;
  for (const [name, [entry]] of histories) {
    if (!entry) continue;
    const matchNumber = Number.parseInt(name, 10);
    first.set(matchNumber, Math.min(entry.hour, first.get(matchNumber) ?? Infinity));
    ofAll = Math.min(ofAll, entry.hour);
  }
  return (matchNumber) => {
    const hour = first.get(matchNumber) ?? ofAll;
    return hour === Infinity ? null : start + hour * HOUR_MS;
  };
}

const hourAgo = ({ start, end }: Window, days: number): number => (end - start) / HOUR_MS - days * DAY_HOURS;

function netSince(history: History, window: Window, days: number): number {
  const from = hourAgo(window, days);
  return history.reduce((sum, { hour, sold, refunded }) => (hour < from ? sum : sum + sold - refunded), 0);
}

function outlookOf(counters: TicketCounters, prospect: () => Prospect): Outlook {
  if (counters.cancelled === true) return { kind: 'cancelled' };
  if (counters.closed) return { kind: 'closed' };
  if (counters.available <= 0) return { kind: 'sold_out' };
  if (counters.paused === true) return { kind: 'paused' };
  if (counters.pending <= 0) return { kind: 'temporarily_unavailable' };
  return prospect();
}

/** What was oversubscribed comes first, then what sells out soonest. */
function byAttention(a: TicketDemand, b: TicketDemand): number {
  return (
    b.oversubscribed - a.oversubscribed ||
    OUTLOOKS.indexOf(a.outlook.kind) - OUTLOOKS.indexOf(b.outlook.kind) ||
    soonest(a.outlook, b.outlook) ||
    a.matchNumber - b.matchNumber ||
    a.category - b.category
  );
}

function soonest(a: Outlook, b: Outlook): number {
  if (a.kind !== 'forecast' || b.kind !== 'forecast') return 0;
  const [one, other] = [a.median ?? Infinity, b.median ?? Infinity];
  return one === other ? b.chance - a.chance : one - other;
}

function togetherOf(tickets: readonly TicketDemand[]): Demand['oversubscribers'] {
  const found = new Map<string, Demand['oversubscribers'][number]>();
  for (const { oversubscribers } of tickets) {
    for (const { clientId, hours, ticketsMost } of oversubscribers) {
      const before = found.get(clientId);
      found.set(clientId, {
        clientId,
        hours: (before?.hours ?? 0) + hours,
        ticketsMost: (before?.ticketsMost ?? 0) + ticketsMost,
        tickets: (before?.tickets ?? 0) + 1,
      });
    }
  }
  return ranked([...found.values()]);
}
