/**
 * Challenges: a proof of work that a browser does unseen (the `altcha` widget 3 or later, challenge format v2) and
 * that costs a bot time for every request.
 *
 * Guarantees: a solution counts once at each stage of one request, over all processes while Redis answers; only
 * for the class of routes it was made for; for a few minutes. Solving costs about a hundred times what making
 * one costs, and checking one costs a few microseconds: asking for challenges is no way to keep the server busy.
 */
import { createHmac, randomInt } from 'node:crypto';
import { createChallenge, verifySolution } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import { BoundedMap } from './bounded-map.js';
import type { SecurityKeys } from '../redis/keys.js';
import type { RedisGuard } from './redis-guard.js';
import type { ChallengedClass } from './route-classes.js';
import { SOLUTION_CHARS_MAX } from './verdict.js';

/** What a challenge asks for; the browser has to try `counter` keys of `cost` rounds each. */
export interface ChallengeWork {
  /** Rounds of PBKDF2 per key: also what making a challenge costs us. */
  readonly cost: number;
  /** Keys to try at strength 1, at most; at least half of them. */
  readonly triesMax: number;
  /** Strength is bounded, so that a slow telephone gets through: strength times tries. */
  readonly strengthMax: number;
}

/** About 0.1 s on a desktop computer at strength 1, 1 s at the highest. */
export const CHALLENGE_WORK: ChallengeWork = { cost: 500, triesMax: 200, strengthMax: 8 };
export const CHALLENGE_MS = 5 * 60_000;
/** Solutions one process remembers as used. */
const SPENT_MAX = 100_000;

/** As sent to a client; the widget takes it as its `challengejson`. */
export interface Challenge {
  readonly parameters: object;
  readonly signature?: string;
}

/** A request shows its solution twice: before its body is read, and once it is known who buys. */
export type Stage = 'request' | 'person';

export type Solution =
  | { readonly kind: 'solved'; readonly routeClass: string; readonly nonce: string }
  | { readonly kind: 'expired' | 'invalid' };

export interface ChallengesOptions {
  readonly guard: RedisGuard;
  readonly keys: SecurityKeys;
  readonly clock: Clock;
  /** Signs challenges; the same in every process. */
  readonly secret: string;
  readonly work?: Partial<ChallengeWork>;
  readonly validMs?: number;
}

const hex = z
  .string()
  .max(200)
  .regex(/^[0-9a-f]+$/);
const payloadSchema = z.object({
  challenge: z.object({
    parameters: z.object({
      algorithm: z.string().max(30),
      nonce: hex,
      salt: hex,
      cost: z.number().int(),
      keyLength: z.number().int(),
      keyPrefix: hex,
      keySignature: hex,
      expiresAt: z.number().int(),
      data: z.object({ routeClass: z.string().max(20) }),
    }),
    signature: hex,
  }),
  solution: z.object({ counter: z.number().int(), derivedKey: hex }),
});

export class Challenges {
  readonly #options: ChallengesOptions;
  readonly #work: ChallengeWork;
  readonly #validMs: number;
  readonly #secrets: { readonly hmacSignatureSecret: string; readonly hmacKeySignatureSecret: string };
  readonly #spent = new BoundedMap<string, number>(SPENT_MAX);

  constructor(options: ChallengesOptions) {
    this.#options = options;
    this.#work = { ...CHALLENGE_WORK, ...options.work };
    this.#validMs = options.validMs ?? CHALLENGE_MS;
    // The secret may serve other purposes too: each has a key of its own.
    const derived = (purpose: string): string =>
      createHmac('sha256', options.secret).update(`challenge/${purpose}`).digest('hex');
    this.#secrets = { hmacSignatureSecret: derived('signature'), hmacKeySignatureSecret: derived('key') };
  }

  /** `strength` from 1: how many times the usual work. */
  async issue(routeClass: ChallengedClass, strength = 1): Promise<Challenge> {
    const { cost, triesMax, strengthMax } = this.#work;
    const most = Math.ceil(triesMax * Math.min(strengthMax, Math.max(1, strength)));
    return createChallenge({
      algorithm: 'PBKDF2/SHA-256',
      cost,
      // Chosen, not searched for: the work is neither luck nor can it be nothing.
      counter: randomInt(Math.floor(most / 2), most + 1),
      deriveKey,
      expiresAt: new Date(this.#options.clock.now() + this.#validMs),
      data: { routeClass },
      ...this.#secrets,
    });
  }

  /** Whether it is a solution of one of our challenges; not whether it was used. Never rejects. */
  async read(payload: string): Promise<Solution> {
    const parsed = parsePayload(payload);
    if (!parsed) return { kind: 'invalid' };
    const { challenge, solution } = parsed;
    const { nonce, expiresAt, data } = challenge.parameters;
    // With the key's signature present this derives nothing: two digests.
    const checked = await verifySolution({ challenge, solution, deriveKey, ...this.#secrets }).catch(
      () => null,
    );
    if (checked?.verified) {
      if (expiresAt * 1_000 < this.#options.clock.now()) return { kind: 'expired' };
      return { kind: 'solved', routeClass: data.routeClass, nonce };
    }
    return { kind: checked?.expired === true ? 'expired' : 'invalid' };
  }

  /** Uses a solution up; false when it was used before at this stage. */
  async claim(stage: Stage, nonce: string): Promise<boolean> {
    const { guard, keys } = this.#options;
    const key = keys.spent(stage, nonce);
    if (this.#spent.get(key) !== undefined) return false;
    this.#spent.set(key, 1);
    // Kept a little longer than it is valid: clocks differ.
    const answer = await guard.run((redis) => redis.set(key, '1', 'PX', this.#validMs + 60_000, 'NX'));
    return answer.away || answer.value === 'OK';
  }
}

function parsePayload(payload: string): z.output<typeof payloadSchema> | null {
  if (payload.length > SOLUTION_CHARS_MAX) return null;
  try {
    const parsed = payloadSchema.safeParse(JSON.parse(Buffer.from(payload, 'base64').toString()));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
