/** A row is in the lake once, whatever dies at whatever step, whoever else writes, and however its files are merged. */
import type { Artefact } from '../../../src/analytics/model/artefact.js';
import type { Dataset } from '../../../src/analytics/model/dataset.js';
import { packed } from '../../../src/analytics/model/packed.js';
import { train } from '../../../src/analytics/model/train.js';
import { readFile, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readDataset } from '../../../src/analytics/lake/dataset.js';
import { textOf } from '../../../src/analytics/lake/engine.js';
import { LakeWriter, WriterWatch } from '../../../src/analytics/lake/lake.js';
import { LakeDamagedError, NewerLakeError, WHOLE_EVERY } from '../../../src/analytics/lake/log.js';
import { merge, nextMerge } from '../../../src/analytics/lake/upkeep.js';
import { bundledMasterList } from '../../../src/catalog/bundled.js';
import { matchOf } from '../../../src/catalog/match.js';
import { ticketName } from '../../../src/redis/keys.js';
import type { TicketEvent } from '../../../src/rules/index.js';
import { until } from '../../helpers/engine.js';
import {
  DAY,
  HOUR,
  NOON,
  T11,
  T12,
  T21,
  held,
  loaded,
  refunded,
  remote,
  sold,
} from '../../operations/ledger.js';
import { FaultyFiles, Killed, LakeBench, SILENT_MS, TICKETS } from './bench.js';

let bench: LakeBench;
beforeEach(async () => {
  bench = await LakeBench.make();
});
afterEach(() => bench.close());

const some = (count: number, at = NOON, step = 5 * HOUR): TicketEvent[] =>
  Array.from({ length: count }, (_, index) => {
    const when = at + index * step;
    const of = { email: `fan-${index % 7}@example.org`, country: index % 2 ? 'QA' : 'EC', matchNumber: 1 };
    if (index % 5 === 4) return remote(when, 2, 'red');
    return index % 3 === 2 ? held(when) : sold(when, of);
  });

/** Every row that the ledgers say there is. */
async function expected(): Promise<string[]> {
  const ids: string[] = [];
  for (const ticket of TICKETS) {
    for await (const { event, incarnation, sequence } of bench.ledger.events(ticket, null)) {
      if (event.type !== 'loaded') ids.push(`${ticketName(ticket)}:${incarnation}:${sequence}`);
    }
  }
  return ids.sort();
}

async function onceThrough(files?: FaultyFiles): Promise<void> {
  const keeper = bench.keeper({}, files);
  await keeper.acquire(5_000);
  await keeper.catchUp();
  await keeper.compact();
  await keeper.release();
}

describe('bookings', () => {
  it('are there once, by the day, as the ledgers grow and begin anew', async () => {
    bench.ledger.append(T11, [loaded(NOON), ...some(12)]);
    bench.ledger.append(T21, some(3));
    await onceThrough();
    expect(await bench.ids('bookings')).toEqual(await expected());
    bench.ledger.append(T11, [sold(NOON + HOUR)], 2);
    bench.ledger.append(T12, [remote(NOON - 40 * DAY, 1)]);
    await onceThrough();
    expect(await bench.ids('bookings')).toEqual(await expected());
    const days = await bench.rows('bookings', 'day, count(*)', 'GROUP BY day ORDER BY day');
    expect(days[0]).toEqual(['2022-10-11', '1']);
    expect((await readdir(join(bench.dir, 'bookings'))).sort()).toEqual(
      days.map(([day]) => `day=${textOf(day)}`),
    );
  });

  it('come in time, and the place they were read from is that of the log', async () => {
    const keeper = bench.keeper();
    keeper.start();
    bench.ledger.append(T11, some(25));
    await until(async () => (await bench.ids('bookings')).length === 25);
    const state = await bench.lake().log.read();
    expect(state.ledgers.get('1:1')).toMatchObject({ incarnation: 1, sequence: 25 });
  });

  it('say what changed and when, to whoever asks', async () => {
    bench.ledger.append(T11, [
      loaded(NOON, 75.5),
      sold(NOON, { country: 'EC' }),
      remote(NOON + 1, -1, "o'brien"),
    ]);
    await onceThrough();
    const rows = await bench.rows('bookings', '* EXCLUDE (person)', 'ORDER BY happened_at');
    const end = ['USD', null, '2022-11-20'];
    expect(rows).toEqual([
      [
        '1:1:1:2',
        '2022-11-20 16:00:00',
        'sold',
        1,
        1,
        'us',
        true,
        2,
        -2,
        2,
        '7500',
        'USD',
        'EC',
        '2022-11-20',
      ],
      ['1:1:1:3', '2022-11-20 16:00:00.001', 'refunded', 1, 1, "o'brien", false, 1, 0, -1, '7550', ...end],
    ]);
  });
});

describe('a kill', () => {
  it('at any step, before it or after it was done, neither loses nor doubles a row', async () => {
    bench.ledger.append(T11, some(14));
    bench.ledger.append(T12, some(6, NOON + DAY));
    const whole = new FaultyFiles(bench.dir);
    await onceThrough(whole);
    expect(whole.steps).toBeGreaterThan(45);
    await bench.close();

    let kills = 0;
    for (let at = 1; at <= whole.steps; at += 1) {
      bench = await LakeBench.make();
      bench.ledger.append(T11, some(14));
      bench.ledger.append(T12, some(6, NOON + DAY));
      const files = new FaultyFiles(bench.dir, at, at % 2 === 0);
      const killed = await onceThrough(files).then(
        () => null,
        (error: unknown) => error,
      );
      // The last of a run are reads whose failure nobody needs to hear of.
      if (killed instanceof Killed) kills += 1;
      // Half a file that no entry has is nothing.
      bench.ledger.append(T21, some(2));
      await onceThrough();
      expect({ at, ids: await bench.ids('bookings') }).toEqual({ at, ids: await expected() });
      await bench.close();
    }
    expect(kills).toBeGreaterThan(40);
    bench = await LakeBench.make();
  }, 240_000);

  it('leaves files that no entry has, which are swept, while readers keep what they began with', async () => {
    bench.ledger.append(T11, some(4));
    await onceThrough();
    const orphan = join(bench.dir, 'bookings', 'day=2022-11-20', '9-orphan.parquet');
    const draft = join(bench.dir, 'log', '000000000009.json.abc.draft');
    for (const path of [orphan, draft]) await writeFile(path, 'half of some');
    const before = (await bench.lake().log.read()).files;
    bench.ledger.append(T11, some(3, NOON + 2 * HOUR, HOUR));
    await onceThrough();
    const names = await readdir(join(bench.dir, 'bookings', 'day=2022-11-20'));
    expect(names).not.toContain('9-orphan.parquet');
    expect(await readdir(join(bench.dir, 'log'))).not.toContain('000000000009.json.abc.draft');
    // Merged away a moment ago.
    for (const { path, day } of before.values())
      if (day === '2022-11-20') expect(names).toContain(path.split('/')[2]);
  });
});

describe('two writers', () => {
  it('do not both get on: the one that slept is told so, and adds nothing', async () => {
    bench.ledger.append(T11, some(4));
    const sleeper = bench.keeper();
    await sleeper.acquire(1_000);
    await sleeper.catchUp();
    const lake = bench.lake();
    // As if the sleeper did not say that it is there.
    const watch = new WriterWatch(lake, 0);
    const other = await LakeWriter.open(lake, watch);
    expect(other).not.toBeNull();
    bench.ledger.append(T11, some(2));
    await expect(sleeper.rebuild()).rejects.toThrow('another process writes');
    await other!.close();
    await sleeper.release();
    await onceThrough();
    expect(await bench.ids('bookings')).toEqual(await expected());
  });

  it('wait for each other: the second goes on when the first stops, and when it is dead', async () => {
    const first = bench.keeper();
    await first.acquire(1_000);
    const rounds: boolean[] = [];
    const second = bench.keeper({ onRound: ({ isWriter }) => void rounds.push(isWriter) });
    second.start();
    await until(() => rounds.length > 20);
    expect(rounds).not.toContain(true);
    await first.release();
    await until(() => rounds.includes(true));
    await second.stop();
    // One that was killed says nothing any more.
    await writeFile(join(bench.dir, 'writer.json'), '{"writer":"dead","beats":7}');
    const third = bench.keeper();
    await expect(third.acquire(SILENT_MS / 4)).rejects.toThrow('another process writes');
    await third.acquire(5_000);
  });
});

describe('the log', () => {
  it('stays short however long it goes on, and reads the same from any of its entries', async () => {
    const lake = bench.lake();
    const writer = (await LakeWriter.open(lake, new WriterWatch(lake)))!;
    const late = bench.lake();
    await late.log.read();
    for (let number = 0; number < 4 * WHOLE_EVERY; number += 1) {
      await writer.commit({ what: 'nothing', erasedThrough: number });
      if (number % 30 === 0) await writer.sweep();
    }
    await writer.sweep();
    expect((await lake.log.numbers()).length).toBeLessThan(3 * WHOLE_EVERY + 2);
    for (const reader of [late, bench.lake()]) expect(await reader.log.read()).toEqual(writer.state);
    await writer.close();
  });

  it('says so when an entry is damaged', async () => {
    await onceThrough();
    await truncate(join(bench.dir, 'log', '000000000001.json'), 20);
    await expect(bench.lake().log.read()).rejects.toThrow(LakeDamagedError);
  });

  it('does not call damaged what a newer version wrote, and changes nothing of it', async () => {
    await onceThrough();
    const lake = bench.lake();
    const { number } = await lake.log.read();
    const entry = join(bench.dir, 'log', `${String(number + 1).padStart(12, '0')}.json`);
    const content = JSON.stringify({ format: 2, number: number + 1, cells: [] });
    await writeFile(entry, content);
    await expect(bench.lake().log.read()).rejects.toThrow(/version 2, .* start the newer version/);
    await expect(bench.keeper().acquire(5_000)).rejects.toThrow(NewerLakeError);
    expect(await readFile(entry, 'utf8')).toBe(content);
    expect(await lake.log.numbers()).toContain(number + 1);
  });
});

describe('merging', () => {
  it('makes one file of a day that is over, and leaves what the rows say', async () => {
    for (let turn = 0; turn < 5; turn += 1) {
      bench.ledger.append(T11, some(2, NOON + turn, 1));
      const keeper = bench.keeper();
      await keeper.acquire(5_000);
      await keeper.catchUp();
      await keeper.release();
    }
    const before = await bench.lake().content('bookings');
    expect((await bench.lake().log.read()).files.size).toBe(5);
    await onceThrough();
    expect((await bench.lake().log.read()).files.size).toBe(1);
    expect(await bench.lake().content('bookings')).toEqual(before);
    expect(before).toMatchObject({ rows: 10, ids: 10 });
  });

  it('is refused when a row is there twice or one is missing, and changes nothing', async () => {
    bench.ledger.append(T11, some(3, NOON, 1));
    await onceThrough();
    const lake = bench.lake();
    const writer = (await LakeWriter.open(lake, new WriterWatch(lake)))!;
    const [file] = [...writer.state.files.values()];
    const { table, day } = file!;
    await expect(merge(writer, { table, day, files: [file!, file!] })).rejects.toThrow(
      '6 rows of 3 different events',
    );
    await expect(merge(writer, { table, day, files: [{ ...file!, rows: 4 }] })).rejects.toThrow(
      '4 were expected',
    );
    expect((await bench.lake().log.read()).number).toBe(writer.state.number);
    await writer.close();
  });

  it('of a day that is not over waits for many small files, and leaves the large ones', () => {
    const day = '2022-11-20';
    const file = (name: string, rows: number, of = day) =>
      [name, { path: name, table: 'bookings' as const, day: of, rows, bytes: 1 }] as const;
    const small = Array.from({ length: 16 }, (_, index) => file(`s${index}`, 10));
    const large = file('large', 1_000_000);
    expect(nextMerge(new Map([large, ...small.slice(1)]), NOON)).toBeNull();
    expect(nextMerge(new Map([large, ...small]), NOON)?.files.map(({ path }) => path)).toEqual(
      small.map(([name]) => name),
    );
    expect(nextMerge(new Map([large, file('old', 1)]), NOON + DAY)?.files).toHaveLength(2);
    expect(nextMerge(new Map([file('one', 1), file('two', 1, '2022-11-19')]), NOON + 9 * DAY)).toBeNull();
  });
});

const modelOf = (set: Dataset): Artefact => train(packed(set), { seed: 1 });

describe('a rebuild', () => {
  it('gives the same rows, the same data set and the same model', async () => {
    const matches = bundledMasterList().map(matchOf);
    bench.ledger.append(T11, [loaded(NOON), ...some(40)]);
    bench.ledger.append(T21, [...some(20), refunded(NOON + DAY, 1)]);
    await onceThrough();
    const before = {
      content: await bench.lake().content('bookings'),
      set: await readDataset(bench.lake(), matches),
    };
    const keeper = bench.keeper({ batchEventsMax: 7 });
    await keeper.acquire(1_000);
    await keeper.rebuild();
    expect(await bench.ids('bookings')).toEqual([]);
    await keeper.catchUp();
    await keeper.release();
    expect(await bench.lake().content('bookings')).toEqual(before.content);
    const set = await readDataset(bench.lake(), matches);
    expect(set).toEqual(before.set);
    expect(JSON.stringify(modelOf(set))).toBe(JSON.stringify(modelOf(before.set)));
    expect(before.set.choices.length).toBeGreaterThan(20);
    expect(before.content).toMatchObject({ rows: 61, ids: 61 });
  });

  it('is seen in the content when a row says something else', async () => {
    bench.ledger.append(T11, [sold(NOON, { country: 'EC', email: 'a@b.c' })]);
    await onceThrough();
    const one = await bench.lake().content('bookings');
    await bench.close();
    bench = await LakeBench.make();
    bench.ledger.append(T11, [sold(NOON, { country: 'QA', email: 'a@b.c' })]);
    await onceThrough();
    expect(await bench.lake().content('bookings')).toMatchObject({ rows: one.rows });
    expect((await bench.lake().content('bookings')).hash).not.toBe(one.hash);
  });
});

describe('an erasure', () => {
  const erasedOf = async (): Promise<number> =>
    (await bench.rows('bookings', 'id', 'WHERE is_own AND person IS NULL AND country IS NULL')).length;
  const buyer = { email: 'gone@example.org', account: 'u-gone', country: 'EC' };

  it('takes the person out of every row, also of what comes later, and stays after a rebuild', async () => {
    bench.ledger.append(T11, [sold(NOON, buyer), sold(NOON + DAY, buyer), sold(NOON, { country: 'QA' })]);
    await onceThrough();
    expect(await erasedOf()).toBe(0);
    await bench.erasures.add(bench.persons.ofId('u-gone'), Date.now());
    await onceThrough();
    expect(await erasedOf()).toBe(2);
    bench.ledger.append(T11, [refunded(NOON + 2 * DAY, 1, buyer)]);
    await onceThrough();
    expect(await erasedOf()).toBe(3);
    const before = await bench.lake().content('bookings');
    const keeper = bench.keeper();
    await keeper.acquire(1_000);
    await keeper.rebuild();
    await keeper.catchUp();
    await keeper.release();
    expect(await erasedOf()).toBe(3);
    expect(await bench.lake().content('bookings')).toEqual(before);
    const persons = await bench.rows('bookings', 'DISTINCT person');
    expect(persons.flat()).not.toContain(bench.persons.ofId('u-gone'));
  });

  it('is heeded by one that was running when the account was erased', async () => {
    const keeper = bench.keeper();
    bench.ledger.append(T11, [sold(NOON, buyer)]);
    keeper.start();
    await until(async () => (await bench.ids('bookings')).length === 1);
    await bench.erasures.add(bench.persons.ofId('u-gone'), Date.now());
    await until(async () => (await erasedOf()) === 1);
    bench.ledger.append(T11, [sold(NOON, buyer)]);
    await until(async () => (await erasedOf()) === 2);
  });

  it('of many at once is done in groups, each of them whole', async () => {
    bench.ledger.append(
      T11,
      Array.from({ length: 450 }, (_, n) => sold(NOON, { email: `e${n}@example.org` })),
    );
    await onceThrough();
    for (let n = 0; n < 449; n += 1)
      await bench.erasures.add(bench.persons.ofAddress(`e${n}@example.org`), n);
    await onceThrough();
    expect((await bench.rows('bookings', 'DISTINCT person', 'WHERE person IS NOT NULL')).flat()).toEqual([
      bench.persons.ofAddress('e449@example.org'),
    ]);
  });
});

describe('time', () => {
  it('takes rows that are kept no longer, and does not read them again', async () => {
    const now = Date.now();
    bench.ledger.append(T11, [sold(now - 20 * DAY), sold(now - 5 * DAY), sold(now)]);
    await onceThrough();
    expect(await bench.ids('bookings')).toHaveLength(3);
    const short = bench.keeper({ daysKept: { bookings: 10, views: 1, searches: 1 } });
    await short.acquire(1_000);
    await short.compact();
    expect(await bench.ids('bookings')).toEqual(['1:1:1:2', '1:1:1:3']);
    await short.rebuild();
    await short.catchUp();
    expect(await bench.ids('bookings')).toEqual(['1:1:1:2', '1:1:1:3']);
  });
});

describe('a question', () => {
  it('reads, and does nothing else', async () => {
    bench.ledger.append(T11, some(3));
    await onceThrough();
    expect(await bench.rows('bookings', 'count(*)')).toEqual([['3']]);
    const lake = bench.lake();
    const ask = async (sql: string) =>
      (await lake.engine()).ask(
        sql,
        { bookings: [], views: [], searches: [] },
        { dir: bench.dir, rowsMax: 2 },
      );
    await expect(ask(`COPY (SELECT 1) TO '${join(bench.dir, 'x.parquet')}'`)).rejects.toThrow('SELECT');
    await expect(ask('SELECT 1; SELECT 2')).rejects.toThrow('one statement');
    await expect(ask("SELECT * FROM read_text('/etc/hostname')")).rejects.toThrow();
    expect((await ask('SELECT * FROM range(10)')).rows).toHaveLength(2);
    await lake.stop();
  });
});
