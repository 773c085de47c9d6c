/**
 * The keys that sign access tokens: ES256, made on first need, changed regularly, shared by all processes.
 *
 * Guarantees: of all processes that start at once exactly one makes the first key, and one each further key; a
 * key is published before it signs, and verifies until the last token it signed has ended; a key that was put
 * into the store by somebody without the installation's secret neither signs nor verifies.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { Clock } from '../actors/ports.js';
import type { Documents } from '../archive/documents.js';
import type { Logger } from '../process/log.js';
import { signingKeysOf, type SigningKeyRecord } from './records.js';
import type { Sealer } from './sealing.js';

export interface SigningKeysOptions {
  readonly documents: Documents;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sealer: Sealer;
  /** How long a key signs. */
  readonly rotateMs: number;
  /** How long its tokens live. */
  readonly tokenMs: number;
}

/** A new key is known this long before it signs: longer than any process goes without reading them. */
export const PUBLISH_MS = 600_000;
/** Age of what was read at which it is read again. */
const FRESH_MS = 60_000;
/** Clocks of processes may differ by this. */
const SKEW_MS = 60_000;
/** Ended keys stay on record this long. */
const KEPT_MS = 86_400_000;
/** Reads because of keys that are not known, within a window: forged tokens must not become reads. */
const UNKNOWN_READS_MAX = 10;
const UNKNOWN_WINDOW_MS = 10_000;
const MAKE_ATTEMPTS_MAX = 5;
const KEYS_MAX = 100;

export const KID = /^[1-9]\d{0,8}\.[A-Za-z0-9_-]{16}$/;

/** RFC 7517. */
export interface PublicJwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
  readonly use: 'sig';
  readonly alg: 'ES256';
  readonly kid: string;
}

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
}

interface Loaded {
  readonly record: SigningKeyRecord;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export class SigningKeys {
  readonly #options: SigningKeysOptions;
  readonly #records: ReturnType<typeof signingKeysOf>;
  /** By the time they become active. */
  #keys: readonly Loaded[] | null = null;
  #generation = 0;
  #readAt = 0;
  #reading: Promise<readonly Loaded[]> | null = null;
  #unknownReads = { since: 0, count: 0 };

  constructor(options: SigningKeysOptions) {
    this.#options = options;
    this.#records = signingKeysOf(options.documents);
  }

  /** The key to sign with now. Rejects with `ArchiveUnavailableError` when none can be read or made. */
  async signer(): Promise<SigningKey> {
    for (let attempt = 0; attempt < MAKE_ATTEMPTS_MAX; attempt += 1) {
      const keys = await this.#fresh();
      const active = this.#active(keys);
      if (!active) {
        await this.#make(this.#options.clock.now());
        continue;
      }
      await this.#rotate(keys, active);
      return { kid: active.record.kid, privateKey: active.privateKey };
    }
    throw new Error('no key to sign with could be made, though the store takes them');
  }

  /** Null for a key that is not known or has ended. Rejects only when no keys could be read at all. */
  async verifier(kid: string): Promise<KeyObject | null> {
    if (!KID.test(kid)) return null;
    const known = this.#find(await this.#cached(), kid);
    if (known || !this.#mayReadForUnknown()) return known;
    try {
      return this.#find(await this.#read(), kid);
    } catch (error) {
      this.#options.logger.warn({ error: String(error) }, 'keys of access tokens could not be read again');
      return null;
    }
  }

  /** Every key that verifies now or will soon (RFC 7517 section 5). */
  async jwks(): Promise<{ readonly keys: readonly PublicJwk[] }> {
    const keys = await this.#fresh();
    const valid = keys.filter((_, index) => !this.#isOver(keys, index));
    return {
      keys: valid.map(({ record: { kid, x, y } }) => ({ ...curve, x, y, use: 'sig', alg: 'ES256', kid })),
    };
  }

  #find(keys: readonly Loaded[], kid: string): KeyObject | null {
    const index = keys.findIndex(({ record }) => record.kid === kid);
    const key = keys[index];
    return key && !this.#isOver(keys, index) ? key.publicKey : null;
  }

  /** The newest that has become active. */
  #active(keys: readonly Loaded[]): Loaded | undefined {
    const now = this.#options.clock.now();
    return keys.findLast(({ record }) => record.activeFrom <= now);
  }

  /** A key's tokens end one token life after the next key has taken over. */
  #isOver(keys: readonly Loaded[], index: number): boolean {
    const next = keys[index + 1];
    if (!next) return false;
    return next.record.activeFrom + this.#options.tokenMs + SKEW_MS <= this.#options.clock.now();
  }

  /** Publishes the next key once the one that signs is old, unless it is published. */
  async #rotate(keys: readonly Loaded[], active: Loaded): Promise<void> {
    const { clock, rotateMs, logger } = this.#options;
    const now = clock.now();
    if (keys.at(-1) !== active || active.record.activeFrom + rotateMs > now) return;
    try {
      await this.#make(now + PUBLISH_MS);
      await this.#tidy(keys);
    } catch (error) {
      // The old key goes on; whoever signs next tries again.
      logger.warn({ error: String(error) }, 'the key of access tokens could not be changed');
    }
  }

  /** Inserts the next generation; somebody else may have been faster, which is as good. */
  async #make(activeFrom: number): Promise<void> {
    const { sealer, clock, logger } = this.#options;
    const { publicKey, privateKey } = await newKeyPair('ec', { namedCurve: 'P-256' });
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
    const generation = this.#generation + 1;
    const facts = {
      generation,
      kid: `${generation}.${thumbprint(x, y)}`,
      x,
      y,
      createdAt: clock.now(),
      activeFrom,
    };
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const record = { ...facts, sealedPrivate: sealer.seal(pem, placeOf(facts)) };
    if (await this.#records.insert(`key-${generation}`, record))
      logger.info({ kid: record.kid, activeFrom }, 'a key of access tokens was made');
    await this.#read();
  }

  async #tidy(keys: readonly Loaded[]): Promise<void> {
    const { clock, tokenMs } = this.#options;
    const past = clock.now() - tokenMs - SKEW_MS - KEPT_MS;
    const ended = keys.filter((_, index) => (keys[index + 1]?.record.activeFrom ?? Infinity) < past);
    await Promise.all(ended.map(({ record }) => this.#records.remove(`key-${record.generation}`)));
  }

  async #cached(): Promise<readonly Loaded[]> {
    if (!this.#keys) return this.#read();
    if (this.#isStale()) {
      // What is known serves meanwhile.
      this.#read().catch((error: unknown) => {
        this.#options.logger.warn({ error: String(error) }, 'keys of access tokens could not be read again');
      });
    }
    return this.#keys;
  }

  async #fresh(): Promise<readonly Loaded[]> {
    if (this.#keys && !this.#isStale()) return this.#keys;
    try {
      return await this.#read();
    } catch (error) {
      if (this.#keys && this.#keys.length > 0) return this.#keys;
      throw error;
    }
  }

  #isStale(): boolean {
    return this.#options.clock.now() - this.#readAt >= FRESH_MS;
  }

  #mayReadForUnknown(): boolean {
    const now = this.#options.clock.now();
    if (now - this.#unknownReads.since >= UNKNOWN_WINDOW_MS) this.#unknownReads = { since: now, count: 0 };
    this.#unknownReads.count += 1;
    return this.#unknownReads.count <= UNKNOWN_READS_MAX;
  }

  /** Whoever asks while it is being read gets the same answer. */
  #read(): Promise<readonly Loaded[]> {
    return (this.#reading ??= this.#load().finally(() => {
      this.#reading = null;
    }));
  }

  async #load(): Promise<readonly Loaded[]> {
    const at = this.#options.clock.now();
    const { items } = await this.#records.list('all', { limit: KEYS_MAX, newestFirst: true });
    this.#generation = Math.max(0, ...items.map(({ value }) => value.generation));
    const keys = items.map(({ value }) => this.#opened(value)).filter((key) => key !== null);
    this.#keys = keys.sort((a, b) => a.record.activeFrom - b.record.activeFrom);
    this.#readAt = at;
    return this.#keys;
  }

  /** Null when it was not sealed, in all its parts, under our secret. */
  #opened(record: SigningKeyRecord): Loaded | null {
    const known = this.#keys?.find((key) => JSON.stringify(key.record) === JSON.stringify(record));
    if (known) return known;
    const pem = this.#options.sealer.open(record.sealedPrivate, placeOf(record));
    if (pem === null) {
      const { kid } = record;
      this.#options.logger.error({ kid }, 'a key was made under another token secret and is not used');
      return null;
    }
    const publicKey = createPublicKey({ key: { ...curve, x: record.x, y: record.y }, format: 'jwk' });
    return { record, publicKey, privateKey: createPrivateKey(pem) };
  }
}

const curve = { kty: 'EC', crv: 'P-256' } as const;

const newKeyPair = promisify(generateKeyPair) as (
  type: 'ec',
  options: { readonly namedCurve: string },
  // The overload without encodings, which `promisify` does not choose.
) => Promise<{ readonly publicKey: KeyObject; readonly privateKey: KeyObject }>;

/** All that is known of a key is bound to its sealed part. */
function placeOf(facts: Omit<SigningKeyRecord, 'sealedPrivate'>): string {
  const { generation, kid, x, y, createdAt, activeFrom } = facts;
  return JSON.stringify(['signing-key', generation, kid, x, y, createdAt, activeFrom]);
}

/** RFC 7638, shortened: with the generation it names a key for good. */
function thumbprint(x: string, y: string): string {
  const canonical = JSON.stringify({ crv: curve.crv, kty: curve.kty, x, y });
  return createHash('sha256').update(canonical).digest('base64url').slice(0, 16);
}
