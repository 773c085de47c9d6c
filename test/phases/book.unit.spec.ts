/** The phases that a process knows: from the archive, told of by Redis, and by nothing that has forgotten them. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { UnavailableError } from '../../src/http/problem.js';
import { PhaseBook } from '../../src/phases/book.js';
import type { Phase } from '../../src/phases/phase.js';
import { RedisKeys } from '../../src/redis/keys.js';
import { silentLogger } from '../helpers/engine.js';
import { MemoryDocuments } from '../helpers/memory-documents.js';
import { ManualClock, MemoryHashes } from '../http/fakes.js';

const T11 = { matchNumber: 1, category: 1 };
const T12 = { matchNumber: 1, category: 2 };
const T100 = { matchNumber: 10, category: 1 };
const LOOK_MS = 2_000;

let clock: ManualClock;
let documents: MemoryDocuments;
let hashes: MemoryHashes;
let isAway: boolean;
beforeEach(() => {
  clock = new ManualClock();
  documents = new MemoryDocuments();
  hashes = new MemoryHashes();
  isAway = false;
  const list = documents.listDocuments.bind(documents);
  documents.listDocuments = async (...asked) => {
    if (isAway) throw new Error('the archive is away');
    return list(...asked);
  };
});

function aBook(redis = hashes): PhaseBook {
  const keys = new RedisKeys('t');
  return new PhaseBook({
    documents,
    redis,
    bus: redis.bus,
    keys,
    clock,
    logger: silentLogger,
    waitMs: 1_000,
  });
}
async function started(redis = hashes): Promise<PhaseBook> {
  const book = aBook(redis);
  await book.start();
  return book;
}
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};
const phase = (opensInMs: number, name = 'General sale'): Phase => ({
  name,
  opensAt: clock.now() + opensInMs,
  access: { kind: 'open' },
});
async function decide(book: PhaseBook, ticket: typeof T11, ...phases: Phase[]): Promise<void> {
  await book.records.change(ticket, 'account:boss', () => phases);
  await book.changed();
}

describe('a change', () => {
  it('is known at once where it was made, and where Redis tells of it', async () => {
    const [here, there] = [await started(), await started()];
    expect(there.phasesOf(T11)).toEqual([]);
    const first = phase(1_000);
    await decide(here, T11, first);
    expect(here.phasesOf(T11)).toEqual([first]);
    await settle();
    expect(there.phasesOf(T11)).toEqual([first]);
    await decide(here, T11);
    await settle();
    expect(there.phasesOf(T11)).toEqual([]);
  });

  it('is found within two seconds where the message was lost', async () => {
    const here = await started();
    // Hears nothing, and sees the same fields.
    const deaf = new MemoryHashes();
    Object.assign(deaf, { fields: hashes.fields });
    const there = await started(deaf);
    await decide(here, T11, phase(1_000));
    expect(there.phasesOf(T11)).toEqual([]);
    clock.advance(LOOK_MS);
    await settle();
    expect(there.phasesOf(T11)).toHaveLength(1);
  });

  it('is found within half a minute where Redis has forgotten it, and is told listeners once', async () => {
    const here = await started();
    const there = await started(new MemoryHashes());
    let told = 0;
    there.subscribe(() => (told += 1));
    await decide(here, T11, phase(60_000));
    for (let look = 0; look < 15; look += 1) {
      clock.advance(LOOK_MS);
      await settle();
    }
    expect(there.phasesOf(T11)).toHaveLength(1);
    expect(told).toBe(1);
  });

  it('is decided also while Redis is away', async () => {
    const book = await started();
    hashes.isAway = true;
    await decide(book, T11, phase(1_000));
    expect(book.phasesOf(T11)).toHaveLength(1);
  });
});

describe('what is not known', () => {
  it('is not taken for no phases: nothing is sold until it is', async () => {
    isAway = true;
    const book = await started();
    expect(() => book.phasesOf(T11)).toThrow(UnavailableError);
    isAway = false;
    clock.advance(LOOK_MS);
    await settle();
    expect(book.phasesOf(T11)).toEqual([]);
  });

  it('is what Redis was told last, while the archive is away from the start', async () => {
    await decide(await started(), T11, phase(1_000));
    isAway = true;
    const book = await started();
    expect(book.phasesOf(T11)).toHaveLength(1);
  });

  it('stays what it was while the archive is away, also where Redis was emptied', async () => {
    const book = await started();
    await decide(book, T11, phase(1_000));
    isAway = true;
    hashes.fields.clear();
    hashes.reset();
    clock.advance(LOOK_MS);
    await settle();
    expect(book.phasesOf(T11)).toHaveLength(1);
  });
});

describe('the next change', () => {
  it('is the first of all tickets, with all of those that change then', async () => {
    const book = await started();
    await decide(book, T12, phase(5_000));
    await decide(book, T11, phase(5_000));
    await decide(book, T100, { ...phase(6_000), closesAt: clock.now() + 9_000 });
    const now = clock.now();
    expect(book.nextChange(now)).toEqual({ at: now + 5_000, tickets: [T11, T12] });
    expect(book.nextChange(now + 5_000)).toEqual({ at: now + 6_000, tickets: [T100] });
    expect(book.nextChange(now + 6_000)).toEqual({ at: now + 9_000, tickets: [T100] });
    expect(book.nextChange(now + 9_000)).toBeNull();
    expect(book.saleOf(T11, now + 4_999)).toMatchObject({ state: 'not_yet' });
    expect(book.saleOf(T11, now + 5_000)).toMatchObject({ state: 'open' });
    expect(book.saleOf({ matchNumber: 2, category: 1 }, now)).toBeNull();
  });
});
