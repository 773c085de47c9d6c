/**
 * The outbox of mails: one document per mail, whose id says what the mail is about. Guarantees: a mail for the
 * same fact is queued once, whoever asks for it how often; one that was neither handed over nor given up is in
 * the list `due`; of one that was handed over neither the address nor what it said is kept.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  Collection,
  isDocumentKey,
  sortable,
  writtenDocument,
  type CollectionRules,
  type Documents,
  type KeptDocument,
  type StoredDocument,
} from '../archive/documents.js';
import type { Clock } from '../actors/ports.js';
import { LISTED_MAX, type NewMail } from './kinds.js';
import { localeSchema, type Locale } from './locale.js';

const DAY_MS = 24 * 60 * 60_000;
/** So long is it known that a mail was queued: longer than any fact is asked to be mailed about again. */
export const KEPT_MS = 30 * DAY_MS;
/** As JSON. */
const DATA_CHARS_MAX = 400 * LISTED_MAX;
/** RFC 5321 section 4.5.3.1.3, without the angle brackets. */
const ADDRESS_CHARS_MAX = 254;
const REASON_CHARS_MAX = 300;

const recordSchema = z.object({
  /** Text, and `data` anything: another version of the program may know more kinds than this one. */
  kind: z.string(),
  /** Null once it was handed over. */
  to: z.string().nullable(),
  /** Absent: found out when it is written. */
  locale: localeSchema.exactOptional(),
  data: z.unknown(),
  createdAt: z.number(),
  /** When it is to be handed over, or tried again; absent when it was, or never will be. */
  dueAt: z.number().exactOptional(),
  /** Times that somebody took it on. */
  attempts: z.number(),
  /** Counted against what its address may get. */
  isCounted: z.boolean().exactOptional(),
  endedAt: z.number().exactOptional(),
  outcome: z.enum(['sent', 'dropped', 'given_up']).exactOptional(),
  /** Why it was not handed over, at the last attempt. */
  reason: z.string().exactOptional(),
});
export type MailRecord = z.output<typeof recordSchema>;
export type StoredMail = StoredDocument<MailRecord>;
export type MailOutcome = NonNullable<MailRecord['outcome']>;

const RULES: CollectionRules<'mails', typeof recordSchema> = {
  name: 'mails',
  schema: recordSchema,
  lists: ({ dueAt, createdAt }) => ({
    all: sortable(createdAt),
    due: dueAt === undefined ? undefined : sortable(dueAt),
  }),
  expiresAt: ({ endedAt, createdAt }) => (endedAt === undefined ? undefined : createdAt + KEPT_MS),
};

/** A mail that no store can keep: a defect of whoever asked for it. */
export class UnqueueableError extends Error {
  override readonly name = 'UnqueueableError';
}

export class MailRecords {
  readonly #collection: Collection<'mails', typeof recordSchema>;
  readonly #clock: Clock;

  constructor({ documents, clock }: { readonly documents: Documents; readonly clock: Clock }) {
    this.#clock = clock;
    this.#collection = new Collection(documents, RULES);
  }

  /**
   * Queues a mail; false when one of its id was queued before. Throws `UnqueueableError` on what could never be a mail.
   * Its language: `locale`, else that of the payment or the account it is about, else English.
   */
  async add({ id, kind, to, data }: NewMail, locale?: Locale): Promise<boolean> {
    if (!isDocumentKey(id))
      throw new UnqueueableError('the id of a mail must be 1 to 200 printable ASCII characters');
    if (to.length > ADDRESS_CHARS_MAX) throw new UnqueueableError('the address of a mail is too long');
    if (JSON.stringify(data).length > DATA_CHARS_MAX)
      throw new UnqueueableError('a mail may not say so much');
    const now = this.#clock.now();
    return this.#collection.insert(id, {
      kind,
      to,
      ...(locale !== undefined && { locale }),
      data,
      createdAt: now,
      dueAt: now,
      attempts: 0,
    });
  }

  async get(id: string): Promise<MailRecord | null> {
    return (await this.#collection.get(id))?.value ?? null;
  }

  /** Those that are due, the longest first. */
  async due(limit: number): Promise<readonly StoredMail[]> {
    return (await this.#collection.list('due', { below: sortable(this.#clock.now() + 1), limit })).items;
  }

  /** Takes a mail on until `until`: nobody else does before. Null when somebody was quicker. */
  async claim({ id, version, value }: StoredMail, until: number): Promise<StoredMail | null> {
    const claimed = { ...value, attempts: value.attempts + 1, dueAt: until };
    const isMine = await this.#collection.replace(id, claimed, version);
    return isMine ? { id, version: version + 1, value: claimed } : null;
  }

  /** As it was claimed, with something changed; null when the claim had run out and somebody took it over. */
  async change({ id, version, value }: StoredMail, changed: Partial<MailRecord>): Promise<StoredMail | null> {
    const after = { ...value, ...changed };
    const isMine = await this.#collection.replace(id, after, version);
    return isMine ? { id, version: version + 1, value: after } : null;
  }

  /** Tried again at `dueAt`. */
  postpone(mail: StoredMail, dueAt: number, reason: string): Promise<StoredMail | null> {
    return this.change(mail, { dueAt, reason: reason.slice(0, REASON_CHARS_MAX) });
  }

  /** It is over; whom it went to and what it said is kept only of one that could not be handed over. */
  async end(mail: StoredMail, outcome: MailOutcome, reason?: string): Promise<void> {
    const ended = endedRecord(mail.value, this.#clock.now(), outcome, reason);
    await this.#collection.replace(mail.id, ended, mail.version);
  }
}

function endedRecord(
  { dueAt: _dueAt, reason: _reason, ...record }: MailRecord,
  now: number,
  outcome: MailOutcome,
  reason?: string,
): MailRecord {
  return {
    ...record,
    ...(outcome !== 'given_up' && { to: null, data: null }),
    endedAt: now,
    outcome,
    ...(reason !== undefined && { reason: reason.slice(0, REASON_CHARS_MAX) }),
  };
}

/** For a restore: a mail that was not handed over never will be; its fact counts as mailed about. */
export function droppedMail(document: KeptDocument, now: number): KeptDocument {
  const { data } = recordSchema.safeParse(document.value);
  if (!data || data.endedAt !== undefined) return document;
  return { ...document, ...writtenDocument(RULES, document.id, endedRecord(data, now, 'dropped')) };
}

/** What names a mail to servers and mail programs: the same at every attempt. */
export function messageIdOf(id: string): string {
  return createHash('sha256').update(`mail:${id}`).digest('hex').slice(0, 40);
}
