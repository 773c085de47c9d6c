/** A peer on the in-process feed against what its head comments promise. */
import { describe, expect, it } from '@jest/globals';
import { ticketsOf, type MatchEntry } from '../../src/catalog/match.js';
import type { IncomingRecord, Log, Publisher, Subscription } from '../../src/kafka/port.js';
import { decodeSalesMessage, encodeSale } from '../../src/kafka/wire.js';
import { GARBAGE_KINDS, garbageRecord, saleRecords } from '../../src/peer/messages.js';
import { RECORDS_WAITING_MAX, SETTLE_MS, UNSEEN_MAX } from '../../src/peer/peer.js';
import { seeded } from '../../src/peer/random.js';
import {
  byAction,
  list,
  MASTERLIST,
  messageOf,
  openMarket,
  published,
  SALES,
  saleOf,
  type Market,
  type Message,
} from './market.js';

const PRICES = [75, 125, 195];

/** What the strictest marketplace drops; null when it takes the value. */
function strictProblem({ value }: IncomingRecord, entries: readonly MatchEntry[]): string | null {
  const text = String(value);
  const { meta, body } = JSON.parse(text) as Message;
  const { category, quantity, price } = body.tickets;
  const canonical = {
    meta: { action: meta.action },
    body: { matchNumber: body.matchNumber, tickets: { category, quantity, price } },
  };
  if (text !== JSON.stringify(canonical)) return `other keys: ${text}`;
  if (!['TICKET_PENDING', 'TICKET_RESERVED', 'TICKET_CANCELLED'].includes(meta.action)) return meta.action;
  if (!entries.some(({ matchNumber }) => matchNumber === body.matchNumber)) return 'match';
  if (![1, 2].includes(quantity)) return `quantity ${quantity}`;
  return price === PRICES[category - 1] ? null : `price ${price} in category ${category}`;
}

/** Sums up the log: tickets held and sold, and how far the sum ever went. */
function sumOf(messages: readonly Message[]) {
  let [held, sold, most] = [0, 0, 0];
  for (const { meta, body } of messages) {
    const { quantity } = body.tickets;
    held += meta.action === 'TICKET_PENDING' ? quantity : -quantity;
    if (meta.action === 'TICKET_RESERVED') sold += quantity;
    most = Math.max(most, held + sold);
  }
  return { held, sold, most };
}

/** Records by reservation, in order. */
function byReservation(records: readonly IncomingRecord[]): ReadonlyMap<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const record of records) {
    const id = record.headers['reservationId'] ?? '';
    groups.set(id, [...(groups.get(id) ?? []), messageOf(record).meta.action]);
  }
  return groups;
}

const look = ({ value, headers, timestamp }: IncomingRecord) => ({
  value: String(value),
  headers,
  timestamp,
});

describe('what a peer says', () => {
  it('is canonical: a PENDING and one end of each sale', async () => {
    const market = await openMarket();
    const entries = list(4, 1_000);
    const peer = market.peer({ entries });
    await peer.start();
    await market.run(20_000);
    await peer.stop();
    const records = await market.records();
    expect(records.length).toBeGreaterThan(200);
    for (const record of records) expect(strictProblem(record, entries)).toBeNull();
    for (const actions of byReservation(records).values()) {
      expect(actions[0]).toBe('TICKET_PENDING');
      expect(actions.slice(1)).toHaveLength(1);
    }
    expect(new Set(records.map(({ headers }) => headers['eventId'])).size).toBe(records.length);
  });

  it('has the form that we publish ourselves', () => {
    const sale = { reservationId: 'r', ticket: { matchNumber: 7, category: 2 }, quantity: 3, price: 125 };
    const theirs = saleRecords(sale, 'TICKET_PENDING', { topic: SALES, clientId: 'p', ids: 'full' });
    const reservation = { ...sale, id: 'r', unitPrice: 125 };
    const ours = encodeSale(
      {
        ticket: sale.ticket,
        incarnation: 1,
        sequence: 1,
        event: { type: 'held', at: 0, reservation },
      } as unknown as Parameters<typeof encodeSale>[0],
      { clientId: 'p', topic: SALES, clientIdInValue: false },
    );
    expect(theirs.map(({ key, value }) => ({ key, value }))).toEqual(
      ours.map(({ key, value }) => ({ key, value })),
    );
    expect(theirs).toHaveLength(2);
  });

  it.each([
    { ids: 'full' as const, headers: ['clientId', 'reservationId', 'eventId'] },
    { ids: 'client' as const, headers: ['clientId'] },
    { ids: 'none' as const, headers: [] },
  ])('carries the ids it is told to: $ids', async ({ ids, headers }) => {
    const market = await openMarket();
    const peer = market.peer({ ids });
    await peer.start();
    await market.run(5_000);
    await peer.stop();
    const records = await market.records();
    expect(records.length).toBeGreaterThan(20);
    for (const record of records) expect(Object.keys(record.headers)).toEqual(headers);
    expect(sumOf(records.map(messageOf)).held).toBe(0);
  });

  it('is the same for the same seed, and another for another', async () => {
    const play = async (seed: number) => {
      const market = await openMarket();
      const peer = market.peer({ seed, repeats: 0.2, reorders: 0.2, garbage: 0.2, silence: 0.2 });
      await peer.start();
      await market.run(20_000);
      await peer.stop();
      return (await market.records()).map(look);
    };
    const first = await play(7);
    expect(first.length).toBeGreaterThan(200);
    expect(await play(7)).toEqual(first);
    expect((await play(8)).map(({ value }) => value)).not.toEqual(first.map(({ value }) => value));
  });

  it('adds up to its summary', async () => {
    const market = await openMarket();
    const peer = market.peer({ repeats: 0.3, reorders: 0.3, silence: 0.3, quantityMax: 5, rate: 30 });
    await peer.start();
    await market.run(20_000);
    await peer.stop();
    const summary = peer.summary();
    const messages = await market.messages();
    expect(published(summary)).toBe(messages.length);
    const counts = byAction(messages);
    const first = summary.pending + summary.reserved + summary.cancelled;
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(first + summary.repeats);
    expect(summary).toMatchObject({
      open: 0,
      waiting: 0,
      failures: 0,
      heard: messages.length,
      hasList: true,
    });
    expect(summary.sales).toBeGreaterThan(400);
  });
});

describe('what a peer sells', () => {
  it('is what it believes is left: all of it, and never more', async () => {
    const market = await openMarket();
    const peer = market.peer({ entries: list(2, 10), rate: 50, cancelShare: 0.5 });
    await peer.start();
    await market.run(30_000);
    await peer.stop();
    const { sold, held, most } = sumOf(await market.messages());
    expect({ sold, held, most }).toEqual({ sold: 60, held: 0, most: 60 });
    expect(peer.summary().left).toBe(0);
  });

  it('leaves alone what others hold or have sold, with ids and without', async () => {
    const market = await openMarket();
    const one = list(1, 10).map((entry) => ({
      ...entry,
      availability: {
        ...entry.availability,
        category2: { available: 0, price: 125 },
        category3: { available: 0, price: 195 },
      },
    }));
    const id = (n: number) => ({ clientId: 'other', reservationId: `r${n}`, eventId: `e${n}` });
    await market.feed.publish([
      saleOf('TICKET_PENDING', 2, id(1)),
      saleOf('TICKET_RESERVED', 2, id(1)),
      saleOf('TICKET_RESERVED', 1, id(2)),
      saleOf('TICKET_PENDING', 1, id(2)),
      saleOf('TICKET_PENDING', 2, id(3)),
      saleOf('TICKET_CANCELLED', 2, id(3)),
      // Without ids: sold without being held, then a refund that nobody can tell from nothing.
      saleOf('TICKET_RESERVED', 2, {}),
      saleOf('TICKET_PENDING', 1, {}),
      saleOf('TICKET_CANCELLED', 1, {}),
    ]);
    const peer = market.peer({ entries: one, rate: 50, cancelShare: 0 });
    await peer.start();
    await market.run(10_000);
    await peer.stop();
    const own = (await market.records()).filter(({ headers }) => headers['clientId'] === 'peer-1');
    expect(sumOf(own.map(messageOf)).sold).toBe(10 - 2 - 1 - 2);
  });

  it('comes from the list of the log, the newest there is, and from the matches that were asked for', async () => {
    const market = await openMarket();
    const peer = market.peer({ entries: [], matches: new Set([2, 3]), rate: 50 });
    await peer.start();
    await market.run(5_000);
    expect(await market.records()).toEqual([]);
    expect(peer.summary()).toMatchObject({ sales: 0, hasList: false, left: 0 });
    await market.publishList(list(2, 10));
    await market.publishList(list(4, 100));
    await market.run(5_000);
    await peer.stop();
    expect(new Set((await market.messages()).map(({ body }) => body.matchNumber))).toEqual(new Set([2, 3]));
    const { held, sold } = sumOf(await market.messages());
    expect(peer.summary().left).toBe(2 * ticketsOf(1).length * 100 - held - sold);
  });

  it('passes over a master list that is not valid, and takes one match at a time', async () => {
    const market = await openMarket();
    await market.feed.publish([
      { topic: MASTERLIST, value: '{"matchNumber": 1}', headers: {} },
      { topic: MASTERLIST, value: JSON.stringify(list(1, 5)[0]), headers: {} },
    ]);
    const peer = market.peer({ entries: [] });
    await peer.start();
    await market.run(100);
    expect(peer.summary().left).toBe(15);
    await peer.stop();
  });

  it('waits until what came before is read', async () => {
    const market = await openMarket();
    const id = { clientId: 'other', reservationId: 'r', eventId: 'e' };
    await market.feed.publish([saleOf('TICKET_PENDING', 2, id)]);
    const peer = market.peer({ rate: 100 });
    await peer.start();
    await market.run(SETTLE_MS - 100);
    expect(peer.summary()).toMatchObject({ sales: 0, heard: 1 });
    await market.run(1_000);
    expect(peer.summary().sales).toBeGreaterThan(20);
    await peer.stop();
  });

  it('is not counted again when the log is read again', async () => {
    const market = await openMarket();
    let subscription: Subscription | undefined;
    const subscribe: Log['subscribe'] = async (topics, handler) =>
      (subscription = await market.feed.subscribe(topics, handler));
    const peer = market.peer({ log: over(market, { subscribe }), rate: 20 });
    await peer.start();
    await market.run(5_000);
    const { heard, left } = peer.summary();
    await subscription!.rewind();
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(peer.summary()).toMatchObject({ heard, left });
    await peer.stop();
  });

  it.each([
    { cancelShare: 0, ends: { TICKET_CANCELLED: undefined } },
    { cancelShare: 1, ends: { TICKET_RESERVED: undefined } },
  ])('ends as it should with a share of $cancelShare cancelled', async ({ cancelShare, ends }) => {
    const market = await openMarket();
    const peer = market.peer({ cancelShare, patienceMs: 500 });
    await peer.start();
    await market.run(5_000);
    const counts = byAction(await market.messages());
    expect(counts).toMatchObject({ TICKET_PENDING: expect.any(Number) });
    for (const action of Object.keys(ends)) expect(counts[action]).toBeUndefined();
    await peer.stop();
  });

  it.each([
    { rate: 0.2, seconds: 300 },
    { rate: 2, seconds: 50 },
    { rate: 100, seconds: 10 },
  ])('comes about as often as it is told to: $rate per second', async ({ rate, seconds }) => {
    const market = await openMarket();
    const peer = market.peer({ rate });
    await peer.start();
    await market.run(SETTLE_MS + 1_000 * seconds);
    expect(peer.summary().sales).toBeGreaterThan(0.7 * rate * seconds);
    expect(peer.summary().sales).toBeLessThan(1.3 * rate * seconds);
    await peer.stop();
  });
});

describe('how a peer misbehaves', () => {
  const play = async (market: Market, options: Parameters<Market['peer']>[0]) => {
    const peer = market.peer({ rate: 20, ...options });
    await peer.start();
    await market.run(20_000);
    return peer;
  };

  it('repeats: the very same record, at once or when the sale may have ended', async () => {
    const market = await openMarket();
    const peer = await play(market, { repeats: 0.3 });
    await peer.stop();
    const records = await market.records();
    const times = new Map<string, number[]>();
    for (const { value, headers, timestamp } of records) {
      const same = JSON.stringify([String(value), headers]);
      times.set(same, [...(times.get(same) ?? []), timestamp]);
    }
    const repeated = [...times.values()].filter(({ length }) => length === 2);
    expect(repeated).toHaveLength(peer.summary().repeats);
    expect(repeated.length).toBeGreaterThan(0.2 * times.size);
    expect(repeated.some(([a, b]) => a === b)).toBe(true);
    expect(repeated.some(([a = 0, b = 0]) => b - a > 500)).toBe(true);
  });

  it('reorders: the end before its PENDING', async () => {
    const market = await openMarket();
    const peer = await play(market, { reorders: 0.3 });
    await peer.stop();
    const groups = [...byReservation(await market.records()).values()];
    const reordered = groups.filter(([first]) => first !== 'TICKET_PENDING');
    expect(reordered).toHaveLength(peer.summary().reordered);
    expect(new Set(reordered.map(([first]) => first))).toEqual(
      new Set(['TICKET_RESERVED', 'TICKET_CANCELLED']),
    );
    for (const group of reordered) expect(group[1]).toBe('TICKET_PENDING');
    expect(groups.length).toBeGreaterThan(2 * reordered.length);
  });

  it('garbage: nothing of it can be taken, and no kind is left out', async () => {
    const market = await openMarket();
    const known = list(4, 1_000);
    const peer = await play(market, { garbage: 0.5, entries: known });
    await peer.stop();
    const useless = (await market.records()).filter((record) => {
      const decoded = decodeSalesMessage(record);
      if (decoded.kind === 'malformed') return true;
      return decoded.items.some(({ ticket }) => ticket.matchNumber > known.length);
    });
    expect(useless).toHaveLength(peer.summary().garbage);
    expect(useless.length).toBeGreaterThan(50);
    expect(published(peer.summary())).toBe((await market.records()).length);
    const random = seeded(1);
    const sender = { topic: SALES, clientId: 'p', ids: 'client' as const };
    const kinds = Array.from({ length: 1_000 }, () => garbageRecord(random, sender).value);
    expect(new Set(kinds.map((value) => value.replace(/9\d{3}/, '9000'))).size).toBe(GARBAGE_KINDS.length);
  });

  it('silence: nothing follows a PENDING, not even at the end', async () => {
    const market = await openMarket();
    const peer = await play(market, { silence: 0.3 });
    await peer.stop();
    const groups = [...byReservation(await market.records()).values()];
    const silent = groups.filter(({ length }) => length === 1);
    expect(silent).toHaveLength(peer.summary().silent);
    expect(silent.length).toBeGreaterThan(0.2 * groups.length);
  });
});

describe('stopping a peer', () => {
  it('gives open sales back, leaves no timer and says nothing more', async () => {
    const market = await openMarket();
    const peer = market.peer({ patienceMs: 60_000, reorders: 0.2, repeats: 0.2 });
    await peer.start();
    await market.run(5_000);
    const { open } = peer.summary();
    expect(open).toBeGreaterThan(20);
    await Promise.all([peer.stop(), peer.stop()]);
    expect(market.clock.delays).toEqual([]);
    const messages = await market.messages();
    const records = await market.records();
    for (const actions of byReservation(records).values()) {
      const kinds = new Set(actions);
      expect([...kinds].sort()).toContain('TICKET_PENDING');
      expect(kinds.size).toBe(2);
    }
    expect(peer.summary().open).toBe(0);
    await market.run(60_000);
    expect(await market.messages()).toHaveLength(messages.length);
  });

  it('takes a bounded time while the log does not answer', async () => {
    const market = await openMarket();
    const never = new Promise<never>(() => undefined);
    const peer = market.peer({ log: over(market, { openPublisher: () => never }) });
    await peer.start();
    await market.run(5_000);
    const stopped = peer.stop();
    await market.run(4_000);
    await stopped;
    expect(market.clock.delays).toEqual([]);
    expect(peer.summary().waiting).toBeGreaterThan(0);
  });

  it('tells its summary a last time', async () => {
    const market = await openMarket();
    const told: number[] = [];
    const peer = market.peer({ onSummary: ({ open }) => told.push(open) });
    await peer.start();
    await market.run(5_000);
    expect(told).toHaveLength(5);
    await peer.stop();
    expect(told).toHaveLength(6);
    expect(told[5]).toBe(0);
  });
});

/** The market's log with some calls of its own. */
function over(market: Market, calls: Partial<Log>): Log {
  const { feed } = market;
  return {
    start: () => feed.start(),
    stop: () => feed.stop(),
    openPublisher: () => feed.openPublisher(),
    fence: (id) => feed.fence(id),
    readBack: (topic, since, onRecord) => feed.readBack(topic, since, onRecord),
    subscribe: (topics, handler) => feed.subscribe(topics, handler),
    ...calls,
  };
}

/** A log whose publishers fail when told to, before or after the records are there. */
function failing(market: Market) {
  let mode: 'fine' | 'before' | 'after' = 'fine';
  let opened = 0;
  const fenced: string[] = [];
  const log = over(market, {
    openPublisher: async (): Promise<Publisher> => {
      opened += 1;
      const { id, publish } = await market.feed.openPublisher();
      return {
        id,
        publish: async (records) => {
          if (mode === 'before') throw new Error('lost on the way');
          await publish(records);
          if (mode === 'after') throw new Error('the answer was lost');
        },
      };
    },
    fence: (id) => {
      fenced.push(id);
      return market.feed.fence(id);
    },
  });
  return {
    log,
    fail: (how: typeof mode): void => {
      mode = how;
    },
    fenced,
    opened: () => opened,
  };
}

describe('a log that fails', () => {
  it('is waited for; what was not published goes out once and in order when it is back', async () => {
    const market = await openMarket();
    const peer = market.peer({ rate: 20 });
    await peer.start();
    await market.run(3_000);
    await market.feed.stop();
    await market.run(10_000);
    expect(peer.summary().failures).toBeGreaterThan(2);
    expect(peer.summary().waiting).toBeGreaterThan(100);
    await market.feed.start();
    await market.run(20_000);
    await peer.stop();
    const records = await market.records();
    expect(new Set(records.map(({ headers }) => headers['eventId'])).size).toBe(records.length);
    for (const actions of byReservation(records).values()) {
      expect(actions).toHaveLength(2);
      expect(actions[0]).toBe('TICKET_PENDING');
    }
    expect(published(peer.summary())).toBe(records.length);
  });

  it.each(['before', 'after'] as const)(
    'that loses things %s the records are there gets each once',
    async (how) => {
      const market = await openMarket();
      const { log, fail, fenced, opened } = failing(market);
      const peer = market.peer({ log, rate: 20 });
      await peer.start();
      await market.run(3_000);
      for (let times = 0; times < 5; times += 1) {
        fail(how);
        await market.run(1_000);
        fail('fine');
        await market.run(3_000);
      }
      await peer.stop();
      const records = await market.records();
      expect(new Set(records.map(({ headers }) => headers['eventId'])).size).toBe(records.length);
      expect(published(peer.summary())).toBe(records.length);
      expect(fenced.length).toBeGreaterThanOrEqual(5);
      expect(opened()).toBe(fenced.length + 1);
    },
  );

  it('makes nothing grow without a limit', async () => {
    const market = await openMarket();
    const peer = market.peer({ rate: 500, entries: list(64, 1_000), patienceMs: 100 });
    await peer.start();
    await market.run(2_000);
    await market.feed.stop();
    await market.run(30_000);
    const { waiting, open } = peer.summary();
    // Sales that were open when the limit was reached still end.
    expect(waiting).toBeLessThan(RECORDS_WAITING_MAX + UNSEEN_MAX);
    expect(open).toBe(0);
    const { sales } = peer.summary();
    await market.run(5_000);
    expect(peer.summary()).toMatchObject({ sales, waiting });
    await peer.stop();
  });
});
