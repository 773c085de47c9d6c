/**
 * What is to happen in a simulation, drawn from its seed before it begins: how large it is, what buyers and peers
 * do, and which faults come when. A plan can be made smaller without changing what is left of it.
 */
import { ticketsOf } from '../../src/catalog/match.js';
import type { TicketId } from '../../src/rules/index.js';
import { ROLES, type Role, type Sizes } from './marketplace.js';
import { CARDS } from './provider.js';
import { Random } from './random.js';

/** Kinds of faults, each of which can be switched off. */
export const FAULTS = [
  /** A process dies and is started anew. */
  'kill',
  /** A process is stopped well and started anew. */
  'stop',
  /** A process sleeps, mostly longer than its leases. */
  'pause',
  /** The clock of a process jumps. */
  'clock',
  /** The connection of a process to Redis breaks: what was not answered is sent again. */
  'cut',
  /** Redis is away and comes back with everything. */
  'redis-restart',
  /** Redis is away and comes back without its last writes. */
  'redis-second',
  /** Redis is away and comes back with nothing. */
  'redis-flush',
  /** Messages of Redis come twice. */
  'redis-repeat',
  'archive-away',
  /** Calls of the archive, or their answers, are lost, or come twice. */
  'archive-loss',
  'kafka-away',
  'kafka-loss',
  'rebalance',
  'provider-away',
  /** Calls of the provider, or their answers, are lost, come twice, or are never heard of again. */
  'provider-loss',
  /** A server takes long. */
  'slow',
  /** Answers to buyers are lost, and requests come twice. */
  'http',
  /** The archive takes little or nothing for a while; then every process dies, or none, and Redis has lost everything. */
  'blackout',
  /** A replica that is behind takes the place of Redis; connections break only a while later. */
  'redis-failover',
] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface Fault {
  readonly id: number;
  readonly kind: FaultKind;
  /** From the beginning, milliseconds. */
  readonly atMs: number;
  readonly lengthMs: number;
  readonly market: number;
  readonly role: Role;
  /** Among those of the role. */
  readonly which: number;
  /** How much of it, from 0 to 1. */
  readonly strength: number;
}

interface OpBase {
  readonly id: number;
  readonly atMs: number;
  readonly market: number;
}
export interface HoldOp extends OpBase {
  readonly kind: 'hold';
  readonly ticket: TicketId;
  readonly quantity: number;
  readonly person: string;
}
/** What a buyer does with a hold; `of` is its number. */
export interface NextOp extends OpBase {
  readonly kind: 'pay' | 'cancel' | 'read' | 'refund';
  readonly of: number;
  readonly paymentMethod: string;
  /** Of a payment that waits for its buyer: how that ends, and after how long; null for never. */
  readonly authenticates: { readonly succeeds: boolean; readonly afterMs: number } | null;
}
export interface PeerOp extends OpBase {
  readonly kind: 'peer';
  readonly value: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
}
export interface ListOp extends OpBase {
  readonly kind: 'list';
  /** By match and category. */
  readonly available: readonly (readonly [number, number, number])[];
}
export type Op = HoldOp | NextOp | PeerOp | ListOp;

/** How marketplaces admit holds in a contest. */
export const MODES = ['ordered', 'optimistic'] as const;
export type Mode = (typeof MODES)[number];

export interface Plan {
  readonly seed: number;
  /** Of a contest: several marketplaces want the same few tickets. Null for any other simulation. */
  readonly contest: Mode | null;
  readonly markets: number;
  readonly matches: number;
  readonly partitions: number;
  readonly sizes: Sizes;
  readonly ops: readonly Op[];
  readonly faults: readonly Fault[];
  /** Whether buyers wait in line for what they did not get; what they do then is drawn apart from all else. */
  readonly waitingList: boolean;
  /** When faults end, from the beginning, milliseconds. */
  readonly endMs: number;
  /** Something that must be found: for tests of the simulator. */
  readonly plant?: 'charged twice';
}

/** Mean time between two operations, milliseconds. */
const OP_EVERY_MS = 90;
/** Mean time between two faults of one kind that a seed has, milliseconds. */
const FAULT_EVERY_MS = 15_000;
/** The same of blackouts, most of which come while another lasts. */
const BLACKOUT_EVERY_MS = 5_000;
/** That a seed has a kind of fault; rarer are those that leave little to check of what came before them. */
const FAULT_CHANCE = 0.45;
const RARE: ReadonlySet<FaultKind> = new Set(['blackout', 'redis-failover']);
const RARE_CHANCE = 0.3;
/** Mean time between two holds of a rush for one ticket, milliseconds: others hear of a hold much later. */
const RUSH_EVERY_MS = 15;
/** That a buyer of a rush pays, and about when, milliseconds. */
const PAYS_CHANCE = 0.7;
const PAYS_AFTER_MS = 500;

export interface PlanOptions {
  readonly seed: number;
  readonly contest: Mode | null;
  readonly ops: number;
  readonly marketplaces: number;
  readonly faults: ReadonlySet<FaultKind>;
  readonly waitingList?: boolean;
}

/** A contest is the same in both modes, whatever comes of it. */
export function planOf({
  seed,
  contest,
  ops: count,
  marketplaces,
  faults,
  waitingList = false,
}: PlanOptions): Plan {
  const random = new Random(seed, 'plan');
  const isContest = contest !== null;
  const matches = random.int(1, isContest ? 3 : 2);
  const partitions = isContest ? 1 : random.int(1, 3);
  const everyMs = OP_EVERY_MS * random.pick([0.3, 1, 1, 2]);
  const draw = { count, marketplaces, matches, partitions, everyMs };
  const drawn = isContest ? drawContest(random, draw) : drawOps(random, draw);
  const endMs = (drawn.at(-1)?.atMs ?? 0) + 2_000;
  return {
    seed,
    contest,
    markets: marketplaces,
    matches,
    partitions,
    sizes: drawSizes(random),
    ops: drawn,
    waitingList,
    faults: drawFaults(new Random(seed, 'faults'), {
      endMs,
      marketplaces,
      faults,
      // Each marketplace of a contest is to have its share.
      often: isContest ? marketplaces : 1,
    }),
    endMs,
  };
}

function drawSizes(random: Random): Sizes {
  const leaseMs = random.pick([800, 1_500, 3_000]);
  return {
    workers: random.int(1, 3),
    webs: random.int(1, 2),
    consumers: random.int(1, 2),
    leaseMs,
    jobLockMs: random.pick([500, leaseMs]),
    sweepMs: random.pick([300, 500, 1_000]),
    snapshotMs: random.pick([1_000, 3_000]),
    idleReleaseMs: random.pick([1_000, 10_000]),
    replyWaitMs: random.pick([1_500, 3_000]),
    batchCommandsMax: random.pick([1, 5, 50]),
    commandsWaitingMax: random.pick([10, 500]),
    outboxEntriesMax: random.pick([15, 1_000]),
    groupEventsMax: random.pick([1, 10, 1_000]),
    paymentCheckMs: random.pick([2_000, 5_000]),
  };
}

interface OpsDraw {
  readonly count: number;
  readonly marketplaces: number;
  readonly matches: number;
  readonly partitions: number;
  readonly everyMs: number;
}

function drawOps(random: Random, draw: OpsDraw): Op[] {
  const { count, marketplaces, matches, everyMs } = draw;
  const tickets = Array.from({ length: matches }, (_, i) => ticketsOf(i + 1)).flat();
  const persons = Array.from({ length: random.pick([5, 30, 200]) }, (_, i) => `p${i}@example.com`);
  const peers = Array.from(
    { length: random.int(1, 3) },
    (_, i) => new Peer(`peer${i}`, random.chance(0.5), draw),
  );
  const stock = random.pick([4, 12, 60]);
  const list = (id: number, atMs: number, spread: number) =>
    drawList(random, tickets, { id, atMs, stock, spread });
  // Peers may have sold before the list comes.
  const ops: Op[] = [list(0, random.pick([0, 0, 2_000]), 0)];
  const holds: HoldOp[] = [];
  let atMs = 0;
  while (ops.length < count) {
    atMs += random.delay(everyMs);
    const base = { id: ops.length, atMs: Math.round(atMs), market: random.int(0, marketplaces - 1) };
    const dice = random.next();
    if (dice < 0.18) ops.push({ ...base, ...random.pick(peers).next(random, tickets) });
    else if (dice < 0.185) ops.push(list(base.id, base.atMs, Math.ceil(stock / 3)));
    else if (dice < 0.5 || holds.length === 0) {
      const hold: HoldOp = {
        ...base,
        kind: 'hold',
        ticket: random.pick(tickets),
        quantity: random.int(1, 2),
        person: random.pick(persons),
      };
      holds.push(hold);
      ops.push(hold);
    } else ops.push(drawNext(random, base, holds));
  }
  return ops;
}

/** Few tickets of each kind, for which all marketplaces have buyers at once; now and then a peer that takes no part. */
function drawContest(random: Random, draw: OpsDraw): Op[] {
  const { count, marketplaces, matches, everyMs } = draw;
  const tickets = Array.from({ length: matches }, (_, i) => ticketsOf(i + 1)).flat();
  const persons = Array.from({ length: random.pick([30, 200]) }, (_, i) => `p${i}@example.com`);
  const peers = Array.from(
    { length: random.pick([0, 0, 1, 2]) },
    (_, i) => new Peer(`peer${i}`, random.chance(0.5), draw),
  );
  const stock = random.pick([1, 2, 4, 8]);
  const ops: Op[] = [
    drawList(random, tickets, { id: 0, atMs: random.pick([0, 0, 2_000]), stock, spread: 0 }),
  ];
  const holds: HoldOp[] = [];
  let atMs = 0;
  const base = (everyOtherMs: number) => {
    atMs += random.delay(everyOtherMs);
    return { id: ops.length, atMs: Math.round(atMs), market: random.int(0, marketplaces - 1) };
  };
  while (ops.length < count) {
    const dice = random.next();
    if (dice < 0.04 && peers.length > 0)
      ops.push({ ...base(everyMs), ...random.pick(peers).next(random, tickets) });
    else if (dice < 0.05) {
      const { id, atMs: at } = base(everyMs);
      ops.push(drawList(random, tickets, { id, atMs: at, stock, spread: Math.ceil(stock / 3) }));
    } else if (dice < 0.25 || holds.length === 0) {
      const ticket = random.pick(tickets);
      atMs += random.delay(everyMs);
      for (let rush = random.int(2, 2 * marketplaces); rush > 0 && ops.length < count; rush -= 1) {
        const person = random.pick(persons);
        const hold: HoldOp = {
          ...base(RUSH_EVERY_MS),
          kind: 'hold',
          ticket,
          quantity: random.int(1, 2),
          person,
        };
        holds.push(hold);
        ops.push(hold);
        if (ops.length < count && random.chance(PAYS_CHANCE)) ops.push(drawPayment(random, hold, ops.length));
      }
    } else ops.push(drawNext(random, base(everyMs), holds));
  }
  return ops.sort((a, b) => a.atMs - b.atMs || a.id - b.id);
}

/** As soon as the buyer may have been answered. */
function drawPayment(random: Random, { id: of, atMs, market }: HoldOp, id: number): NextOp {
  return {
    id,
    atMs: atMs + Math.round(300 + random.delay(PAYS_AFTER_MS)),
    market,
    kind: 'pay',
    of,
    paymentMethod: `${random.chance(0.8) ? 'good' : random.pick(CARDS)}|`,
    authenticates: { succeeds: random.chance(0.8), afterMs: Math.round(random.delay(4_000)) },
  };
}

interface ListDraw {
  readonly id: number;
  readonly atMs: number;
  /** Tickets of each kind, and by how many they may differ from it. */
  readonly stock: number;
  readonly spread: number;
}

function drawList(
  random: Random,
  tickets: readonly TicketId[],
  { id, atMs, stock, spread }: ListDraw,
): ListOp {
  return {
    kind: 'list',
    id,
    atMs,
    market: 0,
    available: tickets.map(({ matchNumber, category }) => [
      matchNumber,
      category,
      Math.max(0, stock + random.int(-spread, spread)),
    ]),
  };
}

function drawNext(random: Random, base: Omit<OpBase, 'market'>, holds: readonly HoldOp[]): NextOp {
  // Mostly one that was made lately.
  const back = Math.min(holds.length - 1, Math.floor(random.delay(6)));
  const of = holds[holds.length - 1 - back]!;
  const kind = random.pick(['pay', 'pay', 'pay', 'pay', 'pay', 'cancel', 'read', 'read', 'refund'] as const);
  const card = random.pick(CARDS);
  const fingerprint = random.chance(0.5) ? `f${random.int(1, 8)}` : '';
  return {
    ...base,
    market: of.market,
    kind,
    of: of.id,
    paymentMethod: `${random.chance(0.5) ? 'good' : card}|${fingerprint}`,
    authenticates: random.chance(0.75)
      ? { succeeds: random.chance(0.8), afterMs: Math.round(random.delay(4_000)) }
      : null,
  };
}

/** A marketplace of others, with or without ids, that says what comes to its mind. */
class Peer {
  readonly #clientId: string;
  readonly #hasIds: boolean;
  readonly #draw: OpsDraw;
  #made = 0;

  constructor(clientId: string, hasIds: boolean, draw: OpsDraw) {
    this.#clientId = clientId;
    this.#hasIds = hasIds;
    this.#draw = draw;
  }

  next(random: Random, tickets: readonly TicketId[]): Pick<PeerOp, 'kind' | 'value' | 'key' | 'headers'> {
    const { matchNumber, category } = random.pick(tickets);
    const key = `${matchNumber}:${category}`;
    const action = random.pick(['TICKET_PENDING', 'TICKET_PENDING', 'TICKET_RESERVED', 'TICKET_CANCELLED']);
    const of = random.chance(0.4) ? (this.#made += 1) : random.int(1, this.#made + 1);
    const headers = {
      clientId: this.#clientId,
      ...(this.#hasIds && { reservationId: `${this.#clientId}-${key}-${of}` }),
    };
    if (random.chance(0.03)) return { kind: 'peer', key, headers, value: '{"meta":{"action":"NOTHING"}}' };
    const one = (): object => ({
      // Within one partition alone is an order promised.
      category: this.#draw.partitions === 1 ? random.int(1, 3) : category,
      quantity: random.int(1, 2),
      price: 75,
    });
    const first = { category, quantity: random.int(1, 2), price: 75 };
    const sold = random.chance(0.1) ? [first, one()] : first;
    const value = JSON.stringify({ meta: { action }, body: { matchNumber, tickets: sold } });
    return { kind: 'peer', key, headers, value };
  }
}

interface FaultsDraw {
  readonly endMs: number;
  /** Times the usual number. */
  readonly often: number;
  readonly marketplaces: number;
  readonly faults: ReadonlySet<FaultKind>;
}

function drawFaults(random: Random, { endMs, often, marketplaces, faults }: FaultsDraw): Fault[] {
  const drawn: Omit<Fault, 'id'>[] = [];
  for (const kind of FAULTS) {
    // Drawn even where it is switched off, so that the others stay what they are.
    const isIn = random.chance(RARE.has(kind) ? RARE_CHANCE : FAULT_CHANCE);
    const meanMs = (kind === 'blackout' ? BLACKOUT_EVERY_MS : FAULT_EVERY_MS) / often;
    const everyMs = meanMs * random.pick([0.3, 1, 1, 3]);
    for (let atMs = random.delay(everyMs); atMs < endMs; atMs += random.delay(everyMs)) {
      const fault = {
        kind,
        atMs: Math.round(atMs),
        lengthMs: Math.round(random.delay(random.pick([300, 2_000, 5_000]))),
        market: random.int(0, marketplaces - 1),
        role: random.pick(ROLES),
        which: random.int(0, 5),
        strength: random.next(),
      };
      if (isIn && faults.has(kind)) drawn.push(fault);
    }
  }
  return drawn.sort((a, b) => a.atMs - b.atMs).map((fault, id) => ({ id, ...fault }));
}
