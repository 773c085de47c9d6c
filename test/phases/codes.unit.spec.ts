/** Codes of presales: kept so that nobody can read them, and found all the same. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { UnavailableError } from '../../src/http/problem.js';
import { CodeSets, codeSchema } from '../../src/phases/codes.js';
import { MemoryDocuments } from '../helpers/memory-documents.js';
import { ManualClock } from '../http/fakes.js';

const SECRET = 'a secret of the tests';
let documents: MemoryDocuments;
let clock: ManualClock;
const sets = (secret = SECRET): CodeSets => new CodeSets({ documents, secret, clock, waitMs: 1_000 });
beforeEach(() => {
  documents = new MemoryDocuments();
  clock = new ManualClock();
});

const has = async (asked: CodeSets, codesId: string, code: string): Promise<boolean> =>
  (await asked.find(codesId, code)) !== null;
const stored = (): string => [...documents.rows.values()].map(({ text }) => text).join('\n');

describe('a set of codes', () => {
  it('has its codes, however they are typed, and no others', async () => {
    const codes = ['FAN-2022', 'summer-at-home', '0001'];
    const { codesId, codeCount } = await sets().make([...codes, ' fan-2022 ']);
    expect(codeCount).toBe(3);
    const asked = sets();
    for (const code of [...codes, 'fan-2022', ' Summer-At-Home ', ' 0001']) {
      expect([code, await has(asked, codesId, code)]).toEqual([code, true]);
    }
    for (const code of ['', '000', '0002', 'FAN-2023', 'FAN 2022', 'FAN-2022\n0001', 'x'.repeat(65)]) {
      expect([code, await has(asked, codesId, code)]).toEqual([code, false]);
    }
  });

  it('stands for a code by the same text however it is typed, and by another in another set', async () => {
    const asked = sets();
    const [first, second] = [await asked.make(['FAN-2022']), await asked.make(['FAN-2022'])];
    const text = await asked.find(first.codesId, 'fan-2022');
    expect(text).toBe(await sets().find(first.codesId, ' FAN-2022'));
    expect(text).not.toBe(await asked.find(second.codesId, 'FAN-2022'));
    expect(text).toMatch(/^[\w-]{22}$/);
  });

  it('finds every one of many', async () => {
    const codes = Array.from({ length: 1_000 }, (_, i) => `CODE-${i * 7_919}`);
    const { codesId } = await sets().make(codes);
    const asked = sets();
    const found = await Promise.all(codes.map((code) => has(asked, codesId, code)));
    expect(found.filter(Boolean)).toHaveLength(1_000);
    const others = await Promise.all(codes.map((code) => has(asked, codesId, `${code}X`)));
    expect(others.some(Boolean)).toBe(false);
  });

  it('keeps no code, nor anything that two sets have in common', async () => {
    const [first, second] = [await sets().make(['FAN-2022']), await sets().make(['FAN-2022'])];
    expect(stored().toUpperCase()).not.toContain('FAN-2022');
    expect(first.codesId).not.toBe(second.codesId);
    const digests = [...documents.rows.values()].map(
      ({ text }) => (JSON.parse(text) as { digests: string }).digests,
    );
    expect(new Set(digests).size).toBe(2);
  });

  it('opens nothing under another secret', async () => {
    const { codesId } = await sets().make(['FAN-2022']);
    expect(await has(sets('another secret'), codesId, 'FAN-2022')).toBe(false);
  });

  it('is read once, and is not known while the archive does not say', async () => {
    const { codesId } = await sets().make(['FAN-2022']);
    const asked = sets();
    const read = documents.document.bind(documents);
    let reads = 0;
    let isAway = true;
    documents.document = async (collection, id) => {
      reads += 1;
      if (isAway) throw new Error('away');
      return read(collection, id);
    };
    await expect(has(asked, codesId, 'FAN-2022')).rejects.toBeInstanceOf(UnavailableError);
    isAway = false;
    const answers = await Promise.all([1, 2, 3].map(() => has(asked, codesId, 'FAN-2022')));
    expect(answers).toEqual([true, true, true]);
    isAway = true;
    expect(await has(asked, codesId, 'FAN-2022')).toBe(true);
    expect(reads).toBe(2);
  });

  it('says nothing of codes that were taken away', async () => {
    const { codesId } = await sets().make(['FAN-2022']);
    await sets().remove(codesId);
    await expect(has(sets(), codesId, 'FAN-2022')).rejects.toBeInstanceOf(UnavailableError);
  });
});

describe('what may be a code', () => {
  it.each(['ABCD', 'x'.repeat(64), ' with-spaces-around '])('%j may', (code) => {
    expect(codeSchema.parse(code)).toBe(code.trim());
  });
  it.each(['', 'ABC', 'x'.repeat(65), 'two words', 'größer', 'ABCD\nEFGH'])('%j may not', (code) => {
    expect(codeSchema.safeParse(code).success).toBe(false);
  });
});
