/** What actors commit is counted once, on both archives, also when Redis is lost or a history goes on elsewhere. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MongoClient } from 'mongodb';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { MongoArchive } from '../../src/archive/mongo.js';
import type { AppendBatch, Archive } from '../../src/archive/port.js';
import { SalesBook } from '../../src/operations/sales/book.js';
import { figuresOf, type FiguresAnswer, type FiguresRequest } from '../../src/operations/sales/figures.js';
import { SalesProjection } from '../../src/operations/sales/projection.js';
import { SalesRecords } from '../../src/operations/sales/records.js';
import { systemClock } from '../../src/process/clock.js';
import { ticketName } from '../../src/redis/keys.js';
import type { TicketId } from '../../src/rules/index.js';
import {
  countersOf,
  holdBody,
  ledgerOf,
  loadBody,
  sell,
  silentLogger,
  startEngine,
  until,
  type Engine,
} from '../helpers/engine.js';
import { deleteKeys, patched, Pause } from '../helpers/faults.js';
import { sharedMongo, sharedMongoFound } from '../helpers/mongo.js';
import { uniqueName } from '../helpers/services.js';
import { skipBecause } from '../helpers/skips.js';
import { DAY, HOUR } from './ledger.js';

const TICKET: TicketId = { matchNumber: 1, category: 1 };
const OTHER: TicketId = { matchNumber: 1, category: 2 };

interface Store {
  readonly make: () => Archive;
  readonly remove: () => Promise<void>;
}

async function embeddedStore(): Promise<Store> {
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-sales-'));
  return {
    make: () => new EmbeddedArchive({ dir }),
    remove: async () => rmSync(dir, { recursive: true, force: true }),
  };
}

async function mongoStore(): Promise<Store> {
  const { url } = await sharedMongo();
  const database = uniqueName('sales');
  return {
    make: () => new MongoArchive({ url, database, logger: silentLogger }),
    remove: async () => {
      const client = new MongoClient(url);
      await client.db(database).dropDatabase();
      await client.close();
    },
  };
}

function suite(name: string, open: () => Promise<Store>): void {
  describe(`sales on the ${name} archive`, () => {
    let store: Store;
    let engine: Engine;
    let running: SalesProjection[];
    beforeEach(async () => {
      store = await open();
      running = [];
    });
    afterEach(async () => {
      for (const projection of running) await projection.stop();
      await engine.stop();
      await store.remove();
    });

    const startOn = async (over: (archive: Archive) => Archive = (archive) => archive): Promise<void> => {
      engine = await startEngine({ matches: [1], archive: () => over(store.make()) });
      for (const ticket of [TICKET, OTHER]) await engine.tell(ticket, loadBody(100, 75));
    };

    function count(everyMs = 20, sweepMs = 200): SalesProjection {
      const { archive, core } = engine;
      const projection = new SalesProjection({
        archive,
        records: new SalesRecords(archive),
        clock: systemClock,
        logger: silentLogger,
        tickets: () => core.catalog.tickets,
        subscribe: (onChange, onReset) => core.counters.subscribe(onChange, onReset),
        everyMs,
        sweepMs,
      });
      running.push(projection);
      projection.start();
      return projection;
    }

    /** Resolves when everything is counted that is in the ledgers. */
    const counted = (): Promise<void> =>
      until(async () => {
        const cursors = await new SalesRecords(engine.archive).cursors();
        for (const ticket of [TICKET, OTHER]) {
          const head = await engine.archive.head(ticket);
          const { incarnation, sequence } = cursors.get(ticketName(ticket)) ?? {};
          if (head?.incarnation !== incarnation || head?.sequence !== sequence) return false;
        }
        return true;
      });

    async function figures(by: FiguresRequest['by'] = 'none'): Promise<FiguresAnswer> {
      const from = Math.floor(Date.now() / DAY) * DAY - DAY;
      const to = from + 3 * DAY;
      const months = await new SalesBook(new SalesRecords(engine.archive)).read(from, to);
      return figuresOf(months, { from, to, bucket: 'hour', by, clientId: 'ticktak', currency: 'USD' });
    }

    async function buy(ticket: TicketId, quantity: number, country?: string): Promise<string> {
      const id = randomUUID();
      await engine.tell(ticket, { ...holdBody(id, quantity), ...(country !== undefined && { country }) });
      expect(await sell(engine, ticket, id)).toMatchObject({ kind: 'reserved' });
      return id;
    }

    const peer = (action: 'reserved' | 'cancelled', quantity: number, reservationId: string) =>
      engine.tell(TICKET, {
        type: 'remote',
        action,
        clientId: 'blue',
        quantity,
        reservationId,
        recordedAt: Date.now() - HOUR,
      });

    it('are what was sold and refunded, here and elsewhere, by country and marketplace', async () => {
      await startOn();
      const id = await buy(TICKET, 2, 'QA');
      await buy(OTHER, 1, 'EC');
      count();
      await counted();
      await buy(OTHER, 2);
      await engine.tell(TICKET, { type: 'refund', reservationId: id, quantity: 1 });
      await peer('reserved', 4, 'r1');
      await peer('cancelled', 1, 'r1');
      // A hold is no sale.
      await engine.tell(TICKET, holdBody(randomUUID(), 1));
      await until(async () => (await ledgerOf(engine.archive, TICKET)).length >= 8);
      await counted();
      const { totals, series } = await figures('marketplace');
      expect(totals).toEqual({
        sold: 5,
        refunded: 1,
        revenueMinor: 37_500,
        refundedMinor: 7_500,
        soldElsewhere: 4,
        refundedElsewhere: 1,
      });
      expect(series.map((one) => [one.key, one.totals.sold, one.totals.valueMinor])).toEqual([
        ['ticktak', 5, 37_500],
        ['blue', 4, 30_000],
      ]);
      expect((await figures('country')).series.map((one) => [one.key, one.totals.sold])).toEqual([
        ['QA', 2],
        ['ZZ', 2],
        ['EC', 1],
      ]);
      expect((await engine.archive.reservation(id))?.country).toBe('QA');
    });

    it('are counted within a moment, by several processes at once, each once', async () => {
      await startOn();
      for (let index = 0; index < 3; index += 1) count(10 + index, 3_600_000);
      let expected = 0;
      for (let round = 0; round < 10; round += 1) {
        await Promise.all([TICKET, OTHER].map((ticket) => buy(ticket, 2)));
        expected += 4;
      }
      await counted();
      expect((await figures()).totals.sold).toBe(expected);
    });

    it('go on after a loss of Redis, whose tickets begin a new incarnation', async () => {
      await startOn();
      count();
      const id = await buy(TICKET, 2);
      await counted();
      await deleteKeys(engine.core.redis, engine.prefix);
      await buy(TICKET, 1);
      expect(await countersOf(engine, TICKET)).toMatchObject({ incarnation: 2, soldHere: 3 });
      await engine.tell(TICKET, { type: 'refund', reservationId: id, quantity: 2 });
      await until(async () => (await engine.archive.reservation(id))?.status === 'REFUNDED');
      await counted();
      expect((await figures()).totals).toMatchObject({ sold: 3, refunded: 2, refundedMinor: 15_000 });
    });

    it('have a sale once that was refused under one incarnation and archived anew under the next', async () => {
      const pause = new Pause();
      let real: Archive | null = null;
      await startOn((archive) => {
        real = archive;
        return patched(archive, {
          append: async (batches: readonly AppendBatch[]) => {
            await pause.here();
            return archive.append(batches);
          },
        });
      });
      count();
      const id = randomUUID();
      await engine.tell(TICKET, holdBody(id, 2));
      const payment = { reservationId: id, paymentId: 'pay-1' };
      await engine.tell(TICKET, { type: 'startPayment', ...payment });
      pause.arm();
      const confirmed = engine.tell(TICKET, { type: 'confirm', ...payment });
      await pause.reached;
      // A sleeper, who thinks that Redis lost writes.
      await (real as unknown as Archive).openIncarnation(TICKET);
      pause.open();
      expect(await confirmed).toMatchObject({ kind: 'reserved' });
      await until(async () => {
        const ledger = await ledgerOf(engine.archive, TICKET);
        return ledger.some(({ event, formerly }) => event.type === 'sold' && formerly !== undefined);
      });
      await counted();
      expect((await figures()).totals).toMatchObject({ sold: 2, revenueMinor: 15_000 });
    });
  });
}

suite('embedded', embeddedStore);
if (sharedMongoFound.kind === 'none') {
  skipBecause('sales are counted from MongoDB', sharedMongoFound.reason);
} else suite('MongoDB', mongoStore);
