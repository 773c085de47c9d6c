/**
 * What every document store must do (src/archive/documents.ts), as part of the contract of an archive. Each
 * test has a store of its own.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { Collection, sortable, type KeptDocument, type NewDocument } from '../../src/archive/documents.js';
import { ArchiveUnavailableError, type Archive } from '../../src/archive/port.js';
import { all, type ArchiveUnderTest } from './archive.js';

const doc = (id: string, fields: Partial<NewDocument> = {}): NewDocument => ({
  id,
  value: { of: id },
  ...fields,
});

export function documentsContract(make: () => Promise<ArchiveUnderTest>): void {
  describe('documents', () => {
    let underTest: ArchiveUnderTest;
    let archive: Archive;

    beforeEach(async () => {
      underTest = await make();
      archive = underTest.archive;
    });
    afterEach(() => underTest.cleanup());

    test('an id is taken once, by whoever comes first', async () => {
      const second = await underTest.reopen();
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          (index % 2 ? archive : second).insertDocument('users', doc('u', { value: index })),
        ),
      );
      expect(answers.filter(Boolean)).toHaveLength(1);
      const winner = { id: 'u', version: 1, value: answers.indexOf(true) };
      expect(await archive.document('users', 'u')).toEqual(winner);
      expect(await second.document('users', 'u')).toEqual(winner);
      expect(await archive.document('sessions', 'u')).toBeNull();
    });

    test('a version is replaced once, and a lost race changes nothing', async () => {
      await archive.insertDocument('users', doc('u'));
      expect(await archive.replaceDocument('users', doc('v'), 1)).toBe(false);
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          archive.replaceDocument('users', doc('u', { value: { index } }), 1),
        ),
      );
      expect(answers.filter(Boolean)).toHaveLength(1);
      const value = { index: answers.indexOf(true) };
      expect(await archive.document('users', 'u')).toEqual({ id: 'u', version: 2, value });
      expect(await archive.replaceDocument('users', doc('u'), 1)).toBe(false);
      expect(await archive.document('users', 'v')).toBeNull();
    });

    test('is removed once, and only at the version that was meant', async () => {
      await archive.insertDocument('tokens', doc('t'));
      expect(await archive.removeDocument('tokens', 't', 2)).toBe(false);
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => archive.removeDocument('tokens', 't')),
      );
      expect(answers.filter(Boolean)).toHaveLength(1);
      expect(await archive.document('tokens', 't')).toBeNull();
      expect(await archive.insertDocument('tokens', doc('t'))).toBe(true);
    });

    test('one whose time is over is absent everywhere, and its id is free', async () => {
      const past = { lists: { all: 'a' }, expiresAt: Date.now() - 1 };
      const future = { lists: { all: 'b' }, expiresAt: Date.now() + 600_000 };
      await archive.insertDocument('blocks', doc('old', past));
      await archive.insertDocument('blocks', doc('new', future));
      expect(await archive.document('blocks', 'old')).toBeNull();
      expect(await archive.replaceDocument('blocks', doc('old'), 1)).toBe(false);
      expect(await archive.removeDocument('blocks', 'old')).toBe(false);
      await archive.insertDocument('blocks', doc('old', past));
      const { items } = await archive.listDocuments('blocks', 'all', { limit: 10 });
      expect(items.map(({ id }) => id)).toEqual(['new']);
      expect(await archive.insertDocument('blocks', doc('old', future))).toBe(true);
      expect(await archive.document('blocks', 'old')).toMatchObject({ version: 1 });
      expect(await archive.insertDocument('blocks', doc('old', future))).toBe(false);
    });

    test('lists follow every change, in the order of their keys, page by page', async () => {
      for (let index = 0; index < 25; index += 1) {
        const lists = { all: sortable((index * 7) % 25), due: sortable(index) };
        await archive.insertDocument('payments', doc(`p${index}`, { value: (index * 7) % 25, lists }));
      }
      const pages: unknown[] = [];
      let after: string | undefined;
      do {
        const page = await archive.listDocuments('payments', 'all', { limit: 10, ...(after && { after }) });
        pages.push(...page.items.map(({ value }) => value));
        after = page.next;
      } while (after !== undefined);
      expect(pages).toEqual(Array.from({ length: 25 }, (_, index) => index));
      const backwards: unknown[] = [];
      do {
        const request = { limit: 7, newestFirst: true, ...(after && { after }) };
        const page = await archive.listDocuments('payments', 'all', request);
        backwards.push(...page.items.map(({ value }) => value));
        after = page.next;
      } while (after !== undefined);
      expect(backwards).toEqual([...pages].reverse());

      await archive.replaceDocument('payments', doc('p3', { lists: { all: sortable(99) } }), 1);
      await archive.removeDocument('payments', 'p4');
      const due = await archive.listDocuments('payments', 'due', { limit: 10, below: sortable(7) });
      expect(due.items.map(({ id }) => id)).toEqual(['p0', 'p1', 'p2', 'p5', 'p6']);
      expect(due.next).toBeUndefined();
      const newest = await archive.listDocuments('payments', 'all', { limit: 1, newestFirst: true });
      expect(newest.items[0]?.id).toBe('p3');
    });

    test('a prefix names one group, and the same key holds several', async () => {
      for (const [id, user] of [
        ['a', 'u1'],
        ['b', 'u1'],
        ['c', 'u10'],
        ['d', 'u2'],
      ] as const) {
        await archive.insertDocument('sessions', doc(id, { lists: { user: `${user}/1` } }));
      }
      const of = async (prefix: string) =>
        (await archive.listDocuments('sessions', 'user', { prefix, limit: 10 })).items.map(({ id }) => id);
      expect(await of('u1/')).toEqual(['a', 'b']);
      expect(await of('u10/')).toEqual(['c']);
      expect(await of('u3/')).toEqual([]);
      const first = await archive.listDocuments('sessions', 'user', { prefix: 'u1/', limit: 1 });
      const next = first.next ?? '';
      const second = await archive.listDocuments('sessions', 'user', {
        prefix: 'u1/',
        limit: 1,
        after: next,
      });
      expect(second).toEqual({ items: [expect.objectContaining({ id: 'b' })] });
      for (const after of ['', 'garbage', 'bnVsbA', 'WzEsMl0']) {
        expect(await archive.listDocuments('sessions', 'user', { limit: 1, after })).toEqual({ items: [] });
      }
    });

    test('a cursor shows nothing beyond the list it is used in', async () => {
      for (const [id, key] of [
        ['a', 'u1/1'],
        ['b', 'u1/2'],
        ['c', 'u2/1'],
        ['d', 'u2/2'],
      ] as const) {
        await archive.insertDocument('sessions', doc(id, { lists: { user: key } }));
      }
      const { next } = await archive.listDocuments('sessions', 'user', { prefix: 'u1/', limit: 1 });
      for (const newestFirst of [false, true]) {
        const request = { prefix: 'u2/', limit: 10, newestFirst, ...(next !== undefined && { after: next }) };
        expect(await archive.listDocuments('sessions', 'user', request)).toEqual({ items: [] });
      }
    });

    test.each([
      ['long', 'x'.repeat(5_000)],
      ['with NUL', 'a\0b'],
      ['not ASCII', 'žluťoučký-🐴'],
      ['empty', ''],
      ['like an operator', '$gt'],
    ])('any text is looked up safely: %s', async (_, text) => {
      expect(await archive.document('users', text)).toBeNull();
      expect(await archive.removeDocument('users', text)).toBe(false);
      expect(await archive.listDocuments('users', 'all', { prefix: text, limit: 1 })).toEqual({ items: [] });
    });

    test('values come back as they were', async () => {
      const value = { text: 'ž🐴', nested: [{ a: null, 'b.c': 1.5, $d: true }], empty: {}, none: [] };
      await archive.insertDocument('sandbox', doc('odd', { value }));
      expect((await (await underTest.reopen()).document('sandbox', 'odd'))?.value).toEqual(value);
    });

    test('what cannot be kept is refused before anything is written', async () => {
      await expect(archive.insertDocument('users', doc('ž'))).rejects.toThrow('printable');
      await expect(archive.insertDocument('users', doc('u', { lists: { nope: '1' } }))).rejects.toThrow(
        'nope',
      );
      await expect(archive.replaceDocument('users', doc('u', { lists: { all: '' } }), 1)).rejects.toThrow(
        'all',
      );
      expect(await archive.document('users', 'u')).toBeNull();
    });

    test('a collection changes a value on its newest version, whoever else does', async () => {
      const counters = new Collection(archive, {
        name: 'users',
        schema: z.object({ count: z.number() }),
        lists: ({ count }) => ({ all: sortable(count), role: undefined }),
      });
      expect(await counters.update('c', (value) => value)).toBeNull();
      await counters.insert('c', { count: 0 });
      const add = () => counters.update('c', ({ count }) => ({ count: count + 1 }));
      await Promise.all(Array.from({ length: 8 }, add));
      expect(await counters.get('c')).toEqual({ id: 'c', version: 9, value: { count: 8 } });
      const unchanged = await counters.update('c', (value) => value);
      expect(unchanged?.version).toBe(9);
      expect((await counters.list('all', { prefix: sortable(8), limit: 2 })).items).toHaveLength(1);
    });

    test('all of a collection come by id, with everything that is kept of them', async () => {
      const now = Date.now();
      const kept: KeptDocument[] = [];
      // More than are read in one go, made in another order; some have gone, some are over.
      for (let index = 0; index < 1_203; index += 1) {
        const id = `${(index * 7) % 1_203}~${String.fromCharCode(33 + (index % 90))}`;
        kept.push({
          id,
          version: (index % 5) + 1,
          value: { index, none: null },
          lists: index % 3 === 0 ? { all: sortable(index), due: 'x' } : {},
          ...(index % 4 === 0 && { expiresAt: index % 8 === 0 ? now - 1 : now + 600_000 }),
        });
      }
      for (let from = 0; from < kept.length; from += 400)
        await archive.putDocuments('payments', kept.slice(from, from + 400));
      await archive.putDocuments('users', [
        { id: 'u', version: 1, value: 'of another collection', lists: {} },
      ]);
      await archive.removeDocument('payments', kept[1]!.id);
      const expected = kept
        .filter(({ expiresAt }, index) => index !== 1 && (expiresAt === undefined || expiresAt > now))
        .sort((a, b) => (a.id < b.id ? -1 : 1));
      expect(await all(archive.allDocuments('payments'))).toEqual(expected);
      expect(await all(archive.allDocuments('sessions'))).toEqual([]);
    });

    test('what was put is found, listed, changed and ends like what was inserted', async () => {
      const lists = { all: sortable(7), due: sortable(3) };
      await archive.putDocuments('payments', [
        { id: 'a', version: 41, value: 1, lists },
        { id: 'b', version: 1, value: 2, lists: { all: sortable(5) }, expiresAt: Date.now() + 600_000 },
        { id: 'c', version: 1, value: 3, lists: {}, expiresAt: Date.now() - 1 },
      ]);
      await archive.putDocuments('payments', []);
      expect(await archive.document('payments', 'a')).toEqual({ id: 'a', version: 41, value: 1 });
      expect(await archive.document('payments', 'c')).toBeNull();
      const listed = await archive.listDocuments('payments', 'all', { limit: 10 });
      expect(listed.items.map(({ id }) => id)).toEqual(['b', 'a']);
      expect(await archive.replaceDocument('payments', doc('a'), 41)).toBe(true);
      expect((await archive.document('payments', 'a'))?.version).toBe(42);
      expect((await archive.listDocuments('payments', 'due', { limit: 10 })).items).toEqual([]);
      expect(await archive.insertDocument('payments', doc('b'))).toBe(false);
    });

    test('what is there is not put over', async () => {
      await archive.insertDocument('users', doc('u', { value: 'mine' }));
      const put = archive.putDocuments('users', [{ id: 'u', version: 9, value: 'theirs', lists: {} }]);
      await expect(put).rejects.toThrow(/\bu\b.*users/);
      expect(await archive.document('users', 'u')).toEqual({ id: 'u', version: 1, value: 'mine' });
      await expect(
        archive.putDocuments('users', [{ id: 'ž', version: 1, value: 0, lists: {} }]),
      ).rejects.toThrow('printable');
    });

    test('a stopped store says that it is unavailable', async () => {
      await archive.stop();
      const calls: (() => Promise<unknown>)[] = [
        () => archive.insertDocument('users', doc('u')),
        () => archive.document('users', 'u'),
        () => archive.replaceDocument('users', doc('u'), 1),
        () => archive.removeDocument('users', 'u'),
        () => archive.listDocuments('users', 'all', { limit: 1 }),
      ];
      for (const call of calls) await expect(call()).rejects.toBeInstanceOf(ArchiveUnavailableError);
    });
  });
}
