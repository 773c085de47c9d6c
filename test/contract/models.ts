/** What the collection of models does on every archive (src/analytics/model/models.ts). */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Artefact } from '../../src/analytics/model/artefact.js';
import { ARTEFACTS_MAX, Models, REPORTS_MAX, type TrainingReport } from '../../src/analytics/model/models.js';
import { packed } from '../../src/analytics/model/packed.js';
import { train } from '../../src/analytics/model/train.js';
import { factless } from '../analytics/model/world.js';
import type { ArchiveUnderTest } from './archive.js';

const reportOf = (outcome: TrainingReport['outcome'], startedAt = 1): TrainingReport => ({
  outcome,
  message: 'As a test wants it.',
  startedAt,
  tookMs: 5,
  seed: 1,
  choices: 500,
  persons: 100,
  items: 10,
  heldOut: null,
});

/** Stored as it would be, told apart by its seed. */
const artefactOf = (seed: number): Artefact => ({ ...ARTEFACT, seed });
const ARTEFACT = train(packed(factless(12, 30, 3)), { seed: 1 });

export function modelsContract(make: () => Promise<ArchiveUnderTest>): void {
  describe('models', () => {
    let store: ArchiveUnderTest;
    let models: Models;
    beforeEach(async () => {
      store = await make();
      models = new Models(store.archive);
    });
    afterEach(() => store.cleanup());

    test('none is current before one was taken into use', async () => {
      expect(await models.current()).toBeNull();
      expect(await models.list()).toEqual([]);
      await models.save(null, reportOf('too_little_data'));
      await models.save(artefactOf(2), reportOf('not_better'));
      expect(await models.current()).toBeNull();
      expect(await models.currentVersion()).toBeNull();
    });

    test('the newest that was taken is current, whole, also for another process', async () => {
      expect(await models.save(artefactOf(1), reportOf('taken'))).toBe(1);
      expect(await models.save(artefactOf(2), reportOf('taken'))).toBe(2);
      expect(await models.save(artefactOf(3), reportOf('not_better'))).toBe(3);
      const other = new Models(await store.reopen());
      expect(await other.current()).toEqual({ version: 2, artefact: artefactOf(2) });
      expect(await other.list()).toEqual([
        { version: 3, report: reportOf('not_better'), isCurrent: false },
        { version: 2, report: reportOf('taken'), isCurrent: true },
        { version: 1, report: reportOf('taken'), isCurrent: false },
      ]);
    });

    test('a version is given once, whoever saves at the same time', async () => {
      const versions = await Promise.all(
        Array.from({ length: 8 }, (_, seed) => models.save(artefactOf(seed), reportOf('taken'))),
      );
      expect([...versions].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect((await models.current())?.version).toBe(8);
    });

    test('old ones are removed, and never the one in use', async () => {
      await models.save(artefactOf(1), reportOf('taken'));
      const more = REPORTS_MAX + 5;
      for (let nth = 0; nth < more; nth += 1) {
        await models.save(nth < ARTEFACTS_MAX + 3 ? artefactOf(nth) : null, reportOf('not_better', nth));
      }
      const listed = await models.list();
      expect(listed.map(({ version }) => version)).toEqual(
        Array.from({ length: REPORTS_MAX }, (_, nth) => more + 1 - nth),
      );
      expect((await models.current())?.version).toBe(1);
      const left = await store.archive.listDocuments('models', 'artefacts', { limit: 100 });
      expect(left.items.map(({ id }) => id)).toEqual(['artefact-1']);
      const reports = await store.archive.listDocuments('models', 'all', { limit: 100 });
      expect(reports.items).toHaveLength(REPORTS_MAX);
    });

    test('one that a newer program wrote is refused by name', async () => {
      await models.save({ ...ARTEFACT, schema: 99 } as unknown as Artefact, reportOf('taken'));
      await expect(models.current()).rejects.toThrow(/newer ticktak \(artefact 99, this one knows up to 1\)/);
    });
  });
}
