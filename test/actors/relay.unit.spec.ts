/** The relay over an archive, a log and a store that the test drives by hand. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Cursors, Reply } from '../../src/actors/ports.js';
import { comparePositions, formatPosition } from '../../src/actors/position.js';
import { Publishing } from '../../src/actors/publishing.js';
import { Relay, type RelayLane } from '../../src/actors/relay.js';
import {
  ArchiveUnavailableError,
  type AppendBatch,
  type AppendResult,
  type CommittedEvent,
} from '../../src/archive/port.js';
import type { OutgoingRecord } from '../../src/kafka/port.js';
import type { TicketId } from '../../src/rules/index.js';
import { logOf, silentLogger } from '../helpers/engine.js';
import { ManualClock, settled } from '../helpers/faults.js';

const one: TicketId = { matchNumber: 1, category: 1 };
const two: TicketId = { matchNumber: 1, category: 2 };
const nothing = { incarnation: 1, sequence: 0 };

const event = (ticket: TicketId, sequence: number, incarnation = 1): CommittedEvent => ({
  ticket,
  incarnation,
  sequence,
  commandId: `c${sequence}`,
  event: { type: 'closed', at: sequence },
});
const events = (ticket: TicketId, from: number, to: number): CommittedEvent[] =>
  Array.from({ length: to - from + 1 }, (_, i) => event(ticket, from + i));
const nameOf = (of: CommittedEvent) => `${of.ticket.category}/${formatPosition(of)}`;

describe('the relay', () => {
  let clock: ManualClock;
  let groups: (readonly AppendBatch[])[];
  let published: (readonly OutgoingRecord[])[];
  let ledger: CommittedEvent[];
  let advances: { ticket: TicketId; owner: string; cursors: string; replies: string[] }[];
  let append: (batches: readonly AppendBatch[]) => Promise<readonly AppendResult[]>;
  let publish: () => Promise<void>;
  let readLedger: () => Promise<void>;
  let advance: () => Promise<void>;
  let relay: Relay;
  let fenced: string[];

  beforeEach(() => {
    clock = new ManualClock();
    groups = [];
    published = [];
    ledger = [];
    advances = [];
    fenced = [];
    append = (batches) => Promise.resolve(batches.map(() => 'appended'));
    publish = () => Promise.resolve();
    readLedger = () => Promise.resolve();
    advance = () => Promise.resolve();
    relay = new Relay({
      archive: {
        append: async (batches) => {
          const results = await append(batches);
          groups.push(batches);
          return results;
        },
      },
      publishing: new Publishing({
        log: logOf(async (records) => {
          await publish();
          published.push(records);
        }),
        archive: {
          events: async function* (_ticket, after) {
            await readLedger();
            for (const one of ledger) if (!after || comparePositions(one, after) > 0) yield one;
          },
          savePublisher: () => Promise.resolve(),
          removePublisher: () => Promise.resolve(),
          publishers: () => Promise.resolve([]),
        },
        store: { setPublisher: () => Promise.resolve(true) },
        encode: (of) => (of.sequence % 10 === 0 ? [] : [{ topic: 'sales', value: nameOf(of), headers: {} }]),
        identify: () => null,
        topic: 'sales',
        logger: silentLogger,
      }),
      store: {
        advance: async (ticket, owner, cursors, replies) => {
          await advance();
          advances.push({
            ticket,
            owner,
            cursors: `${formatPosition(cursors.archived)} ${formatPosition(cursors.published)}`,
            replies: [...replies].flatMap(([gateway, list]) => list.map(({ id }) => `${gateway}:${id}`)),
          });
        },
      },
      clock,
      logger: silentLogger,
      groupEventsMax: 5,
    });
  });

  const open = (ticket: TicketId, cursors: Cursors = { archived: nothing, published: nothing }): RelayLane =>
    relay.open(ticket, `owner-${ticket.category}`, { cursors, publisher: null, uncertain: false }, () => {
      fenced.push(`${ticket.category}`);
    });
  const deferred = (id: string, sequence: number) => ({
    gatewayId: 'g',
    reply: { id, result: { kind: 'closed' } } satisfies Reply,
    durableAt: { incarnation: 1, sequence },
  });
  const archivedNames = () =>
    groups.flatMap((batches) => batches.flatMap((batch) => batch.events.map(nameOf)));
  const publishedNames = () => published.flatMap((records) => records.map(({ value }) => value));

  it('writes the events of all tickets in groups, each ticket in order, none larger than the limit', async () => {
    const first = open(one);
    const second = open(two);
    first.push(events(one, 1, 3), []);
    second.push(events(two, 1, 4), []);
    await settled();
    expect(groups.map((batches) => batches.map((batch) => batch.events.map(nameOf)))).toEqual([
      [
        ['1/1-1', '1/1-2', '1/1-3'],
        ['2/1-1', '2/1-2'],
      ],
      [['2/1-3', '2/1-4']],
    ]);
    expect(published.map((records) => records.map(({ value }) => value))).toEqual([
      ['1/1-1', '1/1-2', '1/1-3', '2/1-1', '2/1-2'],
      ['2/1-3', '2/1-4'],
    ]);
    expect([first.backlog, second.backlog, relay.backlogs().size]).toEqual([0, 0, 0]);
  });

  it('gathers what comes while a write is under way into the next one', async () => {
    const ends: (() => void)[] = [];
    append = (batches) => new Promise((resolve) => ends.push(() => resolve(batches.map(() => 'appended'))));
    const lane = open(one);
    lane.push([event(one, 1)], []);
    await settled();
    lane.push([event(one, 2)], []);
    lane.push([event(one, 3)], []);
    await settled();
    expect(ends).toHaveLength(1);
    expect(relay.backlogs()).toEqual(new Map([['1:1', 3]]));
    ends[0]?.();
    await settled();
    ends[1]?.();
    await settled();
    expect(groups.map(([batch]) => batch?.events.map(nameOf))).toEqual([['1/1-1'], ['1/1-2', '1/1-3']]);
  });

  it('says how long ago the oldest event was committed that is not out yet', async () => {
    const ends: (() => void)[] = [];
    append = (batches) => new Promise((resolve) => ends.push(() => resolve(batches.map(() => 'appended'))));
    let published: () => void = () => undefined;
    publish = () => new Promise((resolve) => (published = resolve));
    expect(relay.oldestAt()).toBeNull();
    const [first, second] = [open(one), open(two)];
    second.push([event(two, 7)], []);
    first.push([event(one, 3), event(one, 4)], []);
    await settled();
    expect(relay.oldestAt()).toBe(3);
    ends[0]?.();
    await settled();
    // Archived, and still on its way to the others.
    expect(relay.oldestAt()).toBe(3);
    first.push([event(one, 5)], []);
    published();
    await settled();
    expect(relay.oldestAt()).toBe(5);
    ends[1]?.();
    await settled();
    published();
    await settled();
    expect(relay.oldestAt()).toBeNull();
  });

  it('takes what the last owner left in the ledger to be as old as this owner', async () => {
    let read: () => void = () => undefined;
    readLedger = () => new Promise((resolve) => (read = resolve));
    const at = (sequence: number) => ({ incarnation: 1, sequence });
    ledger = events(one, 1, 3);
    const openedAt = clock.now();
    open(one, { archived: at(3), published: at(1) }).begin();
    await clock.advance(10_000);
    expect(relay.oldestAt()).toBe(openedAt);
    read();
    await settled();
    expect(relay.oldestAt()).toBeNull();
  });

  it('tells what had to be durable after the archive has it, with the cursors, and not before', async () => {
    let end: () => void = () => undefined;
    append = (batches) => new Promise((resolve) => (end = () => resolve(batches.map(() => 'appended'))));
    const lane = open(one);
    lane.push(events(one, 1, 1), [deferred('a', 1)]);
    await settled();
    lane.push(events(one, 2, 2), [deferred('b', 2)]);
    await settled();
    expect(advances).toEqual([]);
    end();
    await settled();
    expect(advances).toEqual([{ ticket: one, owner: 'owner-1', cursors: '1-1 1-0', replies: ['g:a'] }]);
    end();
    await settled();
    expect(advances[1]).toMatchObject({ cursors: '1-2 1-1', replies: ['g:b'] });
  });

  it('tells at once what is durable already', async () => {
    const lane = open(one, { archived: { incarnation: 1, sequence: 4 }, published: nothing });
    lane.push([], [deferred('again', 3)]);
    await settled();
    expect(advances).toMatchObject([{ replies: ['g:again'] }]);
  });

  it('writes cursors that nobody waits for a little later, together', async () => {
    const lane = open(one);
    lane.push(events(one, 1, 2), []);
    await settled();
    expect(advances).toEqual([]);
    await clock.advance(60);
    expect(advances).toEqual([{ ticket: one, owner: 'owner-1', cursors: '1-2 1-2', replies: [] }]);
    await clock.advance(60_000);
    expect(advances).toHaveLength(1);
    expect(clock.timers).toBe(0);
  });

  it('takes from a refill only what is not out yet', async () => {
    const at = (sequence: number) => ({ incarnation: 1, sequence });
    ledger = events(one, 1, 3);
    const lane = open(one, { archived: at(3), published: at(1) });
    lane.push(events(one, 4, 5), []);
    lane.begin();
    await clock.advance(0);
    await settled();
    await settled();
    expect(archivedNames()).toEqual(['1/1-4', '1/1-5']);
    expect(publishedNames()).toEqual(['1/1-2', '1/1-3', '1/1-4', '1/1-5']);
  });

  it('writes each incarnation by itself', async () => {
    const lane = open(one);
    lane.push([event(one, 1), event(one, 2), event(one, 1, 2)], []);
    await settled();
    expect(groups.map(([batch]) => [batch?.incarnation, batch?.events.length])).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });

  it.each(['archive', 'log'])(
    'tries again when the %s fails, with longer and longer pauses',
    async (which) => {
      const attempts: number[] = [];
      const fail = (): Promise<never> => {
        attempts.push(clock.now());
        return Promise.reject(new ArchiveUnavailableError('away'));
      };
      if (which === 'archive') append = fail;
      else publish = fail;
      const lane = open(one);
      lane.push(events(one, 1, 2), [deferred('a', 2)]);
      await clock.advance(60_000);
      const pauses = attempts.slice(1).map((at, i) => at - (attempts[i] ?? 0));
      pauses.forEach((pause, i) => {
        const ceiling = Math.min(2_000, 50 * 2 ** Math.min(i + 1, 10));
        expect(pause).toBeLessThanOrEqual(ceiling);
        expect(pause).toBeGreaterThanOrEqual(ceiling / 2);
      });
      expect(attempts.length).toBeGreaterThan(30);
      // Nothing is told to others that is not archived; what others do not hear is archived all the same.
      expect(publishedNames()).toEqual([]);
      expect(archivedNames()).toHaveLength(which === 'archive' ? 0 : 2);
      expect(advances.flatMap(({ replies }) => replies)).toEqual(which === 'archive' ? [] : ['g:a']);
      append = (batches) => Promise.resolve(batches.map(() => 'appended'));
      publish = () => Promise.resolve();
      await clock.advance(3_000);
      expect(archivedNames()).toEqual(['1/1-1', '1/1-2']);
      expect(publishedNames()).toEqual(['1/1-1', '1/1-2']);
      expect(advances.at(-1)).toMatchObject({ cursors: '1-2 1-2' });
    },
  );

  it('passes an event over that others need not hear of', async () => {
    const lane = open(one, { archived: nothing, published: { incarnation: 1, sequence: 9 } });
    lane.push([event(one, 10)], []);
    await settled();
    expect(published).toEqual([]);
    expect(lane.published).toMatchObject({ sequence: 10 });
  });

  it('stops a lane whose incarnation was superseded: nothing more is written or told', async () => {
    append = (batches) =>
      Promise.resolve(batches.map(({ ticket }) => (ticket === one ? 'fenced' : 'appended')));
    publish = () => Promise.reject(new Error('away'));
    const old = open(one);
    const live = open(two);
    let waited = false;
    old.push(events(one, 1, 2), [deferred('a', 1)]);
    live.push(events(two, 1, 1), [deferred('b', 1)]);
    void old.archivedAll().then(() => (waited = true));
    await settled();
    expect([old.fenced, live.fenced, fenced]).toEqual([true, false, ['1']]);
    expect(waited).toBe(true);
    expect(advances.flatMap(({ replies }) => replies)).toEqual(['g:b']);
    publish = () => Promise.resolve();
    old.push([event(one, 3)], [deferred('c', 3)]);
    await clock.advance(5_000);
    expect(publishedNames()).toEqual(['2/1-1']);
    expect(archivedNames()).not.toContain('1/1-3');
    expect(old.backlog).toBe(0);
    await old.archivedAll();
  });

  it('sets the one ticket aside whose events the archive refuses, and goes on with the others', async () => {
    append = (batches) =>
      batches.some(({ ticket }) => ticket === one)
        ? Promise.reject(new Error('a gap in the ledger'))
        : Promise.resolve(batches.map(() => 'appended'));
    const broken = open(one);
    const sound = open(two);
    broken.push([event(one, 2)], [deferred('a', 2)]);
    sound.push([event(two, 1)], [deferred('b', 1)]);
    await settled();
    expect([broken.fenced, sound.fenced, fenced]).toEqual([true, false, ['1']]);
    expect(advances.flatMap(({ replies }) => replies)).toEqual(['g:b']);
  });

  it('loses nothing when the archive goes away while it looks for the ticket to set aside', async () => {
    let calls = 0;
    append = (batches) => {
      calls += 1;
      if (calls === 1) return Promise.reject(new Error('a gap in the ledger'));
      if (calls === 2) return Promise.reject(new ArchiveUnavailableError('away'));
      return Promise.resolve(batches.map(() => 'appended'));
    };
    const lane = open(one);
    lane.push([event(one, 1)], [deferred('a', 1)]);
    await clock.advance(500);
    expect([lane.fenced, archivedNames()]).toEqual([false, ['1/1-1']]);
    expect(advances.flatMap(({ replies }) => replies)).toEqual(['g:a']);
  });

  it('tries cursors again that could not be written', async () => {
    let failures = 1;
    advance = () => (failures-- > 0 ? Promise.reject(new Error('away')) : Promise.resolve());
    const lane = open(one);
    lane.push([event(one, 1)], []);
    await clock.advance(60);
    expect(advances).toEqual([]);
    lane.push([event(one, 2)], []);
    await clock.advance(60);
    expect(advances).toMatchObject([{ cursors: '1-2 1-2' }]);
  });

  it('says when everything pushed so far is archived', async () => {
    const ends: (() => void)[] = [];
    append = (batches) => new Promise((resolve) => ends.push(() => resolve(batches.map(() => 'appended'))));
    const lane = open(one);
    await lane.archivedAll();
    lane.push(events(one, 1, 6), []);
    let all = false;
    void lane.archivedAll().then(() => (all = true));
    await settled();
    ends[0]?.();
    await settled();
    expect([lane.toArchive.length, all]).toEqual([1, false]);
    ends[1]?.();
    await settled();
    expect(all).toBe(true);
  });

  it('writes out what it has before it stops', async () => {
    const lane = open(one);
    lane.push(events(one, 1, 12), [deferred('a', 12)]);
    await relay.stop();
    expect(archivedNames()).toHaveLength(12);
    expect(publishedNames()).toHaveLength(11);
    expect(advances.at(-1)).toMatchObject({ cursors: '1-12 1-12' });
    expect(advances.flatMap(({ replies }) => replies)).toEqual(['g:a']);
  });

  it('leaves behind what a store does not take when it stops', async () => {
    append = () => Promise.reject(new ArchiveUnavailableError('away'));
    const lane = open(one);
    lane.push([event(one, 1)], [deferred('a', 1)]);
    const waiting = lane.archivedAll();
    await settled();
    const stopping = relay.stop();
    await clock.advance(5_000);
    await Promise.all([stopping, waiting]);
    expect(publishedNames()).toEqual([]);
    expect(advances.flatMap(({ replies }) => replies)).toEqual([]);
  });
});
