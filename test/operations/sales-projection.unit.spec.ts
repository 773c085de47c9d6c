/** Every event of every ledger is counted once, whatever dies, is away, or does the same at the same time. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ArchiveUnavailableError, type LedgerPosition } from '../../src/archive/port.js';
import { SalesBook } from '../../src/operations/sales/book.js';
import { figuresOf, type Figures } from '../../src/operations/sales/figures.js';
import { SalesProjection, type SalesProjectionOptions } from '../../src/operations/sales/projection.js';
import { SalesRecords } from '../../src/operations/sales/records.js';
import { systemClock } from '../../src/process/clock.js';
import type { TicketEvent, TicketId } from '../../src/rules/index.js';
import { silentLogger, until } from '../helpers/engine.js';
import { Pause, patched } from '../helpers/faults.js';
import { MemoryDocuments } from '../helpers/memory-documents.js';
import { DAY, MemoryLedger, NOON, T11, T12, T21, held, loaded, refunded, remote, sold } from './ledger.js';

let ledger: MemoryLedger;
let documents: MemoryDocuments;
let running: SalesProjection[];
beforeEach(() => {
  ledger = new MemoryLedger();
  documents = new MemoryDocuments();
  running = [];
});
afterEach(async () => {
  for (const projection of running) await projection.stop();
});

const recordsOn = (store: MemoryDocuments = documents): SalesRecords => new SalesRecords(store);

function start(more: Partial<SalesProjectionOptions> = {}): SalesProjection {
  const projection = new SalesProjection({
    archive: ledger,
    records: recordsOn(),
    clock: systemClock,
    logger: silentLogger,
    tickets: () => [T11, T12, T21],
    everyMs: 2,
    sweepMs: 4,
    ...more,
  });
  running.push(projection);
  projection.start();
  return projection;
}

async function totals(book = new SalesBook(recordsOn())): Promise<Figures> {
  const range = { from: NOON - 400 * DAY, to: NOON + 400 * DAY };
  const from = Math.floor(range.from / DAY) * DAY;
  const to = Math.ceil(range.to / DAY) * DAY;
  const months = await book.read(from, to);
  const facts = { from, to, bucket: 'day', by: 'none', clientId: 'us', currency: 'USD' } as const;
  return figuresOf(months, facts).totals;
}

/** Resolves when everything is counted that is in the ledgers now. */
async function counted(
  projection: SalesProjection,
  tickets: readonly TicketId[] = [T11, T12, T21],
): Promise<void> {
  const heads = new Map<string, LedgerPosition | null>();
  for (const ticket of tickets)
    heads.set(`${ticket.matchNumber}:${ticket.category}`, await ledger.head(ticket));
  await until(async () => {
    const cursors = await recordsOn().cursors();
    const isThere = [...heads].every(([name, head]) => {
      const cursor = cursors.get(name);
      return head === null || (cursor?.incarnation === head.incarnation && cursor.sequence >= head.sequence);
    });
    return isThere && projection.standing().isComplete;
  }, 5_000);
}

const some = (count: number, at = NOON): TicketEvent[] =>
  Array.from({ length: count }, (_, index) =>
    index % 3 === 2 ? held(at + index) : sold(at + index, { quantity: 1, country: index % 2 ? 'QA' : 'EC' }),
  );

/** Fails once, at the `at`-th call. */
function failing(at: number): () => void {
  let calls = 0;
  return () => {
    calls += 1;
    if (calls === at) throw new ArchiveUnavailableError('away');
  };
}

describe('counting', () => {
  it('follows what is archived, over months, refunds and peers', async () => {
    ledger.append(T11, [loaded(NOON - 60 * DAY), sold(NOON - 60 * DAY), held(NOON)]);
    const projection = start();
    await counted(projection);
    expect(await totals()).toMatchObject({ sold: 2, revenueMinor: 15_000, soldElsewhere: 0 });
    ledger.append(T11, [sold(NOON), refunded(NOON + DAY, 1), remote(NOON, 3), remote(NOON, -1)]);
    ledger.append(T21, [loaded(NOON, 125), remote(NOON, 2)]);
    await counted(projection);
    expect(await totals()).toEqual({
      sold: 4,
      refunded: 1,
      revenueMinor: 30_000,
      refundedMinor: 7_500,
      soldElsewhere: 5,
      refundedElsewhere: 1,
    });
    expect(Object.keys((await recordsOn().cursor('1:1')).months)).toEqual(['2022-09', '2022-11']);
  });

  it('values what peers sold at the price of then, also when the price was read by another', async () => {
    ledger.append(T11, [loaded(NOON, 75), remote(NOON, 1)]);
    await counted(start());
    for (const projection of running.splice(0)) await projection.stop();
    ledger.append(T11, [remote(NOON, 1), loaded(NOON, 100), remote(NOON, 1)]);
    await counted(start());
    const months = await new SalesBook(recordsOn()).read(NOON - DAY, NOON + DAY);
    const day = Math.floor(NOON / DAY) * DAY;
    const request = { from: day, to: day + DAY, bucket: 'day', by: 'marketplace', currency: 'USD' } as const;
    expect(figuresOf(months, { ...request, clientId: 'us' }).series).toMatchObject([
      { key: 'peer', totals: { sold: 3, valueMinor: 25_000 } },
    ]);
  });

  it('takes long ledgers in steps, so that every ticket has its turn', async () => {
    for (const ticket of [T11, T12, T21]) ledger.append(ticket, some(300));
    const order: string[] = [];
    const watched = patched(ledger, {
      events: (ticket, after) => {
        order.push(`${ticket.matchNumber}:${ticket.category}`);
        return ledger.events(ticket, after);
      },
    });
    const projection = start({ archive: watched, stepEventsMax: 50 });
    await counted(projection);
    expect((await totals()).sold).toBe(600);
    // Not one ticket after the other.
    expect(new Set(order.slice(0, 3)).size).toBe(3);
    // An iteration reads one more to know that there is more.
    expect(ledger.reads).toBeLessThan(3 * 300 + 3 * 8);
  });

  it('reads nothing again when nothing happens', async () => {
    ledger.append(T11, some(10));
    const projection = start();
    await counted(projection);
    const { reads } = ledger;
    const before = await documents.document('salesCursors', '1:1');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(ledger.reads).toBe(reads);
    expect(await documents.document('salesCursors', '1:1')).toEqual(before);
  });

  it('looks at tickets that changed long before the next look at all of them, also when it is archived later', async () => {
    let change: (ticket: TicketId) => void = () => undefined;
    const subscribe: SalesProjectionOptions['subscribe'] = (onChange) => {
      change = onChange;
      return () => undefined;
    };
    const projection = start({ subscribe, sweepMs: 3_600_000 });
    await until(() => projection.standing().isComplete);
    change(T11);
    await new Promise((resolve) => setTimeout(resolve, 20));
    ledger.append(T11, some(3));
    ledger.append(T12, some(3));
    await until(async () => (await recordsOn().cursor('1:1')).sequence === 3);
    expect((await recordsOn().cursor('1:2')).sequence).toBe(0);
  });

  it('looks at all of them when changes may have been missed', async () => {
    let reset: () => void = () => undefined;
    const subscribe: SalesProjectionOptions['subscribe'] = (_onChange, onReset) => {
      reset = onReset;
      return () => undefined;
    };
    const projection = start({ subscribe, sweepMs: 3_600_000 });
    await until(() => projection.standing().isComplete);
    ledger.append(T12, some(3));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await recordsOn().cursor('1:2')).sequence).toBe(0);
    reset();
    await until(async () => (await recordsOn().cursor('1:2')).sequence === 3);
  });
});

describe('nothing is counted twice, and nothing left out', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'when the store is away at write %i, before or after it was written',
    async (at) => {
      for (const isWritten of [false, true]) {
        ledger = new MemoryLedger();
        documents = new MemoryDocuments();
        ledger.append(T11, [...some(40, NOON - 40 * DAY), ...some(40)]);
        ledger.append(T12, some(20));
        const fail = failing(at);
        const flaky = patched(documents, {
          insertDocument: async (...of) => {
            if (!isWritten) fail();
            const answer = await documents.insertDocument(...of);
            if (isWritten) fail();
            return answer;
          },
          replaceDocument: async (...of) => {
            if (!isWritten) fail();
            const answer = await documents.replaceDocument(...of);
            if (isWritten) fail();
            return answer;
          },
        });
        const projection = start({ records: recordsOn(flaky), stepEventsMax: 30 });
        await counted(projection);
        await projection.stop();
        expect((await totals()).sold).toBe(54 + 14);
      }
    },
  );

  it('when it dies between a month and the cursor, and another goes on from the older cursor', async () => {
    ledger.append(T11, some(30));
    const pause = new Pause(true);
    const dying = patched(documents, {
      insertDocument: async (collection, document) => {
        if (collection === 'salesCursors') await pause.here();
        return documents.insertDocument(collection, document);
      },
    });
    const first = start({ records: recordsOn(dying) });
    running.pop();
    await pause.reached;
    expect((await documents.document('sales', '1:1/2022-11'))?.version).toBe(1);
    expect(await documents.document('salesCursors', '1:1')).toBeNull();
    ledger.append(T11, some(30));
    await counted(start());
    expect((await totals()).sold).toBe(40);
    // It only slept: what it writes now is older than what is there.
    pause.open();
    await first.stop();
    expect(await recordsOn().cursor('1:1')).toMatchObject({ sequence: 60, months: { '2022-11': 2 } });
    expect((await totals()).sold).toBe(40);
  });

  it('when several count at the same time', async () => {
    const projections = [7, 11, 13].map((stepEventsMax) => start({ stepEventsMax }));
    let expected = 0;
    for (let round = 0; round < 20; round += 1) {
      for (const ticket of [T11, T12, T21]) ledger.append(ticket, some(30, NOON + (round % 4) * 20 * DAY));
      expected += 60;
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    for (const projection of projections) await counted(projection);
    expect((await totals()).sold).toBe(expected);
    const cursor = await recordsOn().cursor('1:1');
    for (const [month, version] of Object.entries(cursor.months)) {
      expect((await recordsOn().month('1:1', month))?.version).toBe(version);
    }
  });

  it('when a ticket goes on under a new incarnation', async () => {
    ledger.append(T11, some(9));
    const projection = start();
    await counted(projection);
    ledger.append(T11, some(9), 2);
    ledger.append(T11, some(9), 5);
    await counted(projection);
    expect(await recordsOn().cursor('1:1')).toMatchObject({ incarnation: 5, sequence: 9 });
    expect((await totals()).sold).toBe(18);
  });
});

describe('how far it is', () => {
  it('is not known at first, then the newest event counted while there are more, then now', async () => {
    const pause = new Pause(true);
    ledger.append(T11, [...some(3), ...some(3, NOON + DAY)]);
    const slow = patched(ledger, {
      head: async (ticket) => {
        await pause.here();
        return ledger.head(ticket);
      },
    });
    const gate = new Pause();
    const held_ = patched(documents, {
      insertDocument: async (collection, document) => {
        const answer = await documents.insertDocument(collection, document);
        if (collection === 'salesCursors') gate.arm();
        return answer;
      },
      document: async (collection, id) => {
        await gate.here();
        return documents.document(collection, id);
      },
    });
    const before = Date.now();
    const projection = start({ archive: slow, records: recordsOn(held_), stepEventsMax: 3 });
    await pause.reached;
    expect(projection.standing()).toEqual({ asOf: null, isComplete: false });
    pause.open();
    await gate.reached;
    await until(() => projection.standing().asOf !== null);
    expect(projection.standing()).toEqual({ asOf: NOON + 2, isComplete: false });
    gate.open();
    await until(() => projection.standing().isComplete);
    expect(projection.standing().asOf).toBeGreaterThanOrEqual(before);
  });

  it('stays where it was while the ledgers are away', async () => {
    ledger.append(T11, some(3));
    let isAway = false;
    let asked = 0;
    const away = patched(ledger, {
      head: async (ticket) => {
        asked += 1;
        if (isAway) throw new ArchiveUnavailableError('away');
        return ledger.head(ticket);
      },
    });
    const projection = start({ archive: away });
    await counted(projection);
    isAway = true;
    await new Promise((resolve) => setTimeout(resolve, 20));
    const then = projection.standing();
    const before = asked;
    await until(() => asked > before + 2);
    expect(projection.standing()).toEqual(then);
    ledger.append(T11, some(3));
    isAway = false;
    await counted(projection);
    expect((await totals()).sold).toBe(4);
  });
});

describe('reading', () => {
  it('reads a month again only when it has changed', async () => {
    ledger.append(T11, some(3));
    ledger.append(T12, some(3));
    const projection = start();
    await counted(projection);
    const read: string[] = [];
    const watched = patched(documents, {
      document: (collection, id) => {
        read.push(id);
        return documents.document(collection, id);
      },
    });
    const book = new SalesBook(recordsOn(watched));
    expect((await totals(book)).sold).toBe(4);
    expect((await totals(book)).sold).toBe(4);
    expect(read.sort()).toEqual(['1:1/2022-11', '1:2/2022-11']);
    ledger.append(T12, some(3));
    await counted(projection);
    expect((await totals(book)).sold).toBe(6);
    expect(read.slice(2)).toEqual(['1:2/2022-11']);
  });

  it('keeps no more in memory than it may, and forgets what was not asked for the longest', async () => {
    for (const ticket of [T11, T12, T21]) ledger.append(ticket, [sold(NOON)]);
    await counted(start());
    const read: string[] = [];
    const watched = patched(documents, {
      document: (collection, id) => {
        read.push(id);
        return documents.document(collection, id);
      },
    });
    const book = new SalesBook(recordsOn(watched), 2);
    for (let round = 0; round < 3; round += 1) expect((await totals(book)).sold).toBe(6);
    expect(read.length).toBeGreaterThan(3);
    expect(read.length).toBeLessThan(9);
  });

  it('has only months of the range', async () => {
    ledger.append(T11, [sold(NOON - 60 * DAY), sold(NOON), sold(NOON + 60 * DAY)]);
    await counted(start());
    const starts = async (from: number, to: number): Promise<string[]> =>
      (await new SalesBook(recordsOn()).read(from, to)).map((month) =>
        new Date(month.start).toISOString().slice(0, 7),
      );
    expect(await starts(NOON, NOON + DAY)).toEqual(['2022-11']);
    expect(await starts(Date.UTC(2022, 9, 1), Date.UTC(2022, 10, 1))).toEqual([]);
    expect((await starts(Date.UTC(2022, 8, 30), Date.UTC(2023, 0, 1, 1))).sort()).toEqual([
      '2022-09',
      '2022-11',
      '2023-01',
    ]);
  });
});
