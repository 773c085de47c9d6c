/**
 * The models that were trained, in the archive: the one in use, and the reports of the last ones.
 *
 * Guarantees: versions number upward and are never given twice, whoever saves at the same time; `current` is the newest
 * that was taken into use; of older ones only the report stays, and of old reports the last `REPORTS_MAX`.
 */
import { z } from 'zod';
import { Collection, sortable, type Documents } from '../../archive/documents.js';
import { readArtefact, type Artefact } from './artefact.js';

/** How a training ended. */
export const OUTCOMES = ['taken', 'not_better', 'too_little_data', 'too_slow', 'failed'] as const;

const measured = z.object({
  /** Share of choices that were among the first five. */
  hitRate5: z.number(),
  ndcg10: z.number(),
});

const heldOutSchema = z.object({ choices: z.number().int(), model: measured, popularity: measured });
/** How a model did on choices it was not shown. */
export type HeldOut = z.output<typeof heldOutSchema>;

export const trainingReportSchema = z.object({
  outcome: z.enum(OUTCOMES),
  /** One sentence for an operator. */
  message: z.string(),
  /** Epoch milliseconds. */
  startedAt: z.number(),
  tookMs: z.number(),
  seed: z.number().int(),
  choices: z.number().int(),
  persons: z.number().int(),
  items: z.number().int(),
  /** On the last choices, which the judged model was not shown; null where nothing was judged. */
  heldOut: heldOutSchema.nullable(),
});
export type TrainingReport = z.output<typeof trainingReportSchema>;

export interface ListedModel {
  readonly version: number;
  readonly report: TrainingReport;
  readonly isCurrent: boolean;
}

export const REPORTS_MAX = 50;
/** Besides the one in use. */
export const ARTEFACTS_MAX = 5;
/** More than one save adds: what a process that died left is removed by the next. */
const REMOVED_AT_ONCE_MAX = 10;

const HEAD = 'head';

const documentSchema = z.union([
  z.object({ kind: z.literal('head'), newest: z.number().int(), current: z.number().int().nullable() }),
  z.object({ kind: z.literal('report'), report: trainingReportSchema }),
  // Read by `readArtefact`, which can tell a newer one from a broken one.
  z.object({ kind: z.literal('artefact'), artefact: z.unknown() }),
]);
type ModelDocument = z.output<typeof documentSchema>;
type Head = Extract<ModelDocument, { kind: 'head' }>;

const NOTHING_YET: Head = { kind: 'head', newest: 0, current: null };
const reportId = (version: number): string => `report-${version}`;
const artefactId = (version: number): string => `artefact-${version}`;

export class Models {
  readonly #documents: Collection<'models', typeof documentSchema>;

  constructor(documents: Documents) {
    this.#documents = new Collection(documents, {
      name: 'models',
      schema: documentSchema,
      lists: ({ kind }, id) => ({
        all: kind === 'report' ? sortable(versionIn(id)) : undefined,
        artefacts: kind === 'artefact' ? sortable(versionIn(id)) : undefined,
      }),
    });
  }

  /** Null while none was taken into use. Throws `NewerArtefactError` for one that a newer program wrote. */
  async current(): Promise<{ readonly version: number; readonly artefact: Artefact } | null> {
    // One that was replaced and removed in between is asked for anew.
    for (let seen: number | null = null; ;) {
      const version = await this.currentVersion();
      if (version === null) return null;
      const found = await this.#documents.get(artefactId(version));
      if (found?.value.kind === 'artefact') {
        return { version, artefact: readArtefact(found.value.artefact) };
      }
      if (version === seen) throw new Error(`models/${artefactId(version)} is in use and not there`);
      seen = version;
    }
  }

  /** Cheap: shows whether there is another one than before. */
  async currentVersion(): Promise<number | null> {
    return (await this.#head()).current;
  }

  /** Keeps a report, and the artefact it is about where there is one; the new version. `taken`: it is the current one. */
  async save(artefact: Artefact | null, report: TrainingReport): Promise<number> {
    const { newest: version } = await this.#move((head) => ({ ...head, newest: head.newest + 1 }));
    const isTaken = artefact !== null && report.outcome === 'taken';
    if (artefact) await this.#documents.insert(artefactId(version), { kind: 'artefact', artefact });
    await this.#documents.insert(reportId(version), { kind: 'report', report });
    if (isTaken) {
      await this.#move((head) => ({ ...head, current: Math.max(version, head.current ?? 0) }));
    }
    await this.#removeBelow('all', version - REPORTS_MAX + 1);
    await this.#removeBelow('artefacts', version - ARTEFACTS_MAX + 1);
    return version;
  }

  /** Newest first, at most `REPORTS_MAX`. */
  async list(): Promise<readonly ListedModel[]> {
    const { current } = await this.#head();
    const { items } = await this.#documents.list('all', { limit: REPORTS_MAX, newestFirst: true });
    return items.flatMap(({ id, value }) => {
      if (value.kind !== 'report') return [];
      const version = versionIn(id);
      return [{ version, report: value.report, isCurrent: version === current }];
    });
  }

  async #removeBelow(list: 'all' | 'artefacts', version: number): Promise<void> {
    if (version <= 0) return;
    const old = await this.#documents.list(list, { below: sortable(version), limit: REMOVED_AT_ONCE_MAX });
    const { current } = await this.#head();
    for (const { id } of old.items) {
      if (list === 'all' || versionIn(id) !== current) await this.#documents.remove(id);
    }
  }

  async #head(): Promise<Head> {
    const found = await this.#documents.get(HEAD);
    return found?.value.kind === 'head' ? found.value : NOTHING_YET;
  }

  async #move(change: (head: Head) => Head): Promise<Head> {
    const kept = await this.#documents.put(HEAD, (value) =>
      change(value?.kind === 'head' ? value : NOTHING_YET),
    );
    if (kept.value.kind !== 'head') throw new Error('models/head is no head');
    return kept.value;
  }
}

const versionIn = (id: string): number => Number(id.slice(id.lastIndexOf('-') + 1));
