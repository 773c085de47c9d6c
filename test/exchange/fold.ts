/**
 * What a marketplace's counters must be, folded from nothing but the records of the sales topic. Written from
 * the market's contract alone: it imports nothing of the product, so that a misreading there shows here.
 */

export interface LogRecord {
  readonly offset: string;
  /** Epoch milliseconds. */
  readonly timestamp: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string | null;
}

export interface Folded {
  soldHere: number;
  heldHere: number;
  soldElsewhere: number;
  heldElsewhere: number;
}

interface Tally {
  held: number;
  sold: number;
  /** RESERVED that came before their PENDING. */
  early: { at: number; left: number }[];
  /** CANCELLED that came before their PENDING; only where reservations have ids. */
  cancelledEarly: number;
}

const WINDOW_MS = 60_000;
const QUANTITY_MAX = 1_000_000;
const ACTIONS = new Set(['TICKET_PENDING', 'TICKET_RESERVED', 'TICKET_CANCELLED']);

/** By `matchNumber:category`; records of one partition, in order. `onSale`: tickets of the master list. */
export function fold(
  records: readonly LogRecord[],
  me: string,
  onSale: ReadonlySet<string>,
): Map<string, Folded> {
  const tickets = new Map<string, { here: Map<string, Tally>; peers: Map<string, Tally> }>();
  for (const record of records) {
    const message = readMessage(record);
    if (!message) continue;
    for (const { category, quantity } of message.tickets) {
      const name = `${message.matchNumber}:${category}`;
      if (!onSale.has(name)) continue;
      const ticket = tickets.get(name) ?? { here: new Map<string, Tally>(), peers: new Map<string, Tally>() };
      tickets.set(name, ticket);
      const isMine = message.clientId === me;
      const key = message.reservationId ? `${message.clientId} ${message.reservationId}` : message.clientId;
      const group = isMine ? ticket.here : ticket.peers;
      const tally = group.get(key) ?? { held: 0, sold: 0, early: [], cancelledEarly: 0 };
      group.set(key, tally);
      take(tally, message.action, quantity, record.timestamp, message.reservationId !== '');
    }
  }
  const sum = (group: Map<string, Tally>, of: 'held' | 'sold'): number =>
    [...group.values()].reduce((total, tally) => total + tally[of], 0);
  return new Map(
    [...tickets].map(([name, { here, peers }]) => [
      name,
      {
        soldHere: sum(here, 'sold'),
        heldHere: sum(here, 'held'),
        soldElsewhere: sum(peers, 'sold'),
        heldElsewhere: sum(peers, 'held'),
      },
    ]),
  );
}

function take(tally: Tally, action: string, quantity: number, at: number, hasIds: boolean): void {
  const matches = (entry: { at: number }): boolean => hasIds || Math.abs(at - entry.at) <= WINDOW_MS;
  let left = quantity;
  if (action === 'TICKET_PENDING') {
    const undone = Math.min(tally.cancelledEarly, left);
    tally.cancelledEarly -= undone;
    left -= undone;
    for (const entry of tally.early) {
      if (!matches(entry)) continue;
      const used = Math.min(entry.left, left);
      entry.left -= used;
      left -= used;
    }
    tally.held += left;
  } else if (action === 'TICKET_RESERVED') {
    const moved = Math.min(tally.held, left);
    tally.held -= moved;
    tally.sold += moved;
    left -= moved;
    const undone = Math.min(tally.cancelledEarly, left);
    tally.cancelledEarly -= undone;
    tally.sold += left - undone;
    if (left > 0) tally.early.push({ at, left });
  } else {
    const ended = Math.min(tally.held, left);
    tally.held -= ended;
    left -= ended;
    if (!hasIds) return;
    const refunded = Math.min(tally.sold, left);
    tally.sold -= refunded;
    tally.cancelledEarly += left - refunded;
  }
}

export interface Message {
  readonly action: string;
  readonly matchNumber: number;
  readonly clientId: string;
  readonly reservationId: string;
  readonly tickets: readonly { readonly category: number; readonly quantity: number }[];
}

type Bag = Readonly<Record<string, unknown>>;
const bag = (value: unknown): Bag =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Bag) : {};
const whole = (value: unknown, max: number): number | null => {
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= max
    ? number
    : null;
};

/** Null for what a marketplace cannot take: it changes nobody's counters. */
export function readMessage({ value, headers }: LogRecord): Message | null {
  let json: Bag;
  try {
    json = bag(JSON.parse(value ?? ''));
  } catch {
    return null;
  }
  const { action, clientId: inMeta } = bag(json['meta']);
  const { matchNumber, tickets, clientId: inBody } = bag(json['body']);
  const match = whole(matchNumber, 9_999);
  if (typeof action !== 'string' || !ACTIONS.has(action) || match === null) return null;
  const given: readonly unknown[] = Array.isArray(tickets) ? tickets : [tickets];
  const parts = given.map((ticket) => {
    const { category, quantity } = bag(ticket);
    const isCount = typeof quantity === 'number';
    return { category: whole(category, 3), quantity: isCount ? whole(quantity, QUANTITY_MAX) : null };
  });
  if (parts.length === 0 || parts.some(({ category, quantity }) => category === null || quantity === null)) {
    return null;
  }
  const [client = 'unknown'] = [headers['clientId'], inMeta, inBody, json['clientId']].filter(
    (id): id is string | number => (typeof id === 'string' && id !== '') || typeof id === 'number',
  );
  return {
    action,
    matchNumber: match,
    clientId: String(client),
    reservationId: headers['reservationId'] ?? '',
    tickets: parts.map(({ category, quantity }) => ({ category: category ?? 0, quantity: quantity ?? 0 })),
  };
}

/** How many effects a record has to have; 0 for one that a marketplace cannot take, or that is about nothing on sale. */
export function effectsOf(record: LogRecord, onSale: ReadonlySet<string>): number {
  const message = readMessage(record);
  if (!message) return 0;
  const known = message.tickets.filter(({ category }) => onSale.has(`${message.matchNumber}:${category}`));
  return known.length;
}

/** Why a strict peer would drop a record; null when it takes it. Allows no extra key and only canonical ranges. */
export function strictProblem({ value, headers }: LogRecord): string | null {
  const keys = (object: unknown): string => Object.keys(bag(object)).sort().join();
  let json: unknown;
  try {
    json = JSON.parse(value ?? '');
  } catch {
    return 'not JSON';
  }
  const { meta, body } = bag(json);
  const { matchNumber, tickets } = bag(body);
  const { category, quantity, price } = bag(tickets);
  if (keys(json) !== 'body,meta') return `keys ${keys(json)}`;
  if (keys(meta) !== 'action') return `meta has ${keys(meta)}`;
  if (keys(body) !== 'matchNumber,tickets') return `body has ${keys(body)}`;
  if (keys(tickets) !== 'category,price,quantity') return `tickets has ${keys(tickets)}`;
  if (!ACTIONS.has(String(bag(meta)['action']))) return 'action';
  if (!Number.isInteger(matchNumber) || Number(matchNumber) < 1) return `matchNumber ${String(matchNumber)}`;
  if (typeof category !== 'number' || ![1, 2, 3].includes(category)) return `category ${String(category)}`;
  if (typeof quantity !== 'number' || ![1, 2].includes(quantity)) return `quantity ${String(quantity)}`;
  if (typeof price !== 'number' || ![75, 125, 195].includes(price)) return `price ${String(price)}`;
  const missing = ['clientId', 'eventId', 'reservationId', 'sequence'].filter((name) => !headers[name]);
  return missing.length > 0 ? `no header ${missing.join()}` : null;
}
