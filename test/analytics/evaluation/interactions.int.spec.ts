import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LINE_CHARS_MAX, readInteractions } from '../../../src/analytics/evaluation/interactions.js';
import { datasetOf, makeSeason, NOISE_SHARE } from '../../../src/analytics/season/season.js';
import { writeSeason } from '../../../src/analytics/season/write.js';
import { bundledMasterList } from '../../../src/catalog/bundled.js';

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ticktak-interactions-'));
});

afterAll(() => rm(dir, { recursive: true }));

async function fileOf(name: string, text: string): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, text);
  return path;
}

const problemOf = async (name: string, text: string): Promise<string> => {
  const path = await fileOf(name, text);
  const error: unknown = await readInteractions(path).then(
    () => new Error('it was taken'),
    (problem: unknown) => problem,
  );
  return String(error).replaceAll(path, name);
};

describe('interaction files', () => {
  it('give the data set of the season that was written', async () => {
    const season = makeSeason({
      entries: bundledMasterList(),
      seed: 1,
      buyers: 200,
      loyalty: 1,
      noise: NOISE_SHARE,
      capacityScale: null,
    });
    await writeSeason(season, join(dir, 'season'));
    const dataset = await readInteractions(join(dir, 'season', 'season.inter'));
    expect(dataset).toEqual(datasetOf(season));
    expect(dataset.choices.length).toBeGreaterThan(100);
  });

  const choices = [
    { person: '7', country: null, item: 31, at: 1_112_484_940_000 },
    { person: '1', country: null, item: 2, at: 1_112_486_027_000 },
  ];
  const items = [{ id: 2 }, { id: 31 }];

  it.each([
    ['ratings.csv', 'userId,movieId,rating,timestamp\r\n1,2,3.5,1112486027\r\n7,31,1.0,1112484940\r\n'],
    ['u.data', '1\t2\t3\t1112486027\n7\t31\t1\t1112484940'],
    ['ratings.dat', '1::2::3::1112486027\n\n7::31::1::1112484940\n'],
    [
      'alone.inter',
      'timestamp:float\titem_id:token\tuser_id:token\n1112486027.0\t2\t1\n1112484940000\t31\t7\n',
    ],
  ])('of the format of %s are read, in the order of time', async (name, text) => {
    expect(await readInteractions(await fileOf(name, text))).toEqual({ items, choices });
  });

  it('may name items by words', async () => {
    const text = 'user_id:token\titem_id:token\ttimestamp:float\nb\tx\t1\na\ty\t1\na\tx\t2\n';
    const dataset = await readInteractions(await fileOf('words.inter', text));
    expect(dataset.items).toEqual([{ id: 0 }, { id: 1 }]);
    expect(dataset.choices.map(({ person, item }) => `${person}${item}`)).toEqual(['a1', 'b0', 'a0']);
  });

  it('have items that nobody chose, where a file of items says so', async () => {
    await fileOf('facts.item', 'item_id:token\tcity:token\n1\tDoha\n2\t\n');
    await fileOf('facts.user', 'user_id:token\tcountry:token\na\tQA\nb\t\n');
    const text = 'user_id:token\titem_id:token\ttimestamp:float\na\t2\t1\nb\t2\t2\n';
    const dataset = await readInteractions(await fileOf('facts.inter', text));
    expect(dataset.items).toEqual([{ id: 1, city: 'Doha' }, { id: 2 }]);
    expect(dataset.choices.map(({ country }) => country)).toEqual(['QA', null]);
  });

  it('with bad lines are refused, with the numbers of the lines', async () => {
    const said = await problemOf('bad.data', '1\t2\t3\t10\n1\t2\t3\tsoon\n\t2\t3\t10\n1\n');
    expect(said).toBe(
      'Failure: bad.data cannot be used:\n  bad.data:2: "soon" is no time\n  bad.data:3: no user\n  bad.data:4: no item',
    );
    const many = await problemOf('many.data', '1\t2\t3\t-1\n'.repeat(30));
    expect(many).toContain('many.data:10: ');
    expect(many).not.toContain('many.data:11: ');
    expect(many).toContain('... and 20 more');
  });

  it.each([
    ['other.txt', 'x', 'is of no known format'],
    ['empty.data', '', 'holds no interactions'],
    ['ratings.csv', 'user,movie,stars\n', 'the header lacks userId, movieId, timestamp'],
    ['long.data', 'x'.repeat(LINE_CHARS_MAX + 1), 'has a line of more than'],
  ])('%s is refused in one line', async (name, text, reason) => {
    const said = await problemOf(name, text);
    expect(said).toContain(reason);
    expect(said).not.toContain('\n');
  });

  it('that are not there are said to be so', async () => {
    await expect(readInteractions(join(dir, 'none.data'))).rejects.toThrow(/cannot be read: .*ENOENT/);
  });
});
