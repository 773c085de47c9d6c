/** The codec against the contract: what strict peers accept, what lenient reading takes, and a round trip. */
import { describe, expect, it } from '@jest/globals';
import fc from '../helpers/property.js';
import type { CommittedEvent } from '../../src/archive/port.js';
import type { MatchEntry } from '../../src/catalog/match.js';
import type { IncomingRecord, OutgoingRecord } from '../../src/kafka/port.js';
import {
  decodeMasterList,
  decodeSalesMessage,
  decodeSalesValue,
  encodeSale,
  ID_CHARS_MAX,
  strictnessReport,
  TICKETS_PER_MESSAGE_MAX,
  VALUE_BYTES_MAX,
} from '../../src/kafka/wire.js';
import type { Reservation, TicketEvent } from '../../src/rules/index.js';

const SOURCE = 'cluster/sales/0';
const AT = 1_669_000_000_000;

function incoming(value: unknown, headers: Record<string, string> = {}): IncomingRecord {
  const raw = typeof value === 'string' ? value : JSON.stringify(value);
  return { source: SOURCE, topic: 'sales', offset: '41', timestamp: AT, value: Buffer.from(raw), headers };
}
const message = (over: { meta?: object; body?: object; top?: object } = {}): unknown => ({
  meta: { action: 'TICKET_PENDING', ...over.meta },
  body: { matchNumber: 1, tickets: { category: 1, quantity: 2, price: 75 }, ...over.body },
  ...over.top,
});
const reasonOf = (record: IncomingRecord): string | undefined => {
  const decoded = decodeSalesMessage(record);
  return decoded.kind === 'malformed' ? decoded.reason : undefined;
};
const firstOf = (record: IncomingRecord) => {
  const decoded = decodeSalesMessage(record);
  if (decoded.kind === 'malformed') throw new Error(decoded.reason);
  return decoded.items[0]!;
};

describe('reading a sales message', () => {
  it('takes the canonical form', () => {
    const headers = { clientId: 'north', reservationId: 'r-1', eventId: '1:1:1:7', sequence: '7' };
    expect(decodeSalesMessage(incoming(message(), headers))).toEqual({
      kind: 'sales',
      items: [
        {
          ticket: { matchNumber: 1, category: 1 },
          action: 'pending',
          clientId: 'north',
          quantity: 2,
          reservationId: 'r-1',
          eventId: '1:1:1:7',
          recordedAt: AT,
          position: { source: SOURCE, offset: '41', index: 0 },
        },
      ],
    });
  });

  it.each([
    ['TICKET_PENDING', 'pending'],
    ['TICKET_RESERVED', 'reserved'],
    ['TICKET_CANCELLED', 'cancelled'],
  ])('%s is %s', (action, expected) => {
    expect(firstOf(incoming(message({ meta: { action } }))).action).toBe(expected);
  });

  it('takes several tickets, each with its index', () => {
    const tickets = [
      { category: 1, quantity: 2, price: 75 },
      { category: '3', quantity: 7 },
    ];
    const decoded = decodeSalesMessage(incoming(message({ body: { tickets } })));
    expect(decoded).toMatchObject({
      items: [
        { ticket: { category: 1 }, quantity: 2, position: { index: 0 } },
        { ticket: { category: 3 }, quantity: 7, position: { index: 1 } },
      ],
    });
  });

  it.each<[string, unknown, Record<string, string>, string]>([
    ['a header', message(), { clientId: 'a' }, 'a'],
    ['meta', message({ meta: { clientId: 'b' } }), {}, 'b'],
    ['body', message({ body: { clientId: 'c' } }), {}, 'c'],
    ['the top level', message({ top: { clientId: 'd' } }), {}, 'd'],
    ['nowhere', message(), {}, 'unknown'],
    ['a number', message({ meta: { clientId: 17 } }), {}, '17'],
    ['an empty header, then meta', message({ meta: { clientId: 'b' } }), { clientId: ' ' }, 'b'],
    [
      'a header before meta before body',
      message({ meta: { clientId: 'b' }, body: { clientId: 'c' } }),
      { clientId: 'a' },
      'a',
    ],
    ['something that is no id', message({ meta: { clientId: { a: 1 } } }), {}, 'unknown'],
    ['with blanks around it', message(), { clientId: ' a ' }, 'a'],
  ])('clientId: %s', (_name, value, headers, expected) => {
    expect(firstOf(incoming(value, headers)).clientId).toBe(expected);
  });

  it.each<[string, object]>([
    ['unknown keys', { extra: { deep: [1, 2] } }],
    ['matchNumber as a string', { matchNumber: '1' }],
    ['category as a string', { tickets: { category: '1', quantity: 2 } }],
    ['no price', { tickets: { category: 1, quantity: 2 } }],
    ['a price nobody knows', { tickets: { category: 1, quantity: 2, price: 'free' } }],
  ])('is lenient about %s', (_name, body) => {
    expect(firstOf(incoming(message({ body })))).toMatchObject({
      ticket: { matchNumber: 1, category: 1 },
      quantity: 2,
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['not JSON', '{"meta":', /not JSON/],
    ['a list', [], /meta\.action/],
    ['null', null, /meta\.action/],
    ['a number', 7, /meta\.action/],
    ['no meta', { body: {} }, /meta\.action/],
    ['another action', message({ meta: { action: 'TICKET_STOLEN' } }), /meta\.action/],
    ['an inherited action', message({ meta: { action: 'constructor' } }), /meta\.action/],
    ['no body', { meta: { action: 'TICKET_PENDING' } }, /matchNumber/],
    ['matchNumber 0', message({ body: { matchNumber: 0 } }), /matchNumber/],
    ['matchNumber too large', message({ body: { matchNumber: 10_000 } }), /matchNumber/],
    ['matchNumber not whole', message({ body: { matchNumber: 1.5 } }), /matchNumber/],
    ['matchNumber as words', message({ body: { matchNumber: 'one' } }), /matchNumber/],
    ['matchNumber as an exponent', message({ body: { matchNumber: '1e1' } }), /matchNumber/],
    ['no tickets', message({ body: { tickets: null } }), /ticket 0: category/],
    ['an empty list', message({ body: { tickets: [] } }), /empty/],
    ['category 0', message({ body: { tickets: { category: 0, quantity: 1 } } }), /category/],
    ['category 4', message({ body: { tickets: { category: 4, quantity: 1 } } }), /category/],
    ['category "1 "', message({ body: { tickets: { category: '1 ', quantity: 1 } } }), /category/],
    ['quantity 0', message({ body: { tickets: { category: 1, quantity: 0 } } }), /quantity/],
    ['quantity negative', message({ body: { tickets: { category: 1, quantity: -2 } } }), /quantity/],
    ['quantity not whole', message({ body: { tickets: { category: 1, quantity: 1.2 } } }), /quantity/],
    ['quantity as a string', message({ body: { tickets: { category: 1, quantity: '2' } } }), /quantity/],
    ['quantity too large', message({ body: { tickets: { category: 1, quantity: 1_000_001 } } }), /quantity/],
    [
      'one bad ticket of two',
      message({ body: { tickets: [{ category: 1, quantity: 1 }, { category: 1 }] } }),
      /ticket 1: quantity/,
    ],
    [
      'too many tickets',
      message({ body: { tickets: Array(TICKETS_PER_MESSAGE_MAX + 1).fill({ category: 1, quantity: 1 }) } }),
      /more than/,
    ],
    [
      'a clientId that is too long',
      message({ meta: { clientId: 'x'.repeat(ID_CHARS_MAX + 1) } }),
      /clientId/,
    ],
  ])('rejects %s', (_name, value, reason) => {
    expect(reasonOf(incoming(value))).toMatch(reason);
  });

  it.each(['reservationId', 'eventId'])('rejects a %s that is too long', (name) => {
    expect(reasonOf(incoming(message(), { [name]: 'x'.repeat(ID_CHARS_MAX + 1) }))).toContain(name);
  });

  it('rejects no value, an empty one, one that is not UTF-8 and one that is too large', () => {
    const record = incoming(message());
    expect(reasonOf({ ...record, value: null })).toMatch(/no value/);
    expect(reasonOf({ ...record, value: Buffer.alloc(0) })).toMatch(/no value/);
    expect(reasonOf({ ...record, value: Buffer.from([0x7b, 0xff, 0x7d]) })).toMatch(/UTF-8/);
    const padded = JSON.stringify(message()).padEnd(VALUE_BYTES_MAX, ' ');
    expect(reasonOf({ ...record, value: Buffer.from(padded) })).toBeUndefined();
    expect(reasonOf({ ...record, value: Buffer.from(`${padded} `) })).toMatch(/larger/);
  });

  it('reads nothing from a prototype and changes none', () => {
    const value =
      '{"__proto__":{"meta":{"action":"TICKET_PENDING"},"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
    expect(reasonOf(incoming(value))).toMatch(/meta\.action/);
    expect(
      firstOf(incoming(message({ meta: JSON.parse('{"__proto__":{"clientId":"x"}}') as object }))).clientId,
    ).toBe('unknown');
    expect(firstOf(incoming(message(), { clientId: '__proto__' })).clientId).toBe('__proto__');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('survives a value that is nested as deeply as fits', () => {
    const deep = '['.repeat(VALUE_BYTES_MAX / 2) + ']'.repeat(VALUE_BYTES_MAX / 2);
    expect(decodeSalesMessage(incoming(deep)).kind).toBe('malformed');
  });

  it('answers anything at all, never throws', () => {
    const headers = fc.dictionary(fc.string(), fc.string());
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array().map(Buffer.from), fc.json().map(Buffer.from)),
        headers,
        (value, given) => {
          const record = { ...incoming(''), value, headers: given };
          expect(['sales', 'malformed']).toContain(decodeSalesMessage(record).kind);
          expect(['masterList', 'malformed']).toContain(decodeMasterList(record).kind);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('accepts exactly the quantities and categories in range', () => {
    const anything = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.string(),
      fc.constantFrom(1, 2, 3, '1', '2', '3', null),
    );
    fc.assert(
      fc.property(anything, anything, anything, (matchNumber, category, quantity) => {
        const decoded = decodeSalesMessage(
          incoming(message({ body: { matchNumber, tickets: { category, quantity } } })),
        );
        if (decoded.kind === 'malformed') return;
        const [item] = decoded.items;
        expect(item!.ticket).toEqual({ matchNumber: Number(matchNumber), category: Number(category) });
        expect([1, 2, 3]).toContain(item!.ticket.category);
        expect(item!.quantity).toBe(quantity);
        expect(Number.isSafeInteger(item!.quantity) && item!.quantity > 0).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('reading a sales message that came another way', () => {
  const value = Buffer.from(JSON.stringify(message({ meta: { clientId: 'north' } })));

  it('gives the sales without a place in a log', () => {
    expect(decodeSalesValue(value, { reservationId: 'r-1', eventId: 'e' }, 'ticktak')).toEqual({
      kind: 'sales',
      sales: [
        {
          ticket: { matchNumber: 1, category: 1 },
          action: 'pending',
          clientId: 'north',
          quantity: 2,
          reservationId: 'r-1',
        },
      ],
    });
  });

  it('recognises our own, and says what is wrong', () => {
    expect(decodeSalesValue(value, {}, 'north')).toEqual({ kind: 'own' });
    expect(decodeSalesValue(value, { clientId: 'ticktak' }, 'ticktak')).toEqual({ kind: 'own' });
    expect(decodeSalesValue(Buffer.from('{}'), {}, 'ticktak')).toMatchObject({ kind: 'invalid' });
  });
});

describe('reading a master list', () => {
  const entry: MatchEntry = {
    matchNumber: 1,
    roundNumber: 1,
    dateUtc: '2022-11-20T16:00:00Z',
    location: 'Al Bayt Stadium',
    availability: {
      category1: { available: 20, pending: 0, price: 75 },
      category2: { available: 20, pending: 0, price: 125 },
      category3: { available: 20, pending: 0, price: 195 },
    },
    homeTeam: 'Qatar',
    awayTeam: 'Ecuador',
    group: 'A',
  };

  it('takes one match, several, and unknown keys', () => {
    expect(decodeMasterList(incoming(entry))).toEqual({ kind: 'masterList', entries: [entry] });
    expect(decodeMasterList(incoming([entry, { ...entry, matchNumber: 2, extra: 1 }]))).toEqual({
      kind: 'masterList',
      entries: [entry, { ...entry, matchNumber: 2 }],
    });
    expect(decodeMasterList(incoming({ ...entry, group: null, homeTeam: 'TBA' })).kind).toBe('masterList');
  });

  it.each<[string, unknown, RegExp]>([
    ['not JSON', 'x', /JSON/],
    ['an empty list', [], /master list/],
    ['no location', { ...entry, location: undefined }, /location/],
    [
      'a negative capacity',
      [{ ...entry, availability: { ...entry.availability, category2: { available: -1, price: 1 } } }],
      /0\.availability\.category2\.available/,
    ],
    ['no date', { ...entry, dateUtc: 'tomorrow' }, /dateUtc/],
    ['a length of no value', { ...entry, location: { length: { toString: 1, valueOf: 1 } } }, /length/],
  ])('rejects %s and says where', (_name, value, reason) => {
    const decoded = decodeMasterList(incoming(value));
    expect(decoded.kind === 'malformed' && decoded.reason).toMatch(reason);
  });

  it('reports what strict marketplaces cannot represent', () => {
    const availability = { ...entry.availability, category2: { available: 1, price: 80 } };
    const report = strictnessReport([entry, { ...entry, matchNumber: 9, availability }]);
    expect(report).toHaveLength(1);
    expect(report[0]).toMatch(/^Match 9, category 2: .*80/);
    expect(strictnessReport([entry])).toEqual([]);
  });
});

// --- Publishing ---------------------------------------------------------------------------------------------

/** What a strict peer does to a value: null when it would drop it. */
function strictRead(
  value: string,
): { action: string; tickets: number; category: number; price: number } | null {
  const only = (object: unknown, keys: string[]): Record<string, unknown> | null =>
    typeof object === 'object' && object !== null && Object.keys(object).join() === keys.join()
      ? (object as Record<string, unknown>)
      : null;
  const top = only(JSON.parse(value), ['meta', 'body']);
  const meta = only(top?.['meta'], ['action']);
  const body = only(top?.['body'], ['matchNumber', 'tickets']);
  const tickets = only(body?.['tickets'], ['category', 'quantity', 'price']);
  if (!meta || !body || !tickets || !Number.isInteger(body['matchNumber'])) return null;
  const { action } = meta as { action: string };
  const { category, quantity, price } = tickets as Record<string, number>;
  if (!['TICKET_PENDING', 'TICKET_RESERVED', 'TICKET_CANCELLED'].includes(action)) return null;
  if (![1, 2, 3].includes(category!) || ![1, 2].includes(quantity!) || ![75, 125, 195].includes(price!))
    return null;
  return { action, tickets: quantity!, category: category!, price: price! };
}

const OPTIONS = { clientId: 'ticktak', topic: 'sales', clientIdInValue: false };
const reservation = (over: Partial<Reservation> = {}): Reservation => ({
  id: 'r-1',
  matchNumber: 1,
  category: 2,
  status: 'PENDING',
  quantity: 2,
  refundedQuantity: 0,
  unitPrice: 125,
  currency: 'USD',
  email: 'ann@example.org',
  person: 'ann',
  createdAt: AT,
  updatedAt: AT,
  expiresAt: AT,
  ...over,
});
const committed = (event: TicketEvent, over: Partial<CommittedEvent> = {}): CommittedEvent => ({
  ticket: { matchNumber: 1, category: 2 },
  incarnation: 3,
  sequence: 17,
  commandId: 'c',
  event,
  ...over,
});
const held = (quantity = 2): TicketEvent => ({
  type: 'held',
  at: AT,
  reservation: reservation({ quantity }),
});
const asIncoming = (record: OutgoingRecord, offset: number): IncomingRecord => ({
  source: SOURCE,
  topic: record.topic,
  offset: String(offset),
  timestamp: AT,
  value: Buffer.from(record.value),
  headers: record.headers,
});

describe('publishing', () => {
  it('writes exactly the canonical value, identity in headers', () => {
    expect(encodeSale(committed(held()), OPTIONS)).toEqual([
      {
        topic: 'sales',
        key: '1:2',
        value:
          '{"meta":{"action":"TICKET_PENDING"},"body":{"matchNumber":1,"tickets":{"category":2,"quantity":2,"price":125}}}',
        headers: { clientId: 'ticktak', eventId: '1:2:3:17', reservationId: 'r-1', sequence: '17' },
      },
    ]);
  });

  describe('of a ticket that is sold in the order of the log', () => {
    const asked = { reservation: reservation({ quantity: 2 }), commandId: 'c' };
    const ordered = { ...OPTIONS, ordered: true };
    const told = (event: TicketEvent) =>
      encodeSale(committed(event), ordered).map(({ value, headers }) => [
        (JSON.parse(value) as { meta: { action: string } }).meta.action,
        headers['reason'],
        headers['admission'],
      ]);

    const logged = {
      action: 'pending',
      reservationId: 'r-1',
      quantity: 2,
      recordedAt: AT,
      position: { source: 'log', offset: '5', index: 0 },
      takenDelta: 0,
      tally: { held: 0, sold: 0, early: [], cancelledEarly: 0, heldSince: 0 },
      isVoid: true,
    } as const;

    it('tells of a hold when it is asked for, and of one that is not given; never of what the log granted', () => {
      expect(told({ type: 'asked', at: AT, asked })).toEqual([['TICKET_PENDING', undefined, 'ordered']]);
      expect(told({ type: 'voided', at: AT, asked, logged })).toEqual([
        ['TICKET_CANCELLED', 'cancelled', 'ordered'],
      ]);
      expect(told({ type: 'voided', at: AT, asked, logged, cause: 'match_cancelled' })).toEqual([]);
      expect(told({ type: 'held', at: AT, reservation: reservation({}), logged })).toEqual([]);
    });

    it('is read as of one who goes by the log, when it says whose reservation it is', () => {
      const [record] = encodeSale(committed({ type: 'asked', at: AT, asked }), ordered);
      const read = decodeSalesMessage(asIncoming(record!, 5));
      expect(read).toMatchObject({ items: [{ action: 'pending', reservationId: 'r-1', ordered: true }] });
      expect(strictRead(record!.value)).not.toBeNull();
      const { reservationId: _, ...headers } = record!.headers;
      const without = decodeSalesMessage({ ...asIncoming(record!, 5), headers });
      expect(without).toMatchObject({ items: [{ action: 'pending', clientId: 'ticktak' }] });
      expect(without).not.toMatchObject({ items: [{ ordered: true }] });
    });
  });

  it('adds the clientId to the value when told so', () => {
    const [record] = encodeSale(committed(held()), { ...OPTIONS, clientIdInValue: true });
    expect(record!.value).toBe(
      '{"meta":{"action":"TICKET_PENDING","clientId":"ticktak"},"body":{"matchNumber":1,"tickets":{"category":2,"quantity":2,"price":125}}}',
    );
    expect(strictRead(record!.value)).toBeNull();
  });

  it.each<[string, TicketEvent, string | null, string | undefined, number]>([
    ['held', held(), 'TICKET_PENDING', undefined, 2],
    [
      'sold',
      { type: 'sold', at: AT, reservation: reservation({ status: 'RESERVED', reason: 'paid' }) },
      'TICKET_RESERVED',
      'paid',
      2,
    ],
    ...(['declined', 'expired', 'cancelled'] as const).map(
      (reason): [string, TicketEvent, string, string, number] => [
        `released, ${reason}`,
        { type: 'released', at: AT, reservation: reservation({ status: 'CANCELLED', reason }) },
        'TICKET_CANCELLED',
        reason,
        2,
      ],
    ),
    [
      'refunded in part',
      {
        type: 'refunded',
        at: AT,
        quantity: 1,
        reservation: reservation({
          status: 'RESERVED',
          quantity: 1,
          refundedQuantity: 1,
          reason: 'refunded',
        }),
      },
      'TICKET_CANCELLED',
      'refunded',
      1,
    ],
    [
      'refunded whole',
      {
        type: 'refunded',
        at: AT,
        quantity: 2,
        reservation: reservation({ status: 'REFUNDED', reason: 'refunded' }),
      },
      'TICKET_CANCELLED',
      'refunded',
      2,
    ],
    [
      'paymentStarted',
      { type: 'paymentStarted', at: AT, reservation: reservation({ status: 'PAYING' }) },
      null,
      undefined,
      0,
    ],
    ['loaded', { type: 'loaded', at: AT, capacity: 1, price: 75, currency: 'USD' }, null, undefined, 0],
    ['closed', { type: 'closed', at: AT }, null, undefined, 0],
    [
      'remote',
      {
        type: 'remote',
        at: AT,
        action: 'pending',
        clientId: 'north',
        quantity: 2,
        recordedAt: AT,
        heldDelta: 2,
        soldDelta: 0,
        tally: { held: 2, sold: 0, early: [], cancelledEarly: 0, heldSince: AT },
      },
      null,
      undefined,
      0,
    ],
  ])('%s', (_name, event, action, reason, tickets) => {
    const records = encodeSale(committed(event), OPTIONS);
    expect(records).toHaveLength(action === null ? 0 : 1);
    for (const record of records) {
      expect(strictRead(record.value)).toEqual({ action, tickets, category: 2, price: 125 });
      expect(record.headers['reason']).toBe(reason);
      expect('reason' in record.headers).toBe(reason !== undefined);
    }
  });

  it('splits what strict peers would drop, each part with an id of its own', () => {
    const records = encodeSale(committed(held(5)), OPTIONS);
    expect(records.map((record) => strictRead(record.value)?.tickets)).toEqual([2, 2, 1]);
    expect(records.map((record) => record.headers['eventId'])).toEqual([
      '1:2:3:17/1',
      '1:2:3:17/2',
      '1:2:3:17/3',
    ]);
    expect(new Set(records.map((record) => record.key))).toEqual(new Set(['1:2']));
  });

  const anyEvent = fc
    .record({
      type: fc.constantFrom('held' as const, 'sold' as const, 'released' as const, 'refunded' as const),
      matchNumber: fc.integer({ min: 1, max: 9_999 }),
      category: fc.constantFrom(1, 2, 3),
      quantity: fc.integer({ min: 1, max: 9 }),
      unitPrice: fc.constantFrom(75, 125, 195),
      id: fc.string({ minLength: 1, maxLength: 40 }).filter((id) => id.trim() === id && id !== ''),
      reason: fc.constantFrom('cancelled' as const, 'declined' as const, 'expired' as const),
      incarnation: fc.integer({ min: 1, max: 1_000 }),
      sequence: fc.integer({ min: 1 }),
    })
    .map(({ type, incarnation, sequence, ...rest }): CommittedEvent => {
      const { matchNumber, category, quantity } = rest;
      const event: TicketEvent =
        type === 'refunded'
          ? { type, at: AT, quantity, reservation: reservation(rest) }
          : { type, at: AT, reservation: reservation(rest) };
      return committed(event, { ticket: { matchNumber, category }, incarnation, sequence });
    });

  it('everything it writes is read by strict peers, and by us as what it was', () => {
    const actions = { held: 'pending', sold: 'reserved', released: 'cancelled', refunded: 'cancelled' };
    const ofPeer = { ...OPTIONS, clientId: 'north' };
    fc.assert(
      fc.property(anyEvent, fc.boolean(), (event, clientIdInValue) => {
        const records = encodeSale(event, ofPeer);
        const eventIds = records.map((record) => record.headers['eventId']);
        expect(new Set(eventIds).size).toBe(records.length);
        expect(encodeSale(event, ofPeer)).toEqual(records);
        for (const { value } of records) expect(strictRead(value)).not.toBeNull();
        const read = encodeSale(event, { ...ofPeer, clientIdInValue }).map((record, i) =>
          firstOf(asIncoming(record, i)),
        );
        const fact = event.event as Extract<TicketEvent, { type: 'held' | 'refunded' }>;
        const quantity = fact.type === 'refunded' ? fact.quantity : fact.reservation.quantity;
        expect(read.reduce((sum, item) => sum + item.quantity, 0)).toBe(quantity);
        for (const item of read) {
          expect(item).toMatchObject({
            ticket: event.ticket,
            action: actions[fact.type],
            clientId: 'north',
            reservationId: fact.reservation.id,
            recordedAt: AT,
          });
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('a clientId in the value alone is enough', () => {
    const [record] = encodeSale(committed(held()), { ...OPTIONS, clientIdInValue: true });
    expect(firstOf({ ...asIncoming(record!, 0), headers: {} }).clientId).toBe('ticktak');
  });
});
