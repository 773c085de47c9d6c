/**
 * The audit: who did what to what. Guarantees: entries are only ever added; `record` resolves when the entry is
 * durable; ids sort by time. Nothing here changes or removes one.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import { Collection, sortable, type Documents } from '../archive/documents.js';
import type { Page } from '../archive/port.js';
import type { Logger } from '../process/log.js';
import type { Audit, AuditEntry } from './port.js';

const NAME_CHARS_MAX = 200;
const DETAILS_MAX = 20;
const DETAIL_CHARS_MAX = 500;
/** Of a name in a sort key, which has an end (see documents.ts). */
const KEY_CHARS_MAX = 150;

const entrySchema = z.object({
  at: z.number(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  address: z.string().optional(),
  requestId: z.string().optional(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
});
export type AuditRecord = z.output<typeof entrySchema> & { readonly id: string };

export interface AuditQuery {
  readonly actor?: string;
  readonly subject?: string;
  /** 1 to 100. */
  readonly limit: number;
  readonly after?: string;
}

export interface AuditOptions {
  readonly documents: Documents;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class DocumentAudit implements Audit {
  readonly #entries: Collection<'audit', typeof entrySchema>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #sequence = 0;

  constructor({ documents, clock, logger }: AuditOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#entries = new Collection(documents, {
      name: 'audit',
      schema: entrySchema,
      lists: ({ actor, subject }, id) => ({
        all: id,
        actor: `${listName(actor)}/${id}`,
        subject: `${listName(subject)}/${id}`,
      }),
    });
  }

  async record(entry: Omit<AuditEntry, 'at'>): Promise<void> {
    const at = this.#clock.now();
    const kept = { at, ...bounded(entry) };
    // Several in one millisecond keep their order within this process.
    this.#sequence = (this.#sequence + 1) % 1_000_000;
    const id = `${sortable(at)}-${String(this.#sequence).padStart(6, '0')}-${randomBytes(6).toString('hex')}`;
    try {
      if (await this.#entries.insert(id, kept)) return;
      throw new Error(`the id ${id} is taken`);
    } catch (error) {
      const err = error instanceof Error ? error.message : String(error);
      this.#logger.error(
        { err, action: entry.action, subject: entry.subject },
        'an audit entry could not be kept',
      );
      throw error;
    }
  }

  /** Newest first. With actor and subject both given a page can be shorter than asked for, before the last one. */
  async list({ actor, subject, limit, after }: AuditQuery): Promise<Page<AuditRecord>> {
    const request = { limit, newestFirst: true, ...(after !== undefined && { after }) };
    const { items, ...rest } =
      actor !== undefined
        ? await this.#entries.list('actor', { ...request, prefix: `${listName(actor)}/` })
        : subject !== undefined
          ? await this.#entries.list('subject', { ...request, prefix: `${listName(subject)}/` })
          : await this.#entries.list('all', request);
    const records = items.map(({ id, value }) => ({ id, ...value }));
    // A long name shares its list with those that begin like it.
    const isAsked = (kept: string, asked: string | undefined): boolean =>
      asked === undefined || kept === short(asked);
    const asked = records.filter(
      (record) => isAsked(record.actor, actor) && isAsked(record.subject, subject),
    );
    return { ...rest, items: asked };
  }
}

/** Without `/`, which ends it, and in ASCII. A torn surrogate pair, which cannot be encoded, is replaced. */
const listName = (name: string): string =>
  encodeURIComponent(Buffer.from(name).toString()).slice(0, KEY_CHARS_MAX);

const short = (text: string): string => text.slice(0, NAME_CHARS_MAX);

function bounded({ actor, action, subject, address, requestId, details }: Omit<AuditEntry, 'at'>) {
  return {
    actor: short(actor),
    action: short(action),
    subject: short(subject),
    ...(address !== undefined && { address: short(address) }),
    ...(requestId !== undefined && { requestId: short(requestId) }),
    ...(details && {
      details: Object.fromEntries(
        Object.entries(details)
          .slice(0, DETAILS_MAX)
          .map(([name, value]) => [
            short(name),
            typeof value === 'string' ? value.slice(0, DETAIL_CHARS_MAX) : value,
          ]),
      ),
    }),
  };
}
