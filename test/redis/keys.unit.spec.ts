/** Keys, channels and names: what shares a slot, and that nothing is ever taken for something else. */
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import fc from '../helpers/property.js';
import { parseTicketName, RedisKeys, ticketName } from '../../src/redis/keys.js';
import type { TicketId } from '../../src/rules/index.js';

const slotOf = createRequire(import.meta.url)('cluster-key-slot') as (key: string) => number;

const prefix = fc.stringMatching(/^[\w-]{1,12}$/);
const ticket = fc.record({
  matchNumber: fc.integer({ min: 1, max: 9_999 }),
  category: fc.integer({ min: 1, max: 3 }),
});
/** Ids are made by others: anything may be in them. */
const id = fc.oneof(
  fc.string({ minLength: 1, maxLength: 20 }),
  fc.constantFrom('{x}', 'a:b', 'c1:meta', '}'),
);

/** Every key of a ticket, its queue's included. */
function keysOf(keys: RedisKeys, of: TicketId, commandId: string): string[] {
  const { queuePrefix, queueName, ...own } = keys.ticket(of);
  const queue = ['wait', 'active', 'meta', 'id', '1', 'failed'].map(
    (type) => `${queuePrefix}:${queueName}:${type}`,
  );
  return [...Object.values(own), ...queue, keys.outcome(of, commandId), keys.ended(of, commandId)];
}

describe('keys', () => {
  it('of a match share one slot: its three tickets, their queues, outcomes and ended reservations', () => {
    fc.assert(
      fc.property(prefix, ticket, id, (name, of, commandId) => {
        const keys = new RedisKeys(name);
        const all = [1, 2, 3].flatMap((category) => keysOf(keys, { ...of, category }, commandId));
        expect(new Set(all.map(slotOf)).size).toBe(1);
        expect(new Set(all).size).toBe(all.length);
      }),
    );
  });

  it('of the waiting room share one slot, and are of one round each', () => {
    const { room } = new RedisKeys('p');
    const all = [
      room.state(),
      room.measures(),
      room.passes(),
      room.inside(),
      ...[0, 1, 4_095].flatMap((bucket) => [room.people(1, bucket), room.people(2, bucket)]),
    ];
    expect(new Set(all.map(slotOf)).size).toBe(1);
    expect(new Set(all).size).toBe(all.length);
  });

  it('of different matches are spread over the slots', () => {
    const keys = new RedisKeys('p');
    const slots = Array.from({ length: 64 }, (_, i) =>
      slotOf(keys.ticket({ matchNumber: i + 1, category: 1 }).meta),
    );
    expect(new Set(slots).size).toBeGreaterThan(60);
  });

  it('are never the same for different markets, tickets, commands or purposes', () => {
    fc.assert(
      fc.property(prefix, prefix, ticket, ticket, id, id, (nameA, nameB, a, b, idA, idB) => {
        const one = new RedisKeys(nameA);
        const other = new RedisKeys(nameB);
        const shared = (keys: RedisKeys) => [
          keys.catalog,
          keys.workers,
          keys.queuePrefix,
          keys.idempotency('x'),
        ];
        const mine = [...keysOf(one, a, idA), ...shared(one)];
        expect(new Set(mine).size).toBe(mine.length);
        if (nameA !== nameB) {
          const theirs = new Set([...keysOf(other, b, idB), ...shared(other)]);
          for (const key of mine) expect(theirs.has(key)).toBe(false);
          for (const key of mine) expect(key.startsWith(`${nameB}:`)).toBe(false);
        } else if (ticketName(a) !== ticketName(b) || idA !== idB) {
          expect(one.outcome(a, idA)).not.toBe(other.outcome(b, idB));
          expect(one.ended(a, idA)).not.toBe(other.ended(b, idB));
        }
      }),
    );
  });

  it('name channels that are all different', () => {
    const { channels } = new RedisKeys('p');
    const names = [
      channels.replies('a'),
      channels.replies('b'),
      channels.changes(),
      channels.wake(),
      channels.catalog(),
    ];
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name.startsWith('p:')).toBe(true);
  });

  it('refuse a prefix that could run into another', () => {
    for (const bad of ['', 'a:b', '{x}', 'a b', 'ä', 'x'.repeat(41)]) {
      expect(() => new RedisKeys(bad)).toThrow('REDIS_PREFIX');
    }
  });

  it('are built once', () => {
    const keys = new RedisKeys('p');
    expect(keys.ticket({ matchNumber: 1, category: 1 })).toBe(keys.ticket({ matchNumber: 1, category: 1 }));
  });

  it('names of tickets read back', () => {
    fc.assert(
      fc.property(ticket, (of) => {
        expect(parseTicketName(ticketName(of))).toEqual(of);
      }),
    );
  });

  it('what is no name of a ticket is not read as one', () => {
    for (const name of [
      '',
      '1',
      '1:',
      ':1',
      '1:12',
      '12345:1',
      'x:1',
      '1:1 ',
      ' 1:1',
      '-1:1',
      '1:1:1',
      '*',
    ]) {
      expect(parseTicketName(name)).toBeNull();
    }
  });
});
