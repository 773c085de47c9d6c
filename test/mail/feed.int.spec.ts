/** What actors commit is in the outbox of mails, once, whatever dies or is away; and nothing waits for it. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ArchiveUnavailableError, type Archive, type CommittedEvent } from '../../src/archive/port.js';
import { MailFeed, MAILED_FACT_MS, type MailFeedOptions } from '../../src/mail/feed.js';
import { FolderMailer } from '../../src/mail/folder.js';
import { MailRecords } from '../../src/mail/records.js';
import { systemClock } from '../../src/process/clock.js';
import type { TicketId } from '../../src/rules/index.js';
import {
  holdBody,
  loadBody,
  matchFacts,
  sell,
  silentLogger,
  startEngine,
  until,
  type Engine,
} from '../helpers/engine.js';
import { patched, ProcessClock } from '../helpers/faults.js';
import { mailBench, type MailBench } from './bench.js';

const TICKET: TicketId = { matchNumber: 1, category: 1 };
const idOf = (): string =>
  `m1c1-${randomUUID()
    .replaceAll('-', '')
    .slice(0, 26)
    .replace(/[0189]/g, 'z')}`;

let engine: Engine;
let feeds: MailFeed[];
beforeEach(() => {
  feeds = [];
});
afterEach(async () => {
  for (const feed of feeds) await feed.stop();
  await engine.stop();
});

function feedOn(archive: Archive, more: Partial<MailFeedOptions> = {}): MailFeed {
  const feed = new MailFeed({
    archive,
    mails: new MailRecords({ documents: archive, clock: systemClock }),
    clock: systemClock,
    logger: silentLogger,
    tickets: () => [TICKET],
    sweepMs: 100,
    ...more,
  });
  feeds.push(feed);
  feed.start();
  return feed;
}

/** Its mails go nowhere: it dies with all of them in its hands, and its timers with it. */
function doomedFeed(archive: Archive): MailFeed {
  const clock = new ProcessClock();
  const feed = feedOn(archive, { clock, mails: { add: () => new Promise(() => undefined) } });
  feeds.pop();
  return feed;
}

/** An engine whose worker tells a feed, as a process does. */
async function fedEngine(more: Partial<MailFeedOptions> = {}): Promise<{ engine: Engine; feed: MailFeed }> {
  let feed: MailFeed | null = null;
  const made = await startEngine({
    matches: [1],
    deps: { onArchived: (ticket, events) => feed?.heard(ticket, events) },
  });
  feed = feedOn(made.archive, more);
  engine = made;
  return { engine, feed };
}

const mailsIn = async (archive: Archive): Promise<string[]> =>
  (await archive.listDocuments('mails', 'all', { limit: 100 })).items.map(({ id }) => id).sort();

async function sold(id: string): Promise<void> {
  await engine.tell(TICKET, holdBody(id, 2));
  expect(await sell(engine, TICKET, id)).toMatchObject({ kind: 'reserved' });
}

describe('what is mailed about', () => {
  it('is a sale, each refund, an expiry and a cancelled hold; not a hold, nor a decline', async () => {
    await fedEngine();
    await engine.tell(TICKET, loadBody(100));
    const [sale, gone, given, declined] = [idOf(), idOf(), idOf(), idOf()];
    await sold(sale);
    await engine.tell(TICKET, { type: 'refund', reservationId: sale, quantity: 1 });
    await engine.tell(TICKET, { type: 'refund', reservationId: sale, quantity: 1 });
    await engine.tell(TICKET, holdBody(gone));
    const payment = { reservationId: gone, paymentId: 'pay-1' };
    await engine.tell(TICKET, { type: 'startPayment', ...payment });
    await engine.tell(TICKET, { type: 'failPayment', ...payment, reason: 'expired' });
    await engine.tell(TICKET, holdBody(given));
    await engine.tell(TICKET, { type: 'release', reservationId: given });
    await engine.tell(TICKET, holdBody(declined));
    const refused = { reservationId: declined, paymentId: 'pay-2' };
    await engine.tell(TICKET, { type: 'startPayment', ...refused });
    await engine.tell(TICKET, { type: 'failPayment', ...refused, reason: 'declined' });
    const expected = [
      `purchase:${sale}`,
      `refund:${sale}:1`,
      `refund:${sale}:2`,
      `expired:${gone}`,
      `cancelled:${given}`,
    ].sort();
    await until(async () => (await mailsIn(engine.archive)).length >= expected.length);
    expect(await mailsIn(engine.archive)).toEqual(expected);
    const kept = await engine.archive.document('mails', `refund:${sale}:2`);
    expect(kept?.value).toMatchObject({ kind: 'refund', data: { given: 1, left: 0, quantity: 1 } });
  });

  it('was committed lately: a ledger that was never looked through is not mailed about from its beginning', async () => {
    const aged = { now: () => Date.now() + MAILED_FACT_MS + 60_000, schedule: systemClock.schedule };
    await fedEngine({ clock: aged });
    await engine.tell(TICKET, loadBody(100));
    await sold(idOf());
    await until(async () => (await engine.archive.document('mailCursors', '1:1')) !== null);
    expect(await mailsIn(engine.archive)).toEqual([]);
  });
});

describe('a mail is not lost', () => {
  it('when the store takes no mails: sales are answered all the same, and their mails queued later', async () => {
    let isAway = true;
    let refused = 0;
    engine = await startEngine({
      matches: [1],
      deps: { onArchived: (ticket, events) => feed.heard(ticket, events) },
    });
    const away = patched(engine.archive, {
      insertDocument: (collection, document) => {
        if (!isAway) return engine.archive.insertDocument(collection, document);
        refused += 1;
        return Promise.reject(new ArchiveUnavailableError('away'));
      },
    });
    const feed = feedOn(engine.archive, { mails: new MailRecords({ documents: away, clock: systemClock }) });
    await engine.tell(TICKET, loadBody(100));
    const ids = [idOf(), idOf(), idOf()];
    for (const id of ids) await sold(id);
    await until(() => refused > 1);
    expect(await mailsIn(engine.archive)).toEqual([]);
    isAway = false;
    await until(async () => (await mailsIn(engine.archive)).length === 3);
    expect(await mailsIn(engine.archive)).toEqual(ids.map((id) => `purchase:${id}`).sort());
  });

  it('when the worker dies between the commit and the mail, and nobody asks for the ticket any more', async () => {
    engine = await startEngine({ matches: [1], workers: 0 });
    const { archive } = engine;
    const dying = doomedFeed(archive);
    const peer = await engine.addPeer({
      deps: { onArchived: (ticket, events) => dying.heard(ticket, events) },
    });
    await engine.tell(TICKET, loadBody(100));
    const id = idOf();
    await sold(id);
    peer.kill();
    expect(await mailsIn(archive)).toEqual([]);
    feedOn(archive);
    await until(async () => (await mailsIn(archive)).length > 0);
    expect(await mailsIn(archive)).toEqual([`purchase:${id}`]);
  });

  it('when another process archived what this one never heard of', async () => {
    engine = await startEngine({ matches: [1] });
    const feed = feedOn(engine.archive, { sweepMs: 3_600_000 });
    await engine.tell(TICKET, loadBody(100));
    const ids = [idOf(), idOf()];
    for (const id of ids) await sold(id);
    const events: CommittedEvent[] = [];
    for await (const event of engine.archive.events(TICKET, null)) events.push(event);
    // Only the last is told: what lies before it is a gap.
    feed.heard(TICKET, events.slice(-1));
    await until(async () => (await mailsIn(engine.archive)).length === 2);
    // Told again, in any order, it changes nothing.
    feed.heard(TICKET, events);
    feed.heard(TICKET, events.slice(0, 2));
    await feed.stop();
    expect(await mailsIn(engine.archive)).toHaveLength(2);
    expect((await engine.archive.document('mailCursors', '1:1'))?.value).toEqual({
      incarnation: events.at(-1)!.incarnation,
      sequence: events.at(-1)!.sequence,
    });
  });

  it('and is not queued again behind the cursor, when a process starts anew', async () => {
    const { feed } = await fedEngine();
    await engine.tell(TICKET, loadBody(100));
    const id = idOf();
    await sold(id);
    await until(async () => (await mailsIn(engine.archive)).length === 1);
    await feed.stop();
    feeds.length = 0;
    const asked: string[] = [];
    const again = feedOn(engine.archive, {
      mails: { add: (mail) => Promise.resolve(asked.push(mail.id) > 0) },
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await again.stop();
    expect(asked).toEqual([]);
  });
});

describe('a purchase', () => {
  let bench: MailBench;
  let dir: string;
  beforeEach(async () => {
    bench = await mailBench();
    dir = mkdtempSync(join(tmpdir(), 'ticktak-mails-'));
  });
  afterEach(async () => {
    await bench.close();
    rmSync(dir, { recursive: true });
  });

  it('is one mail in the folder, although its worker, and who delivered it, were killed', async () => {
    engine = await startEngine({ matches: [1], workers: 0 });
    const { archive } = engine;
    const lost = doomedFeed(archive);
    const peer = await engine.addPeer({
      deps: { onArchived: (ticket, events) => lost.heard(ticket, events) },
    });
    await engine.tell(TICKET, loadBody(100));
    const ids = [idOf(), idOf(), idOf()];
    for (const id of ids) await sold(id);
    peer.kill();
    // Its heirs: two processes that both look through the ledger, and two that deliver.
    feedOn(archive);
    feedOn(archive);
    const mailer = new FolderMailer({ dir, from: 'tickets@ticktak.example', clock: systemClock });
    await mailer.start();
    const mails = new MailRecords({ documents: archive, clock: systemClock });
    const matches = { matches: () => Promise.resolve([matchFacts(1)]) };
    const deliverers = [1, 2].map(() =>
      bench.deliverer({ mails, mailer, clock: systemClock }, { ...matches, clock: systemClock }),
    );
    for (const deliverer of deliverers) deliverer.start();
    await until(() => readdirSync(dir).length >= ids.length);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await Promise.all(deliverers.map((deliverer) => deliverer.stop()));
    const files = readdirSync(dir).map((name) => readFileSync(join(dir, name), 'utf8'));
    expect(files).toHaveLength(ids.length);
    for (const id of ids) expect(files.filter((file) => file.includes(id))).toHaveLength(1);
  });
});
