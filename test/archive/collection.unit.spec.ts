/** Typed collections: changes that meet others, and lists that are longer than a page. */
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { Collection, sortable, type Documents } from '../../src/archive/documents.js';
import { MemoryDocuments } from '../helpers/memory-documents.js';

const schema = z.object({ count: z.number() });
const open = (documents: Documents) =>
  new Collection(documents, {
    name: 'salesCursors',
    schema,
    lists: ({ count }) => ({ all: sortable(count) }),
  });

describe('a collection', () => {
  it('makes what is not there, and changes what is, however many do so at once', async () => {
    const counts = open(new MemoryDocuments());
    const add = (value: { count: number } | null) => ({ count: (value?.count ?? 0) + 1 });
    const kept = await Promise.all(Array.from({ length: 20 }, () => counts.put('a', add)));
    expect(await counts.get('a')).toEqual({ id: 'a', version: 20, value: { count: 20 } });
    expect(new Set(kept.map(({ version }) => version)).size).toBe(20);
  });

  it('leaves what a change answers as it was', async () => {
    const counts = open(new MemoryDocuments());
    await counts.insert('a', { count: 1 });
    expect(await counts.put('a', (value) => value ?? { count: 9 })).toMatchObject({ version: 1 });
    expect(await counts.update('b', () => ({ count: 1 }))).toBeNull();
    expect(await counts.get('b')).toBeNull();
  });

  it('reads a list to its end, and lets others have their turn in between', async () => {
    const counts = open(new MemoryDocuments());
    for (let i = 0; i < 250; i += 1) await counts.insert(`n${i}`, { count: i });
    let turns = 0;
    let isOver = false;
    const other = (): void => {
      turns += 1;
      if (!isOver) setImmediate(other);
    };
    setImmediate(other);
    const read: number[] = [];
    for await (const { value } of counts.all('all', { newestFirst: true })) read.push(value.count);
    isOver = true;
    expect(read).toEqual(Array.from({ length: 250 }, (_, i) => 249 - i));
    expect(turns).toBeGreaterThanOrEqual(2);
  });
});
