/**
 * The security check inside a process that serves requests, or inside the security service.
 *
 * Guarantees (see port.ts) by these means: the block list and everything about reads is in memory; Redis is asked
 * at most once per check, all questions at the same time, and for at most a few dozen milliseconds; a request from
 * an exempt address without an account needs no Redis before its body is read. A solved challenge answers the
 * challenge, never a denial and never a person's own limit.
 */
import type { Clock } from '../actors/ports.js';
import type { Documents } from '../archive/documents.js';
import type { Logger } from '../process/log.js';
import type { Principal } from '../users/principal.js';
import { AddressSet } from './address-set.js';
import { addressKey, keyOf, parseAddress, parseRange, type Address } from './address.js';
import { BlockList } from './block-list.js';
import { LOOPBACK } from './block-rules.js';
import { Bots, CHALLENGE_SCORE_MIN, Cadence, denies, isHoneypot, scoreOf, type BotMark } from './bots.js';
import { Challenges, type ChallengeWork, type Stage } from './challenge.js';
import { BoundedMap } from './bounded-map.js';
import type { RedisClient } from '../redis/connection.js';
import { SecurityKeys } from '../redis/keys.js';
import { ADDRESS_CEILING_TIMES, Limits, type Counted, type Limited, type LimitTable } from './limits.js';
import { personOf, pseudonym } from './person.js';
import type { Audit, CheckRequest, PersonCheckRequest, Security, SecurityFact, Verdict } from './port.js';
import { RedisGuard } from './redis-guard.js';
import { isChallenged, type ChallengedClass } from './route-classes.js';
import { SIGNALS, Signals, UNMARKED, type Marked } from './signals.js';

export interface InProcessSecurityOptions {
  readonly redis: RedisClient;
  /** Of the whole installation. */
  readonly redisPrefix: string;
  readonly documents: Documents;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Signs challenges and hides names in Redis; the same in every process. */
  readonly secret: string;
  readonly listFiles?: readonly string[];
  /**
   * Addresses and ranges whose address says nothing: behind a proxy on this machine that was not declared all
   * people have it. Limits of persons hold for them too.
   */
  readonly exemptAddresses?: readonly string[];
  readonly limits?: Partial<LimitTable>;
  readonly work?: Partial<ChallengeWork>;
  /** How long Redis may take. */
  readonly redisWaitMs?: number;
}

/** `spent`: it was used for another request before. */
type Shown = 'none' | 'good' | 'spent';

/** What was found about a request: how much speaks for a challenge. */
interface Findings {
  readonly reasons: string[];
  score: number;
  /** How far a limit of an address was passed. */
  times: number;
}

const allowed = (reasons: readonly string[] = []): Verdict => ({ verdict: 'allow', reasons });
const denied = (reason: string, retryAfterMs?: number): Verdict => ({
  verdict: 'deny',
  reasons: [reason],
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});

/** An address, as far as a check asks about it. */
interface Origin extends Counted {
  readonly address: Address | null;
  readonly isExempt: boolean;
}

export class InProcessSecurity implements Security {
  /** For the pages and routes of operators. */
  readonly blocks: BlockList;
  readonly challenges: Challenges;
  readonly #options: InProcessSecurityOptions;
  readonly #guard: RedisGuard;
  readonly #keys: SecurityKeys;
  readonly #limits: Limits;
  readonly #signals: Signals;
  readonly #exempt = new AddressSet();
  readonly #bots = new Bots();
  readonly #cadence = new Cadence();
  readonly #pseudonyms = new BoundedMap<string, string>(NAMES_MAX);
  /** Marks that are being read behind an answer. */
  readonly #behind = new Set<Promise<unknown>>();
  readonly #marks = new BoundedMap<string, KnownMarks>(NAMES_MAX);

  constructor(options: InProcessSecurityOptions) {
    const { redis, redisPrefix, clock, logger, secret, documents, audit } = options;
    this.#options = options;
    this.#keys = new SecurityKeys(redisPrefix);
    const waitMs = options.redisWaitMs;
    const guard = new RedisGuard({ redis, clock, ...(waitMs !== undefined && { waitMs }) });
    this.#guard = guard;
    const keys = this.#keys;
    for (const text of options.exemptAddresses ?? LOOPBACK) {
      const range = parseRange(text);
      if (!range) throw new Error(`exempt addresses: ${text} is no address and no range such as 127.0.0.0/8`);
      this.#exempt.add(range);
    }
    const { limits, work, listFiles } = options;
    this.#limits = new Limits({ guard, keys, clock, ...(limits && { table: limits }) });
    this.challenges = new Challenges({ guard, keys, clock, secret, ...(work && { work }) });
    const files = listFiles && { listFiles };
    this.blocks = new BlockList({ documents, audit, guard, keys, clock, logger, ...files });
    this.#signals = new Signals({
      guard,
      keys,
      clock,
      logger,
      pseudonym: (kind, name) => this.#pseudonym(kind, kind === 'person' ? personOf(name) : name),
      isExempt: (address) => this.#exempt.has(address, 0),
      addressKey,
    });
  }

  start(): Promise<void> {
    return this.blocks.start();
  }

  async stop(): Promise<void> {
    await this.#signals.stop();
    await this.blocks.stop();
  }

  tell(fact: SecurityFact): void {
    if (fact.kind === 'probe' || fact.kind === 'login_failed' || fact.kind === 'code_wrong') {
      this.#suspectOrigin(this.#origin(fact.address));
    }
    if (fact.kind !== 'probe' && OF_PERSONS.has(fact.kind)) this.#suspect(`person:${personOf(fact.person)}`);
    this.#signals.tell(fact);
  }

  #suspectOrigin({ isExempt, name }: Origin): void {
    if (!isExempt) this.#suspect(`address:${name}`);
  }

  /** Resolves when what was told has taken effect, and what is read behind answers is known, or after a bound. */
  async flush(): Promise<void> {
    await Promise.all([this.#signals.flush(), ...this.#behind]);
  }

  /** Facts that were lost because Redis was away for too long. */
  get droppedFacts(): number {
    return this.#signals.dropped;
  }

  /** Whether the person is known to have bought before; false also when Redis does not say. */
  async hasBought(person: string): Promise<boolean> {
    const key = this.#keys.bought(this.#person(person).pseudonym());
    const answer = await this.#guard.run((redis) => redis.exists(key));
    return !answer.away && answer.value === 1;
  }

  async check(request: CheckRequest): Promise<Verdict> {
    const { address, routeClass, path } = request;
    const origin = this.#origin(address);
    if (this.blocks.blocks(origin.address)) return denied('blocked_address');
    if (denies(this.#bots.agentMarks(request.signals['user-agent']))) return denied('attack_tool');
    if (isHoneypot(path)) {
      this.#suspectOrigin(origin);
      this.#signals.tell({ kind: 'honeypot', address });
    }
    return isChallenged(routeClass)
      ? this.#checkChallenged(request, origin, routeClass)
      : this.#checkPlain(request, origin);
  }

  /** Reads, other writes and what machines send: limits only. */
  async #checkPlain({ routeClass, principal }: CheckRequest, origin: Origin): Promise<Verdict> {
    const [ofPerson, ofAddress] = await Promise.all([
      principal ? this.#limits.person(routeClass, this.#person(principal.accountId)) : UNDER,
      this.#ofAddress(routeClass, origin),
    ]);
    if (ofPerson.level !== 'under') return denied('rate_limited', ofPerson.restMs);
    if (ofAddress.level === 'beyond') return denied('rate_limited', ofAddress.restMs);
    return allowed(ofAddress.level === 'over' ? ['busy_address'] : []);
  }

  async #checkChallenged(
    request: CheckRequest,
    origin: Origin,
    routeClass: ChallengedClass,
  ): Promise<Verdict> {
    const [ofAddress, marked, shown] = await Promise.all([
      this.#ofAddress(routeClass, origin),
      origin.isExempt ? UNMARKED : this.#marksOf('address', origin, routeClass),
      this.#shown('request', routeClass, request.solution),
    ]);
    // Who solved a challenge is no flood, whatever else comes from there.
    if (ofAddress.level === 'beyond' && shown !== 'good') return denied('rate_limited', ofAddress.restMs);
    const marks: BotMark[] = [...this.#bots.marks(request), ...botMarks(marked)];
    if (!origin.isExempt && this.#cadence.note(`${routeClass}/${origin.name}`, this.#now())) {
      marks.push('cadence');
    }
    const found: Findings = { reasons: [], score: 0, times: 0 };
    const score = scoreOf(marks);
    if (score >= CHALLENGE_SCORE_MIN) {
      found.score = score;
      found.reasons.push(...marks);
    }
    if (ofAddress.level !== 'under') {
      found.times = ofAddress.level === 'over' ? ofAddress.times : ADDRESS_CEILING_TIMES;
      found.reasons.push('busy_address');
    }
    return this.#answer(routeClass, found, shown);
  }

  async checkPerson(request: PersonCheckRequest): Promise<Verdict> {
    const { routeClass } = request;
    const person = this.#person(request.person);
    const [limited, { marked, shared }, shown] = await Promise.all([
      this.#ofPerson(request, person),
      this.#personMarks(request, person),
      this.#shown('person', routeClass, request.solution),
    ]);
    if (limited.level !== 'under') return denied('rate_limited', limited.restMs);
    const [signal] = marked.denies;
    // Anybody can act under an address that nobody logged in with: its owner must not be shut out by that.
    if (signal && request.principal) return denied(signal);
    const found: Findings = {
      reasons: [...new Set([...marked.challenges, ...marked.denies])],
      score: 0,
      times: 0,
    };
    if (shared) found.reasons.push('shared_device');
    if (this.#cadence.note(`${routeClass}/${person.name}`, this.#now())) found.reasons.push('cadence');
    found.score = CHALLENGE_SCORE_MIN * found.reasons.length;
    return this.#answer(routeClass, found, shown);
  }

  async #answer(routeClass: ChallengedClass, found: Findings, shown: Shown): Promise<Verdict> {
    // Else one solution could pass here for one request and at the other stage for the next.
    if (shown === 'spent') found.reasons.push('solution_used');
    if (found.reasons.length === 0) return allowed();
    if (shown === 'good') return allowed([...found.reasons, 'challenge_solved']);
    const strength = Math.max(1, found.score / CHALLENGE_SCORE_MIN, found.times);
    const challenge = await this.challenges.issue(routeClass, strength);
    return { verdict: 'challenge', reasons: found.reasons, challenge };
  }

  #ofAddress(routeClass: CheckRequest['routeClass'], origin: Origin): Promise<Limited> | Limited {
    return origin.isExempt ? UNDER : this.#limits.address(routeClass, origin);
  }

  /** An account that buys under several e-mail addresses is counted as itself too. */
  async #ofPerson({ routeClass, principal, person }: PersonCheckRequest, counted: Counted): Promise<Limited> {
    const account = accountOf(principal, person);
    const [first, second] = await Promise.all([
      this.#limits.person(routeClass, counted),
      account === null ? UNDER : this.#limits.person(routeClass, this.#person(account)),
    ]);
    return first.level === 'under' ? second : first;
  }

  /**
   * For a hold, one that nothing is known of is answered at once, and its marks are read behind the answer when it
   * comes back: a hold costs nobody money, and the payment waits. One that did something always waits.
   */
  #marksOf(
    kind: 'address' | 'person',
    { name, pseudonym }: Counted,
    routeClass: ChallengedClass,
  ): Marked | Promise<Marked> {
    const now = this.#now();
    const subject = `${kind}:${name}`;
    const known = this.#marks.get(subject);
    const { readAt = 0, suspectUntil = 0 } = known ?? {};
    const mayPass = suspectUntil <= now && routeClass === 'hold';
    // Most come once and are never heard of again: Redis is asked about those who come back.
    const isNew = mayPass && !known;
    // Before the answer, so that those who ask meanwhile do not read too.
    if (isNew || !mayPass || readAt + MARKS_MS <= now) {
      this.#marks.set(subject, { readAt: isNew ? 0 : now, suspectUntil });
    }
    if (isNew || (mayPass && readAt + MARKS_MS > now)) return UNMARKED;
    const read = this.#guard
      .run((redis) => this.#signals.read(redis, kind, pseudonym()))
      .then((answer) => {
        if (answer.away || Object.keys(answer.value).length === 0) return UNMARKED;
        this.#suspect(subject);
        return this.#signals.marked(answer.value, routeClass);
      });
    if (!mayPass) return read;
    this.#behind.add(read);
    void read.finally(() => this.#behind.delete(read));
    return UNMARKED;
  }

  /** Its marks are waited for from now on. */
  #suspect(subject: string): void {
    this.#marks.set(subject, { readAt: this.#now(), suspectUntil: this.#now() + SUSPECT_MS });
  }

  async #personMarks(
    { routeClass, device }: PersonCheckRequest,
    person: Counted,
  ): Promise<{ readonly marked: Marked; readonly shared: boolean }> {
    const [marked, persons] = await Promise.all([
      this.#marksOf('person', person, routeClass),
      device === undefined
        ? 0
        : this.#guard
            .run((redis) => this.#signals.noteDevice(redis, device, person.pseudonym()))
            .then((answer) => (answer.away ? 0 : answer.value)),
    ]);
    const rule = SIGNALS.shared_device;
    const isShared = persons > rule.challengeAbove && rule.challenges.some((known) => known === routeClass);
    return { marked, shared: isShared };
  }

  /** Uses the solution up, whether a challenge would have been asked for or not. */
  async #shown(stage: Stage, routeClass: ChallengedClass, payload: string | undefined): Promise<Shown> {
    if (payload === undefined) return 'none';
    const solution = await this.challenges.read(payload);
    if (solution.kind !== 'solved') return 'none';
    if (!(await this.challenges.claim(stage, solution.nonce))) return 'spent';
    return solution.routeClass === routeClass ? 'good' : 'none';
  }

  /** Read once for all that is asked about it. */
  #origin(text: string): Origin {
    const address = parseAddress(text);
    const name = keyOf(address);
    return {
      address,
      name,
      isExempt: this.#exempt.has(address, 0),
      pseudonym: () => this.#pseudonym('address', name),
    };
  }

  #person(text: string): Counted {
    const name = personOf(text);
    return { name, pseudonym: () => this.#pseudonym('person', name) };
  }

  /** The same names come again and again within a purchase. */
  #pseudonym(kind: string, name: string): string {
    const key = `${kind}:${name}`;
    const known = this.#pseudonyms.get(key);
    if (known !== undefined) return known;
    const made = pseudonym(this.#options.secret, kind, name);
    this.#pseudonyms.set(key, made);
    return made;
  }

  #now(): number {
    return this.#options.clock.now();
  }
}

const UNDER: Limited = { level: 'under' };

/** Facts by which a person may come to be marked. */
const OF_PERSONS: ReadonlySet<SecurityFact['kind']> = new Set([
  'released',
  'expired',
  'declined',
  'card',
  'code_wrong',
]);

/** What is known of the marks of an address or a person. */
interface KnownMarks {
  readonly readAt: number;
  /** Until then it has some, or was told to have done something. Epoch milliseconds. */
  readonly suspectUntil: number;
}
/** As long as marks last, but for the longest. */
const SUSPECT_MS = 60 * 60_000;
/** How long it is believed that there are none. */
const MARKS_MS = 1_000;
/** Names and addresses remembered per process. */
const NAMES_MAX = 20_000;

const accountOf = (principal: Principal | null, person: string): string | null =>
  principal && principal.accountId !== person ? principal.accountId : null;

const botMarks = ({ challenges }: Marked): BotMark[] =>
  challenges.filter(
    (signal): signal is Extract<typeof signal, BotMark> =>
      signal === 'honeypot' ||
      signal === 'enumeration' ||
      signal === 'credential_stuffing' ||
      signal === 'code_guessing',
  );
