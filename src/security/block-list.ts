/**
 * The block list: entries that operators keep, and list files.
 *
 * Guarantees: a change takes effect in this process at once and in every other within two seconds while Redis
 * answers (a minute otherwise); while the document store is away the last good list stays; entries end by
 * themselves; every change is in the audit.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import { Collection, sortable, type Documents } from '../archive/documents.js';
import type { Page } from '../archive/port.js';
import type { Logger } from '../process/log.js';
import { AddressSet } from './address-set.js';
import { parseRange, rangeText, type Address, type Range } from './address.js';
import { BLOCKS_MAX, refusalOf } from './block-rules.js';
import type { SecurityKeys } from '../redis/keys.js';
import { ListFile } from './list-file.js';
import type { Audit } from './port.js';
import type { RedisGuard } from './redis-guard.js';

const blockSchema = z.object({
  id: z.string(),
  cidr: z.string(),
  reason: z.string(),
  addedBy: z.string(),
  createdAt: z.number(),
  expiresAt: z.number().optional(),
});
export type Block = z.output<typeof blockSchema>;

export interface NewBlock {
  /** One address, or a range. */
  readonly cidr: string;
  readonly reason: string;
  /** `account:<id>` */
  readonly addedBy: string;
  /** Epoch milliseconds; for good when absent. */
  readonly expiresAt?: number;
  readonly address?: string;
  readonly requestId?: string;
}

export type AddResult =
  { readonly kind: 'added'; readonly block: Block } | { readonly kind: 'refused'; readonly message: string };

export interface BlockListOptions {
  readonly documents: Documents;
  readonly audit: Audit;
  readonly guard: RedisGuard;
  readonly keys: SecurityKeys;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly listFiles?: readonly string[];
  readonly pollMs?: number;
}

/** How often other processes' changes and the files are looked for. */
const POLL_MS = 1_000;
/** How often everything is read again, should a change have been missed. */
const RELOAD_MS = 60_000;
export const REASON_CHARS_MAX = 500;

export class BlockList {
  readonly #options: BlockListOptions;
  readonly #blocks: Collection<'blocks', typeof blockSchema>;
  readonly #files: { readonly file: ListFile; ranges: readonly Range[] }[];
  #entries = new AddressSet();
  #fromFiles = new AddressSet();
  #version: string | null = null;
  #count = 0;
  #loadedAt = -Infinity;
  #loading: Promise<void> | null = null;
  #polling: Promise<void> = Promise.resolve();
  #cancel: () => void = () => undefined;
  #running = false;
  #failed = false;

  constructor(options: BlockListOptions) {
    this.#options = options;
    this.#blocks = new Collection(options.documents, {
      name: 'blocks',
      schema: blockSchema,
      lists: ({ createdAt }, id) => ({ all: `${sortable(createdAt)}/${id}` }),
      expiresAt: (block) => block.expiresAt,
    });
    this.#files = (options.listFiles ?? []).map((path) => ({
      file: new ListFile(path, BLOCKS_MAX),
      ranges: [],
    }));
  }

  /** Rejects with one clear line when a list file cannot be used: nobody should believe that it is in force. */
  async start(): Promise<void> {
    for (const entry of this.#files) {
      const change = await entry.file.poll();
      if (change.kind === 'broken') throw new Error(`Block list: ${change.message}`);
      if (change.kind === 'changed') entry.ranges = change.ranges;
    }
    this.#joinFiles();
    await this.#look();
    this.#running = true;
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#cancel();
    await this.#polling;
  }

  blocks(address: string | Address | null): boolean {
    const now = this.#options.clock.now();
    return this.#entries.has(address, now) || this.#fromFiles.has(address, now);
  }

  /** Rejects with `ArchiveUnavailableError` when it cannot be kept. */
  async add(wanted: NewBlock): Promise<AddResult> {
    const { clock, audit } = this.#options;
    const range = parseRange(wanted.cidr.trim());
    if (!range) return refused('it is no address and no range such as 192.0.2.0/24 or 2001:db8::/32');
    const refusal = refusalOf(range);
    if (refusal !== null) return refused(refusal);
    const now = clock.now();
    if (wanted.expiresAt !== undefined && wanted.expiresAt <= now) return refused('its end is in the past');
    if (this.#count >= BLOCKS_MAX) return refused(`the list has ${BLOCKS_MAX} entries; remove some first`);
    const block: Block = {
      id: randomUUID(),
      cidr: rangeText(range),
      reason: wanted.reason.slice(0, REASON_CHARS_MAX),
      addedBy: wanted.addedBy,
      createdAt: now,
      ...(wanted.expiresAt !== undefined && { expiresAt: wanted.expiresAt }),
    };
    // On record first: a change that nobody can be asked about would be worse than a record of one that failed.
    await audit.record({
      actor: wanted.addedBy,
      action: 'block.added',
      subject: `block:${block.id}`,
      details: {
        cidr: block.cidr,
        reason: block.reason,
        ...(block.expiresAt && { expiresAt: block.expiresAt }),
      },
      ...about(wanted),
    });
    await this.#blocks.insert(block.id, block);
    this.#entries.add(range, block.expiresAt);
    this.#count += 1;
    await this.#announce();
    return { kind: 'added', block };
  }

  /** False when there is none of this id. */
  async remove(id: string, by: Pick<NewBlock, 'addedBy' | 'address' | 'requestId'>): Promise<boolean> {
    const found = await this.#blocks.get(id);
    if (!found) return false;
    await this.#options.audit.record({
      actor: by.addedBy,
      action: 'block.removed',
      subject: `block:${id}`,
      details: { cidr: found.value.cidr },
      ...about(by),
    });
    if (!(await this.#blocks.remove(id))) return false;
    await this.#announce();
    await this.#load();
    return true;
  }

  /** Newest first. */
  async list(page: { readonly limit: number; readonly after?: string }): Promise<Page<Block>> {
    const { items, ...rest } = await this.#blocks.list('all', { ...page, newestFirst: true });
    return { ...rest, items: items.map(({ value }) => value) };
  }

  /** Tells the other processes; without Redis they find it at their next full look. */
  async #announce(): Promise<void> {
    const { guard, keys } = this.#options;
    await guard.run((redis) => redis.incr(keys.blocksVersion));
  }

  #schedule(): void {
    if (!this.#running) return;
    this.#cancel = this.#options.clock.schedule(this.#options.pollMs ?? POLL_MS, () => {
      this.#polling = this.#look().then(() => this.#schedule());
    });
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    await this.#pollFiles();
    const { guard, keys, clock } = this.#options;
    const answer = await guard.run((redis) => redis.get(keys.blocksVersion));
    const version = answer.away ? this.#version : (answer.value ?? '0');
    const isDue = clock.now() - this.#loadedAt >= RELOAD_MS;
    if (version === this.#version && !isDue && !this.#failed) return;
    if (await this.#load()) this.#version = version;
  }

  async #pollFiles(): Promise<void> {
    let changed = false;
    for (const entry of this.#files) {
      const change = await entry.file.poll();
      if (change.kind === 'broken') {
        this.#options.logger.error(`${change.message}; what the file said before stays in force`);
      } else if (change.kind === 'changed') {
        entry.ranges = change.ranges;
        changed = true;
        this.#options.logger.info({ file: entry.file.path, entries: entry.ranges.length }, 'block list read');
      }
    }
    if (changed) this.#joinFiles();
  }

  #joinFiles(): void {
    const joined = new AddressSet();
    for (const { ranges } of this.#files) for (const range of ranges) joined.add(range);
    this.#fromFiles = joined;
  }

  /** Reads every entry; false, and the last good list stays, when the store is away. Never rejects. */
  async #load(): Promise<boolean> {
    // One after another: an older reading must not replace a newer one.
    while (this.#loading) await this.#loading;
    const loading = this.#read();
    this.#loading = loading.then(
      () => undefined,
      () => undefined,
    );
    try {
      await loading;
      this.#failed = false;
      return true;
    } catch (error) {
      const err = error instanceof Error ? error.message : String(error);
      if (!this.#failed)
        this.#options.logger.warn({ err }, 'the block list cannot be read; the last one stays');
      this.#failed = true;
      return false;
    } finally {
      this.#loading = null;
    }
  }

  async #read(): Promise<void> {
    const entries = new AddressSet();
    let count = 0;
    for await (const { value } of this.#blocks.all('all')) {
      const range = parseRange(value.cidr);
      if (range) entries.add(range, value.expiresAt);
      count += 1;
      if (count >= BLOCKS_MAX) break;
    }
    this.#entries = entries;
    this.#count = count;
    this.#loadedAt = this.#options.clock.now();
  }
}

const refused = (message: string): AddResult => ({ kind: 'refused', message });

const about = ({ address, requestId }: Pick<NewBlock, 'address' | 'requestId'>) => ({
  ...(address !== undefined && { address }),
  ...(requestId !== undefined && { requestId }),
});
