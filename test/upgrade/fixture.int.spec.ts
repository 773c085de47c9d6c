/** What the previous version stored, by its own code (scripts/previous-fixture.mjs), is read by this one. */
import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { restoreBackup, verifyBackup } from '../../src/archive/backup.js';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { PaymentRecords } from '../../src/payments/records.js';
import { countersOf, startEngine, until, type Engine } from '../helpers/engine.js';
import { PREVIOUS } from '../helpers/previous-version.js';

const ticket = { matchNumber: 1, category: 1 };
const dir = join(import.meta.dirname, PREVIOUS.tag);
const { stored, job } = JSON.parse(readFileSync(join(dir, 'redis.json'), 'utf8')) as {
  readonly stored: Readonly<Record<'meta' | 'reservations' | 'remote' | 'persons', Record<string, string>>>;
  readonly job: { readonly schema: number; readonly commands: readonly { readonly deadline: number }[] };
};
/** Of a capacity of 5: two and one were sold, one is held. */
const SOLD = { capacity: 5, soldHere: 3, available: 2 };

describe(`what ${PREVIOUS.tag} stored`, () => {
  let folder: string;
  let engine: Engine;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ticktak-fixture-'));
    const file = join(dir, 'archive.backup');
    const archive = new EmbeddedArchive({ dir: folder, isRestore: true });
    await archive.start();
    const verified = await verifyBackup(createReadStream(file));
    await restoreBackup(archive, verified, { source: createReadStream(file), now: Date.now });
    await archive.stop();
    engine = await startEngine({ dir: folder, workers: 0 });
  });
  afterEach(async () => {
    await engine.stop();
    rmSync(folder, { recursive: true });
  });

  it('ledgers, snapshots and documents rebuild its tickets', async () => {
    expect(await engine.archive.snapshot(ticket)).toMatchObject({ schema: 3 });
    await engine.addWorker();
    await until(async () => (await engine.core.store.counters([ticket])).length > 0);
    // What was held is long over.
    expect(await countersOf(engine, ticket)).toMatchObject(SOLD);
    const page = await engine.archive.reservationsByEmail('first@example.org', { limit: 10 });
    expect(page.items).toMatchObject([{ status: 'RESERVED', quantity: 2 }]);
    const { paymentId = '' } = page.items[0] ?? {};
    expect(await new PaymentRecords(engine.archive).get(paymentId)).toMatchObject({
      status: 'succeeded',
      quantity: 2,
    });
  });

  it('a state in Redis is gone on with, and a job that waited is worked on', async () => {
    const { redis, keys, store } = engine.core;
    const names = keys.ticket(ticket);
    for (const part of ['meta', 'reservations', 'remote', 'persons'] as const) {
      if (Object.keys(stored[part]).length > 0) await redis.hset(names[part], stored[part]);
    }
    const run = await store.runId();
    await redis.hset(names.meta, 'runId', run);
    expect(stored.meta['schema']).toBe('3');
    expect(job.schema).toBe(3);
    const queue = engine.core.queues.queue(ticket);
    await queue.add('commands', job as never);
    await engine.addWorker();
    await until(async () => (await queue.getJobCountByTypes('waiting', 'active')) === 0);
    expect(await queue.getFailedCount()).toBe(0);
    expect(await countersOf(engine, ticket)).toMatchObject({ ...SOLD, incarnation: 1 });
    expect(await engine.archive.reservationsByEmail('second@example.org', { limit: 10 })).toMatchObject({
      items: [{ status: 'RESERVED', quantity: 1 }],
    });
  });
});
