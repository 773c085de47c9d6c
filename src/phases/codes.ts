/**
 * Codes that open a presale.
 *
 * Guarantees: no code can be read from what is kept, nor tried out by whoever has the store without the
 * marketplace's secret: a set is HMAC-SHA256 digests under a key derived from it, each set with a salt of its own. A
 * set never changes, so what a process remembers of it is never wrong. Whether a code is in one takes no time that
 * tells how near it came: what is compared are digests, which nobody without the secret can steer.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import { Collection, type Documents } from '../archive/documents.js';
import { bounded } from '../http/bounded.js';
import { UnavailableError } from '../http/problem.js';
import { BoundedMap } from '../security/bounded-map.js';

export const CODE_CHARS_MIN = 4;
export const CODE_CHARS_MAX = 64;
/** Of one phase. */
export const CODES_MAX = 10_000;

/** Visible ASCII, so that a header can carry it. */
const CODE = new RegExp(`^[\\x21-\\x7e]{${CODE_CHARS_MIN},${CODE_CHARS_MAX}}$`);

export const codeSchema = z
  .string()
  .max(2 * CODE_CHARS_MAX)
  .trim()
  .regex(CODE, `a code has ${CODE_CHARS_MIN} to ${CODE_CHARS_MAX} visible ASCII characters, without spaces`);

/** 128 bits of the digest: two codes that share them do not come up. */
const DIGEST_BYTES = 16;
/** Sets that a process remembers; 160 KB each at most. */
const SETS_MAX = 200;

const setSchema = z.object({ digests: z.base64(), madeAt: z.number() });

export interface CodeSetsOptions {
  readonly documents: Documents;
  /** Of the marketplace. With another one no code that was kept opens anything. */
  readonly secret: string;
  readonly clock: Clock;
  /** How long the archive may take where a set is not known here yet. */
  readonly waitMs: number;
}

export class CodeSets {
  readonly #options: CodeSetsOptions;
  readonly #key: Buffer;
  readonly #sets: Collection<'saleCodes', typeof setSchema>;
  readonly #known = new BoundedMap<string, Buffer>(SETS_MAX);
  readonly #asked = new Map<string, Promise<Buffer>>();

  constructor(options: CodeSetsOptions) {
    this.#options = options;
    this.#key = createHmac('sha256', options.secret).update('codes of sale phases').digest();
    this.#sets = new Collection(options.documents, { name: 'saleCodes', schema: setSchema });
  }

  /** Keeps codes for good. `count` is how many different ones there are. */
  async make(codes: readonly string[]): Promise<{ readonly codesId: string; readonly codeCount: number }> {
    const codesId = randomBytes(DIGEST_BYTES).toString('hex');
    const different = new Set(codes.map(plain));
    const digests = [...different]
      .map((code) => this.#digest(codesId, code))
      .sort((a, b) => Buffer.compare(a, b));
    const set = { digests: Buffer.concat(digests).toString('base64'), madeAt: this.#options.clock.now() };
    if (!(await this.#sets.insert(codesId, set))) throw new Error(`the set of codes ${codesId} is taken`);
    return { codesId, codeCount: different.size };
  }

  /**
   * What stands for a code in a set, which says nothing of it and is another in every set; null when it is not in there.
   * Rejects with `UnavailableError` while that cannot be known.
   */
  async find(codesId: string, code: string): Promise<string | null> {
    const text = plain(code);
    if (!CODE.test(text)) return null;
    const digest = this.#digest(codesId, text);
    return isIn(await this.#set(codesId), digest) ? digest.toString('base64url') : null;
  }

  /** Learns a set before somebody asks about it. */
  async warm(codesId: string): Promise<void> {
    await this.#set(codesId);
  }

  /** For sets that no phase names any more. */
  async remove(codesId: string): Promise<void> {
    await this.#sets.remove(codesId);
  }

  /** Asked of the archive once, however many ask at the same time. */
  #set(codesId: string): Buffer | Promise<Buffer> {
    const known = this.#known.get(codesId);
    if (known) return known;
    const asked = this.#asked.get(codesId) ?? this.#read(codesId);
    this.#asked.set(codesId, asked);
    return asked.finally(() => this.#asked.delete(codesId));
  }

  async #read(codesId: string): Promise<Buffer> {
    const { clock, waitMs } = this.#options;
    const found = await bounded(clock, waitMs, 'codes', this.#sets.get(codesId));
    // The phase was replaced meanwhile, and is about to be known here.
    if (!found) throw new UnavailableError('these codes are no more');
    const set = Buffer.from(found.value.digests, 'base64');
    this.#known.set(codesId, set);
    return set;
  }

  #digest(codesId: string, code: string): Buffer {
    const digest = createHmac('sha256', this.#key).update(`${codesId}\n${code}`).digest();
    return digest.subarray(0, DIGEST_BYTES);
  }
}

/** How a code is compared: people type capital letters, and spaces around it. */
const plain = (code: string): string => code.trim().toUpperCase();

/** `set`: digests in order. Which of them are looked at follows from the digest alone. */
function isIn(set: Buffer, digest: Buffer): boolean {
  let low = 0;
  let high = set.length / DIGEST_BYTES;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (Buffer.compare(at(set, middle), digest) < 0) low = middle + 1;
    else high = middle;
  }
  return low < set.length / DIGEST_BYTES && timingSafeEqual(at(set, low), digest);
}

const at = (set: Buffer, index: number): Buffer =>
  set.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
