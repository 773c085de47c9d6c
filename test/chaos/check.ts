/**
 * What must be true after everything that happened, read from what is left of it. Written from the promises alone:
 * it imports nothing of the product, and its fold of the log is the one of the exchange test. Each violation has a
 * name, and test/chaos/worlds.ts has a world for each that it must reject.
 */
import { fold, effectsOf, strictProblem, type LogRecord } from '../exchange/fold.js';

/** What a buyer asked for, and its final answer. `status` 0: there was none. */
export interface Answer {
  readonly op: 'hold' | 'pay' | 'cancel' | 'refund' | 'read';
  /** Epoch milliseconds: the first try, and the answer. */
  readonly askedAt: number;
  readonly answeredAt: number;
  readonly status: number;
  /** Of a refusal. */
  readonly code?: string | undefined;
  /** Of the reservation, in a success. */
  readonly state?: string | undefined;
  /** Tries until then. */
  readonly tries: number;
}

/** One buyer from the first request to the last. */
export interface Purchase {
  readonly ticket: string;
  readonly quantity: number;
  /** Of the reservation; empty while nobody told. */
  readonly id: string;
  readonly answers: readonly Answer[];
}

export interface Counters {
  readonly capacity: number;
  readonly available: number;
  readonly pending: number;
  readonly soldHere: number;
  readonly soldElsewhere: number;
  readonly heldHere: number;
  readonly heldElsewhere: number;
}

export interface LedgerEvent {
  readonly ticket: string;
  readonly incarnation: number;
  readonly sequence: number;
  /** Under which it may stand in the log, if it is another one. */
  readonly formerly?: string | undefined;
  readonly type: string;
  readonly capacity?: number | undefined;
  readonly reservation?:
    | { readonly id: string; readonly status: string; readonly quantity: number; readonly unitPrice: number }
    | undefined;
  /** Tickets that a refund gave back. */
  readonly quantity?: number | undefined;
  readonly heldDelta?: number | undefined;
  readonly soldDelta?: number | undefined;
  /** Of a message: its place in the log. */
  readonly offset?: string | undefined;
  readonly index?: number | undefined;
}

export interface Charge {
  readonly paymentId: string;
  readonly reservationId: string;
  /** Minor units. */
  readonly paid: number;
  readonly refunded: number;
}

export interface World {
  readonly clientId: string;
  readonly tickets: readonly string[];
  readonly purchases: readonly Purchase[];
  /** From Redis, by ticket; null when it is not there. */
  readonly counters: Readonly<Record<string, Counters | null>>;
  /** From Redis: reservations that it has as live, by id. */
  readonly live: Readonly<Record<string, { readonly status: string; readonly quantity: number }>>;
  /** In the order of each ticket. */
  readonly ledger: readonly LedgerEvent[];
  readonly records: readonly LogRecord[];
  readonly charges: readonly Charge[];
  /** Offsets of records in the dead letters, one for each letter. */
  readonly letters: readonly string[];
  /** Left over in queues, outboxes and lists of what is due, by what it is; 0 is as it should be. */
  readonly left: Readonly<Record<string, number>>;
  /** What reservations were when they were read in the end, by id; by status or problem code. */
  readonly readBack: Readonly<Record<string, string>>;
  /** Processes of ours that ended by themselves. */
  readonly crashes: readonly string[];
}

export const VIOLATIONS = {
  oversold: 'a hold was granted that was not there',
  lost_sale: 'a sale was told to its buyer and is missing',
  unasked_sale: 'something is sold that no buyer was told of or can have paid',
  broken_promise: 'a reservation ended otherwise than its buyer was told',
  leaked: 'capacity is held by nobody',
  wrong_counters: 'counters of Redis, ledger, log or their equations disagree',
  double_charge: 'a buyer paid more than the tickets cost',
  charged_for_nothing: 'a buyer paid and has neither tickets nor the money',
  unpaid_sale: 'a buyer has tickets that were not paid',
  message_lost: 'a message is neither in effect nor in the dead letters',
  message_doubled: 'a message took effect twice, or both took effect and lies in the dead letters',
  not_published: 'the others were not told of an event',
  published_twice: 'the others were told of an event twice, or of one that never was',
  malformed_record: 'a record of ours is not what strict peers take',
  doubled_event: 'an event stands in the ledger twice, or a place of it is missing',
  job_left: 'something waits that nobody works on',
  unanswered: 'a buyer never got a final answer',
  surprise: 'an answer that is none of those that are documented',
  crashed: 'a process ended by itself',
} as const;
export type ViolationName = keyof typeof VIOLATIONS;

export interface Violation {
  readonly name: ViolationName;
  /** Of what: a ticket, a reservation, an offset. */
  readonly of: string;
  readonly detail: string;
}

const MINOR = 100;
const LIVE_HELD = new Set(['PENDING', 'PAYING']);

export function violationsOf(world: World): Violation[] {
  const found: Violation[] = [];
  const add = (name: ViolationName, of: string, detail: string): void =>
    void found.push({ name, of, detail });
  const finals = checkLedger(world, add);
  checkCounters(world, add);
  checkBuyers(world, finals, add);
  checkMoney(world, finals, add);
  checkMessages(world, add);
  checkPublished(world, add);
  for (const [what, count] of Object.entries(world.left)) {
    if (count !== 0) add('job_left', what, `${count} left`);
  }
  for (const crash of world.crashes) add('crashed', crash, 'ended by itself');
  return found;
}

type Add = (name: ViolationName, of: string, detail: string) => void;
/** Reservations as the ledger left them. */
type Finals = ReadonlyMap<
  string,
  { readonly status: string; readonly quantity: number; readonly unitPrice: number }
>;

interface Tally {
  capacity: number;
  held: number;
  sold: number;
  heldElsewhere: number;
  soldElsewhere: number;
}

/** Goes through the ledger event by event, and compares its end with Redis. */
function checkLedger({ tickets, ledger, counters, live }: World, add: Add): Finals {
  const finals = new Map<string, { status: string; quantity: number; unitPrice: number }>();
  for (const ticket of tickets) {
    const tally: Tally = { capacity: 0, held: 0, sold: 0, heldElsewhere: 0, soldElsewhere: 0 };
    const weights = new Map<string, { held: number; sold: number }>();
    let last = { incarnation: 0, sequence: 0 };
    for (const event of ledger.filter((one) => one.ticket === ticket)) {
      const { incarnation, sequence, reservation } = event;
      const place = `${ticket}:${incarnation}:${sequence}`;
      const follows =
        incarnation === last.incarnation ? sequence === last.sequence + 1 : incarnation > last.incarnation;
      if (!follows) add('doubled_event', place, `after ${last.incarnation}:${last.sequence}`);
      last = { incarnation, sequence };
      if (event.type === 'loaded') tally.capacity = event.capacity ?? 0;
      tally.heldElsewhere += event.heldDelta ?? 0;
      tally.soldElsewhere += event.soldDelta ?? 0;
      if (!reservation) continue;
      const before = weights.get(reservation.id) ?? { held: 0, sold: 0 };
      const after = weightOf(reservation);
      weights.set(reservation.id, after);
      finals.set(reservation.id, reservation);
      tally.held += after.held - before.held;
      tally.sold += after.sold - before.sold;
      const taken = after.held + after.sold - before.held - before.sold;
      const pending = tally.capacity - sum(tally);
      if (taken > 0 && pending < 0) add('oversold', place, `pending is ${pending} after ${event.type}`);
    }
    const inRedis = counters[ticket];
    const told = inRedis && {
      capacity: inRedis.capacity,
      held: inRedis.heldHere,
      sold: inRedis.soldHere,
      heldElsewhere: inRedis.heldElsewhere,
      soldElsewhere: inRedis.soldElsewhere,
    };
    if (JSON.stringify(told) !== JSON.stringify(tally)) {
      add('wrong_counters', ticket, `Redis has ${JSON.stringify(told)}, the ledger ${JSON.stringify(tally)}`);
    }
    for (const [id, weight] of weights) {
      const inState = live[id];
      const expected = weight.held + weight.sold;
      if (weight.held > 0) add('leaked', id, `${weight.held} of ${ticket} are still held`);
      if ((inState?.quantity ?? 0) !== expected && weight.sold > 0) {
        add('lost_sale', id, `Redis has ${inState?.quantity ?? 0} tickets of it, the ledger ${expected}`);
      }
    }
  }
  for (const [id, { status, quantity }] of Object.entries(live)) {
    if (LIVE_HELD.has(status)) add('leaked', id, `${quantity} are ${status} in Redis`);
    if (!finals.has(id)) add('unasked_sale', id, `Redis has it as ${status}, the ledger never had it`);
  }
  return finals;
}

const sum = ({ held, sold, heldElsewhere, soldElsewhere }: Tally): number =>
  held + sold + heldElsewhere + soldElsewhere;

function weightOf({ status, quantity }: { status: string; quantity: number }): {
  held: number;
  sold: number;
} {
  if (LIVE_HELD.has(status)) return { held: quantity, sold: 0 };
  return { held: 0, sold: status === 'RESERVED' ? quantity : 0 };
}

/** The two equations, and the log. */
function checkCounters({ tickets, counters, records, clientId }: World, add: Add): void {
  const folded = fold(records, clientId, new Set(tickets));
  for (const ticket of tickets) {
    const inRedis = counters[ticket];
    if (!inRedis) {
      add('wrong_counters', ticket, 'Redis does not have it');
      continue;
    }
    const { capacity, available, pending, soldHere, soldElsewhere, heldHere, heldElsewhere } = inRedis;
    if (available !== capacity - soldHere - soldElsewhere)
      add('wrong_counters', ticket, `available is ${available}`);
    if (pending !== available - heldHere - heldElsewhere)
      add('wrong_counters', ticket, `pending is ${pending}`);
    if (heldHere !== 0) add('leaked', ticket, `${heldHere} are held after all holds have ended`);
    const fromLog = folded.get(ticket) ?? { soldHere: 0, heldHere: 0, soldElsewhere: 0, heldElsewhere: 0 };
    const same =
      fromLog.soldHere === soldHere &&
      fromLog.heldHere === heldHere &&
      fromLog.soldElsewhere === soldElsewhere &&
      fromLog.heldElsewhere === heldElsewhere;
    if (!same)
      add(
        'wrong_counters',
        ticket,
        `Redis has ${JSON.stringify(inRedis)}, the log ${JSON.stringify(fromLog)}`,
      );
  }
}

/** By operation: the refusals that are documented for it. */
const REFUSALS: Readonly<Record<Answer['op'], ReadonlySet<string>>> = {
  hold: new Set(['sold_out', 'temporarily_unavailable']),
  pay: new Set(['payment_declined', 'hold_expired', 'sold_out', 'temporarily_unavailable']),
  cancel: new Set(['hold_expired', 'invalid_state']),
  refund: new Set(['invalid_state', 'conflict']),
  read: new Set(['not_found']),
};

function checkBuyers({ purchases, readBack, records }: World, finals: Finals, add: Add): void {
  const known = new Map<string, Purchase>();
  const published = new Set(
    records
      .filter(({ value }) => value?.includes('TICKET_RESERVED'))
      .map(({ headers }) => headers['reservationId'] ?? ''),
  );
  for (const purchase of purchases) {
    const { id, answers, ticket } = purchase;
    if (id !== '') known.set(id, purchase);
    for (const { op, status, code = '', tries } of answers) {
      const of = `${op} of ${id || ticket}`;
      if (status === 0) add('unanswered', of, `after ${tries} tries`);
      else if (status >= 300 && !REFUSALS[op].has(code)) add('surprise', of, `${status} ${code}`);
    }
    const expected = expectationOf(answers);
    const final = finals.get(id);
    if (expected === 'RESERVED') {
      const now = readBack[id];
      if (final?.status !== 'RESERVED')
        add('lost_sale', id, `the ledger has it as ${final?.status ?? 'nothing'}`);
      if (final && final.quantity !== purchase.quantity)
        add('lost_sale', id, `${final.quantity} of ${purchase.quantity} tickets`);
      if (now !== 'RESERVED') add('lost_sale', id, `its buyer reads ${now ?? 'nothing'}`);
      if (!published.has(id)) add('lost_sale', id, 'it is not in the log');
    } else if (expected === 'REFUNDED') {
      if (final?.status !== 'REFUNDED')
        add('broken_promise', id, `told REFUNDED, is ${final?.status ?? 'nothing'}`);
    } else if (expected === 'NOT SOLD' && final?.status === 'RESERVED') {
      add('broken_promise', id, 'it is sold, but its buyer was told otherwise');
    }
    checkReads(purchase, add);
  }
  for (const [id, { status }] of finals) {
    if (status !== 'RESERVED' && status !== 'REFUNDED') continue;
    const answers = known.get(id)?.answers;
    if (!answers?.some(({ op }) => op === 'pay'))
      add('unasked_sale', id, `it is ${status}, nobody paid for it`);
  }
}

/** What a buyer was told last, as far as it is final. */
function expectationOf(answers: readonly Answer[]): 'RESERVED' | 'REFUNDED' | 'NOT SOLD' | 'OPEN' {
  let told: 'RESERVED' | 'REFUNDED' | 'NOT SOLD' | 'OPEN' = 'OPEN';
  for (const { op, status, state, code } of answers) {
    // Nobody knows what became of it; that it was answered so is a violation of its own.
    if (status === 0 || status >= 500) told = 'OPEN';
    else if (op === 'pay' && status === 200) told = 'RESERVED';
    else if (op === 'pay' && (code === 'payment_declined' || code === 'hold_expired')) told = 'NOT SOLD';
    else if (op === 'cancel' && status === 200) told = 'NOT SOLD';
    else if (op === 'refund' && status === 200) told = state === 'REFUNDED' ? 'REFUNDED' : told;
  }
  return told;
}

/** Reads after a sale are true. */
function checkReads({ id, answers }: Purchase, add: Add): void {
  let isSold = false;
  for (const { op, status, state } of answers) {
    if (op === 'pay' && status === 200) isSold = true;
    if (op === 'read' && isSold && status !== 0 && state !== 'RESERVED' && state !== 'REFUNDED')
      add('lost_sale', id, `read as ${state ?? status} after it was told RESERVED`);
  }
}

function checkMoney({ charges }: World, finals: Finals, add: Add): void {
  const paid = new Map<string, { net: number; payments: number }>();
  for (const { reservationId, paid: amount, refunded } of charges) {
    const sum = paid.get(reservationId) ?? { net: 0, payments: 0 };
    paid.set(reservationId, {
      net: sum.net + amount - refunded,
      payments: sum.payments + (amount > refunded ? 1 : 0),
    });
  }
  for (const id of new Set([...paid.keys(), ...finals.keys()])) {
    const final = finals.get(id);
    const { net, payments } = paid.get(id) ?? { net: 0, payments: 0 };
    const due = final?.status === 'RESERVED' ? final.quantity * final.unitPrice * MINOR : 0;
    if (net > due && due > 0) add('double_charge', id, `${net} of ${due} in ${payments} payments`);
    if (net > due && due === 0)
      add('charged_for_nothing', id, `${net}, and it is ${final?.status ?? 'nothing'}`);
    if (net < due) add('unpaid_sale', id, `${net} of ${due}`);
  }
}

/** Every message of others takes effect once, or lies in the dead letters. */
function checkMessages({ records, ledger, letters, clientId, tickets }: World, add: Add): void {
  const onSale = new Set(tickets);
  const effects = new Map<string, number>();
  for (const { offset, index } of ledger) {
    if (offset === undefined) continue;
    const place = `${offset}/${index ?? 0}`;
    effects.set(place, (effects.get(place) ?? 0) + 1);
  }
  const letterCounts = new Map<string, number>();
  for (const offset of letters) letterCounts.set(offset, (letterCounts.get(offset) ?? 0) + 1);
  for (const record of records) {
    if (record.headers['clientId'] === clientId) continue;
    const { offset } = record;
    const kept = letterCounts.get(offset) ?? 0;
    const items = effectsOf(record, onSale);
    if (items === 0) {
      if (kept === 0) add('message_lost', offset, 'it cannot be used, and is not in the dead letters');
      if (kept > 1) add('message_doubled', offset, `${kept} dead letters`);
      continue;
    }
    for (let index = 0; index < items; index += 1) {
      const count = effects.get(`${offset}/${index}`) ?? 0;
      if (count + kept === 0) add('message_lost', `${offset}/${index}`, record.value ?? '');
      if (count + kept > 1) add('message_doubled', `${offset}/${index}`, `${count} effects, ${kept} letters`);
    }
  }
}

const PUBLISHED = new Set(['held', 'sold', 'released', 'refunded']);

/** Every event that concerns others is in the log, as many times as it has records, under one of its names. */
function checkPublished({ records, ledger, clientId }: World, add: Add): void {
  const own = records.filter(({ headers }) => headers['clientId'] === clientId);
  const told = new Map<string, number>();
  const seen = new Set<string>();
  for (const record of own) {
    const problem = strictProblem(record);
    if (problem !== null) add('malformed_record', record.offset, problem);
    const id = record.headers['eventId'] ?? '';
    if (seen.has(id)) add('published_twice', id, `again at ${record.offset}`);
    seen.add(id);
    const [event = ''] = id.split('/');
    told.set(event, (told.get(event) ?? 0) + 1);
  }
  for (const { ticket, incarnation, sequence, formerly, type } of ledger) {
    if (!PUBLISHED.has(type)) continue;
    const names = [`${ticket}:${incarnation}:${sequence}`, ...(formerly === undefined ? [] : [formerly])];
    const under = names.filter((name) => told.delete(name));
    if (under.length === 0) add('not_published', names.join(' or '), type);
    if (under.length > 1) add('published_twice', under.join(' and '), type);
  }
  for (const name of told.keys()) add('published_twice', name, 'the ledger does not have it');
}
