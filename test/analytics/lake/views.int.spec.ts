/** Views and searches: bounded while they wait, nameless, and each of them once. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { RedisViewIntake, VIEWS_AT_ONCE_MAX, ViewStream } from '../../../src/analytics/lake/intake.js';
import type { CatalogSearch, MatchView } from '../../../src/analytics/views.js';
import { bundledMasterList } from '../../../src/catalog/bundled.js';
import { matchOf } from '../../../src/catalog/match.js';
import { systemClock } from '../../../src/process/clock.js';
import { RedisKeys } from '../../../src/redis/keys.js';
import { testRedisUrl } from '../../helpers/engine.js';
import { deleteKeys } from '../../helpers/faults.js';
import { FaultyFiles, Killed, LakeBench } from './bench.js';

let bench: LakeBench;
let redis: Redis;
let prefix: string;
let key: string;
beforeEach(async () => {
  bench = await LakeBench.make();
  prefix = `views-${randomUUID().slice(0, 8)}`;
  key = new RedisKeys(prefix).views;
  redis = new Redis(testRedisUrl());
});
afterEach(async () => {
  await bench.close();
  await deleteKeys(redis, prefix);
  redis.disconnect();
});

const intake = (
  more: { readonly waitingMax?: number; readonly waitingBytesMax?: number } = {},
): RedisViewIntake =>
  new RedisViewIntake({
    redis,
    key,
    persons: bench.persons,
    matches: () => Promise.resolve(bundledMasterList().map(matchOf)),
    clock: systemClock,
    waitingMax: 1_000,
    waitingBytesMax: 1_000_000,
    ...more,
  });

const view = (more: Partial<MatchView> = {}): MatchView => ({
  id: randomUUID(),
  kind: 'view',
  matchNumber: 7,
  visitor: 'visitor-1',
  country: 'EC',
  ...more,
});

const search = (terms: readonly string[], more: Partial<CatalogSearch> = {}): CatalogSearch => ({
  id: randomUUID(),
  kind: 'search',
  terms,
  results: 3,
  visitor: null,
  country: null,
  ...more,
});

async function written({
  files,
  batchMax = 50,
}: { files?: FaultyFiles; batchMax?: number } = {}): Promise<void> {
  const views = new ViewStream({ redis, key, batchMax });
  const keeper = bench.keeper({ views }, files);
  await keeper.acquire(5_000);
  await keeper.readViews();
  await keeper.release();
}

describe('taking', () => {
  it('keeps a hash for the visitor, the country, and names that the catalog has', async () => {
    const seen = view();
    const looked = search(['qatar', 'my name is Ann', 'AL RAYYAN', 'Lusail Stadium', 'TBA'], {
      visitor: 'u-1',
    });
    expect(await intake().take([seen, looked])).toBe('taken');
    expect(JSON.stringify(await redis.xrange(key, '-', '+'))).not.toMatch(/visitor-1|u-1|Ann/);
    await written();
    expect(await bench.rows('views', 'id, match_number, person, country')).toEqual([
      [seen.id, 7, bench.persons.ofId('visitor-1'), 'EC'],
    ]);
    expect(await bench.rows('searches', 'id, terms, results, person, country')).toEqual([
      [looked.id, ['Qatar', 'Al Rayyan', 'Lusail Stadium'], 3, bench.persons.ofId('u-1'), null],
    ]);
  });

  it('drops what cannot be true', async () => {
    const odd = [view({ matchNumber: 999 }), view({ id: 'x' }), view({ id: "';--                  " })];
    expect(await intake().take(odd)).toBe('taken');
    expect(await redis.xlen(key)).toBe(0);
    expect(await intake().take([view({ country: 'nowhere' }), search(['nothing'], { results: -5 })])).toBe(
      'taken',
    );
    await written();
    expect(await bench.rows('views', 'country')).toEqual([[null]]);
    expect(await bench.rows('searches', 'terms, results')).toEqual([[[], 0]]);
  });

  it('takes all or none, and none past the limit, in number or in bytes', async () => {
    const few = intake({ waitingMax: 3 });
    expect(await few.take([view(), view()])).toBe('taken');
    expect(await few.take([view(), view()])).toBe('full');
    expect(await redis.xlen(key)).toBe(2);
    expect(await few.take([view()])).toBe('taken');
    const small = intake({ waitingBytesMax: 65_536 });
    let outcome = 'taken';
    for (let turn = 0; turn < 100 && outcome === 'taken'; turn += 1) {
      outcome = await small.take(Array.from({ length: VIEWS_AT_ONCE_MAX }, () => view()));
    }
    expect(outcome).toBe('full');
    expect(await redis.memory('USAGE', key)).toBeLessThan(65_536);
    await expect(small.take(Array.from({ length: VIEWS_AT_ONCE_MAX + 1 }, () => view()))).rejects.toThrow(
      'at most',
    );
    // What was written makes room.
    await written({ batchMax: 1_000 });
    expect(await redis.xlen(key)).toBe(0);
    expect(await small.take([view()])).toBe('taken');
  });
});

describe('writing', () => {
  it('counts an event once, however often its client sends it, also after it was written', async () => {
    const one = view();
    const other = search(['Qatar']);
    await intake().take([one, one, other]);
    await intake().take([one]);
    await written();
    await intake().take([one, other, view()]);
    await written({ batchMax: 2 });
    expect(await bench.ids('views')).toHaveLength(2);
    expect(await bench.ids('searches')).toEqual([other.id]);
  });

  it('neither loses nor doubles one, whatever dies at whatever step', async () => {
    const views = Array.from({ length: 12 }, () => view());
    await intake().take(views.slice(0, 6));
    let killed = 0;
    for (let at = 1; at < 200; at += 1) {
      const files = new FaultyFiles(bench.dir, at, at % 2 === 0);
      const outcome = await written({ files, batchMax: 4 }).then(
        () => null,
        (error: unknown) => error,
      );
      if (at === 10) await intake().take(views.slice(6));
      if (outcome === null) break;
      expect(outcome).toBeInstanceOf(Killed);
      killed += 1;
    }
    expect(killed).toBeGreaterThan(15);
    await written();
    expect(await bench.ids('views')).toEqual(views.map(({ id }) => id).sort());
    expect(await redis.xlen(key)).toBe(0);
  }, 120_000);

  it('goes on behind a Redis that lost everything', async () => {
    await intake().take([view()]);
    await written();
    await deleteKeys(redis, prefix);
    await intake().take([view()]);
    await written();
    expect(await bench.ids('views')).toHaveLength(2);
  });

  it('names nobody who was erased', async () => {
    await intake().take([view({ visitor: 'u-gone' }), view({ visitor: 'u-2' })]);
    await written();
    await bench.erasures.add(bench.persons.ofId('u-gone'), Date.now());
    await intake().take([view({ visitor: 'u-gone' })]);
    await written();
    const rows = await bench.rows(
      'views',
      'person, country',
      'WHERE person IS NOT NULL OR country IS NOT NULL',
    );
    expect(rows).toEqual([[bench.persons.ofId('u-2'), 'EC']]);
  });
});
