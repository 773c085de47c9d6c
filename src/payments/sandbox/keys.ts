/**
 * Idempotency keys, https://docs.stripe.com/api/idempotent_requests: the same key and parameters get the first
 * answer again, refusals included; other parameters are refused; who comes while the first is under way is
 * told so. A first that dies leaves its operation's name, and the next try goes on under it.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../actors/ports.js';
import { ApiError, invalid, type Answer } from './answers.js';
import { newCore, type KeyRecord, type Records } from './records.js';

export interface Keyed extends Answer {
  readonly isReplayed: boolean;
}

const KEY_CHARS_MAX = 255;
const CLAIMS_MAX = 10;

export interface KeysOptions {
  readonly records: Records;
  readonly clock: Clock;
  /** How long others wait for a first that may have died. */
  readonly busyMs: number;
}

/** Does `work` once per key. `request`: method, path and parameters. */
export async function underKey(
  options: KeysOptions,
  key: string | undefined,
  request: string,
  work: (operation: string) => Promise<Answer>,
): Promise<Keyed> {
  if (key === undefined) return { ...(await work(newCore())), isReplayed: false };
  if (key.length === 0 || key.length > KEY_CHARS_MAX) {
    throw invalid(`An idempotency key must be 1 to ${KEY_CHARS_MAX} characters`);
  }
  const id = `key/${hashed(key)}`;
  const claim = await claimed(options, id, hashed(request));
  const { answer, operation } = claim.record;
  if (answer) return { ...answer, isKept: true, isReplayed: true };
  try {
    const made = await work(operation);
    await finish(options, id, claim, made);
    return { ...made, isReplayed: false };
  } catch (error) {
    if (error instanceof ApiError) {
      await finish(options, id, claim, error.answer);
    } else {
      await release(options, id, claim);
    }
    throw error;
  }
}

const hashed = (value: string): string => createHash('sha256').update(value).digest('hex');

interface Claim {
  readonly record: KeyRecord;
  readonly version: number;
}

/** The key's record: answered, or ours to answer. */
async function claimed({ records, clock, busyMs }: KeysOptions, id: string, request: string): Promise<Claim> {
  for (let attempt = 0; attempt < CLAIMS_MAX; attempt += 1) {
    const now = clock.now();
    const busyUntil = now + busyMs;
    const fresh: KeyRecord = {
      kind: 'key',
      created: now,
      request,
      operation: newCore(),
      busyUntil,
      answer: null,
    };
    if (await records.insert(id, fresh)) return { record: fresh, version: 1 };
    const kept = await records.get(id);
    if (kept?.value.kind !== 'key') continue;
    const record = kept.value;
    if (record.request !== request) throw usedForAnother();
    if (record.answer) return { record, version: kept.version };
    if (record.busyUntil > now) throw busy();
    const mine = { ...record, busyUntil };
    if (await records.replace(id, mine, kept.version)) return { record: mine, version: kept.version + 1 };
  }
  throw busy();
}

async function finish({ records }: KeysOptions, id: string, claim: Claim, made: Answer): Promise<void> {
  // Nothing had an effect: the next try starts anew.
  if (!made.isKept) return void (await records.remove(id, claim.version));
  const answer = { status: made.status, body: made.body };
  await records.replace(id, { ...claim.record, answer }, claim.version);
}

/** The next try need not wait. When this cannot be written either, it waits `busyMs`. */
async function release({ records }: KeysOptions, id: string, claim: Claim): Promise<void> {
  await records.replace(id, { ...claim.record, busyUntil: 0 }, claim.version).catch(() => false);
}

const usedForAnother = (): ApiError =>
  new ApiError(400, {
    type: 'idempotency_error',
    message:
      'Keys for idempotent requests can only be used with the same parameters they were first used with.',
  });

const busy = (): ApiError =>
  new ApiError(409, {
    type: 'idempotency_error',
    code: 'idempotency_key_in_use',
    message: 'There is currently another in-progress request using this idempotency key.',
  });
