/**
 * Log-ins: each is a session with one valid refresh token at a time.
 *
 * Guarantees:
 *
 *  - A refresh token works once. Whoever presents one that was used before, however old, ends the session: it
 *    was stolen, or its thief came first, and nobody can tell which.
 *  - A refresh that is repeated within `REPEAT_MS` because its answer was lost is answered the same token, by
 *    any process, so that a bad network logs nobody out. A thief who is as fast as that gets the same token as
 *    its owner, and is found at the next refresh.
 *  - The store holds hashes only. A made-up token changes nothing: it lacks our mark and is not looked up.
 *  - A session ends after its idle time, its absolute time, or when the account's log-ins are voided by raising
 *    `authVersion`, whichever is first.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../actors/ports.js';
import type { Documents, StoredDocument } from '../archive/documents.js';
import type { Page } from '../archive/port.js';
import { hashOf, sessionEnd, sessionsOf, usersOf, type SessionRecord, type User } from './records.js';
import { sameText, type Sealer } from './sealing.js';

export interface SessionLimits {
  readonly idleMs: number;
  readonly absoluteMs: number;
  /** Both for operators: OWASP ASVS 4.0 V3.3.2. */
  readonly operatorMs: number;
  readonly perAccountMax: number;
}

const DAY_MS = 86_400_000;
export const SESSION_LIMITS: SessionLimits = {
  idleMs: 30 * DAY_MS,
  absoluteMs: 90 * DAY_MS,
  operatorMs: DAY_MS / 2,
  perAccountMax: 20,
};

/** A refresh that comes again this soon is a repeat, not a theft. */
export const REPEAT_MS = 10_000;
/** How old an answer about a session may be. */
export const LIVE_MS_MAX = 3_000;
const LIVE_CACHED_MAX = 2_000;
/** Sessions remembered as ended here; access tokens of older ones have expired. */
const ENDED_MAX = 10_000;
const REFRESH_ATTEMPTS_MAX = 20;
const PAGE_MAX = 100;
/** Pages read to end an account's sessions; what is left is void by `authVersion` and ends by itself. */
const PAGES_MAX = 10;

export interface SessionsOptions {
  readonly documents: Documents;
  readonly clock: Clock;
  readonly sealer: Sealer;
  readonly limits?: Partial<SessionLimits>;
}

export interface Session extends SessionRecord {
  readonly id: string;
}

/** A session and the token that refreshes it next. */
export interface Opened {
  readonly session: Session;
  readonly refreshToken: string;
  /** Epoch milliseconds. */
  readonly refreshEndsAt: number;
}

export type Refreshed =
  | ({ readonly kind: 'refreshed'; readonly user: User } & Opened)
  /** Unknown, ended, or made up. */
  | { readonly kind: 'invalid' }
  /** Used before: the session was ended. */
  | { readonly kind: 'reused'; readonly userId: string; readonly sessionId: string };

const REFRESH_TOKEN = /^(s[0-9a-f]{32})\.([1-9]\d{0,8})\.([\w-]{43})\.([\w-]{22})$/;
export const REFRESH_TOKEN_CHARS_MAX = 120;
const MARK_BYTES = 16;

interface Presented {
  readonly sessionId: string;
  readonly generation: number;
  readonly token: string;
}

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #limits: SessionLimits;
  readonly #records: ReturnType<typeof sessionsOf>;
  readonly #users: ReturnType<typeof usersOf>;
  readonly #mark: (text: string) => Buffer;
  readonly #chain: (text: string) => Buffer;
  readonly #live = new Map<string, { readonly at: number; readonly answer: Promise<boolean> }>();
  readonly #ended = new Set<string>();

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#limits = { ...SESSION_LIMITS, ...options.limits };
    this.#records = sessionsOf(options.documents);
    this.#users = usersOf(options.documents);
    this.#mark = options.sealer.keyed('refresh-mark');
    this.#chain = options.sealer.keyed('refresh-chain');
  }

  async open(user: User, { secondFactor }: { readonly secondFactor: boolean }): Promise<Opened> {
    await this.#makeRoom(user.id);
    const now = this.#options.clock.now();
    const { idleMs, absoluteMs, operatorMs } = this.#limits;
    const isBuyer = user.roles.every((role) => role === 'buyer');
    const id = `s${randomBytes(16).toString('hex')}`;
    const refreshToken = this.#tokenOf(id, 1, randomBytes(32));
    const session: SessionRecord = {
      userId: user.id,
      authVersion: user.authVersion,
      secondFactor,
      createdAt: now,
      usedAt: now,
      endsAt: now + (isBuyer ? absoluteMs : operatorMs),
      idleMs: isBuyer ? idleMs : operatorMs,
      generation: 1,
      tokenHash: hashOf(refreshToken),
    };
    if (!(await this.#records.insert(id, session))) throw new Error('a random session id was taken');
    return opened({ ...session, id }, refreshToken);
  }

  async refresh(token: string): Promise<Refreshed> {
    const presented = this.#read(token);
    if (!presented) return { kind: 'invalid' };
    // Each lost attempt means that another refresh, or the end, of this session got on.
    for (let attempt = 0; attempt < REFRESH_ATTEMPTS_MAX; attempt += 1) {
      const found = await this.#records.get(presented.sessionId);
      const user = found && (await this.#userOf(found.value));
      if (!found || !user) return { kind: 'invalid' };
      const result = await this.#refreshed(found, presented);
      if (result === 'lost') continue;
      return 'kind' in result ? result : { kind: 'refreshed', user, ...result };
    }
    return { kind: 'invalid' };
  }

  /** False when it does not stand any more. */
  async end(sessionId: string): Promise<boolean> {
    this.#endedHere(sessionId);
    return this.#records.remove(sessionId);
  }

  /** Tidies up after `authVersion` was raised, which is what voids them. */
  async endAll(userId: string): Promise<void> {
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const { items } = await this.#records.list('user', { prefix: `${userId}/`, limit: PAGE_MAX });
      await Promise.all(items.map(({ id }) => this.end(id)));
      if (items.length < PAGE_MAX) return;
    }
  }

  /** The session a refresh token belongs to, whether it is the newest or not; null for a made-up one. */
  sessionOf(token: string): string | null {
    return this.#read(token)?.sessionId ?? null;
  }

  async find(sessionId: string): Promise<Session | null> {
    const found = await this.#records.get(sessionId);
    return found && (await this.#userOf(found.value)) ? { ...found.value, id: found.id } : null;
  }

  /** Those of an account that are kept, the oldest first. */
  async ofUser(
    userId: string,
    page: { readonly limit: number; readonly after?: string },
  ): Promise<Page<Session>> {
    const found = await this.#records.list('user', { ...page, prefix: `${userId}/` });
    return { ...found, items: found.items.map(({ id, value }) => ({ ...value, id })) };
  }

  isEndedHere(sessionId: string): boolean {
    return this.#ended.has(sessionId);
  }

  isLive(sessionId: string): Promise<boolean> {
    const now = this.#options.clock.now();
    const known = this.#live.get(sessionId);
    if (known && now - known.at < LIVE_MS_MAX) return known.answer;
    const answer = this.find(sessionId).then((session) => session !== null);
    // An answer that failed is nobody else's.
    answer.catch(() => this.#live.delete(sessionId));
    this.#live.delete(sessionId);
    forgetOldest(this.#live, LIVE_CACHED_MAX);
    this.#live.set(sessionId, { at: now, answer });
    return answer;
  }

  /** `lost`: somebody changed the session meanwhile. */
  async #refreshed(
    found: StoredDocument<SessionRecord>,
    presented: Presented,
  ): Promise<Opened | 'lost' | Exclude<Refreshed, { kind: 'refreshed' }>> {
    const { id, version, value: session } = found;
    const now = this.#options.clock.now();
    const hash = hashOf(presented.token);
    const isNewest = presented.generation === session.generation && sameText(hash, session.tokenHash);
    if (isNewest) {
      const salt = randomBytes(32).toString('base64url');
      const next = this.#next(presented, salt);
      const rotation = { fromHash: hash, salt, at: now };
      const generation = session.generation + 1;
      const changed = { ...session, generation, tokenHash: hashOf(next), usedAt: now, rotation };
      if (!(await this.#records.replace(id, changed, version))) return 'lost';
      return opened({ ...changed, id }, next);
    }
    const { rotation } = session;
    const isRepeat = rotation && sameText(hash, rotation.fromHash) && now - rotation.at <= REPEAT_MS;
    if (isRepeat) return opened({ ...session, id }, this.#next(presented, rotation.salt));
    // Newer than the newest: the store lost writes. It proves no theft.
    if (presented.generation > session.generation) return { kind: 'invalid' };
    await this.end(id);
    return { kind: 'reused', userId: session.userId, sessionId: id };
  }

  /** The account, while the session stands: not over, and of the account's present version. */
  async #userOf(session: SessionRecord): Promise<User | null> {
    if (sessionEnd(session) <= this.#options.clock.now()) return null;
    const user = await this.#users.get(session.userId);
    if (!user || user.value.authVersion !== session.authVersion) return null;
    if (user.value.disabledAt !== undefined || user.value.deletedAt !== undefined) return null;
    return { ...user.value, id: user.id };
  }

  /** Ends the oldest so that one more is allowed. */
  async #makeRoom(userId: string): Promise<void> {
    const { items } = await this.#records.list('user', { prefix: `${userId}/`, limit: PAGE_MAX });
    const tooMany = items.length + 1 - this.#limits.perAccountMax;
    await Promise.all(items.slice(0, Math.max(0, tooMany)).map(({ id }) => this.end(id)));
  }

  #endedHere(sessionId: string): void {
    this.#live.delete(sessionId);
    forgetOldest(this.#ended, ENDED_MAX);
    this.#ended.add(sessionId);
  }

  /** Follows from the old one and the salt that is stored: a repeat makes it again, the store alone cannot. */
  #next({ sessionId, generation, token }: Presented, salt: string): string {
    return this.#tokenOf(sessionId, generation + 1, this.#chain(`${token} ${salt}`));
  }

  #tokenOf(sessionId: string, generation: number, secret: Buffer): string {
    const content = `${sessionId}.${generation}.${secret.toString('base64url')}`;
    return `${content}.${this.#markOf(content)}`;
  }

  #markOf(content: string): string {
    return this.#mark(content).subarray(0, MARK_BYTES).toString('base64url');
  }

  /** Null unless we made it. */
  #read(token: string): Presented | null {
    if (token.length > REFRESH_TOKEN_CHARS_MAX) return null;
    const [, sessionId, generation, secret, mark] = REFRESH_TOKEN.exec(token) ?? [];
    if (sessionId === undefined || generation === undefined || secret === undefined || mark === undefined)
      return null;
    const content = `${sessionId}.${generation}.${secret}`;
    return sameText(mark, this.#markOf(content))
      ? { sessionId, generation: Number(generation), token }
      : null;
  }
}

const opened = (session: Session, refreshToken: string): Opened => ({
  session,
  refreshToken,
  refreshEndsAt: sessionEnd(session),
});

function forgetOldest(kept: Map<string, unknown> | Set<string>, max: number): void {
  const [oldest] = kept.keys();
  if (kept.size >= max && oldest !== undefined) kept.delete(oldest);
}
