/**
 * Signals of fraud, grown from what buyers do. Events stand in sorted sets by time; when there are too many of
 * them in their window, the person or the address gets a mark with an end, and marks are all that a check reads.
 *
 * Guarantees: `tell` never waits and never throws, and keeps a bounded number of facts while Redis is away (the
 * oldest are dropped and counted); an address alone is only ever marked for a challenge; no name of a person, card
 * or address stands in Redis.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../actors/ports.js';
import type { Logger } from '../process/log.js';
import { askEach, type Question } from '../redis/ask-all.js';
import type { RedisClient } from '../redis/connection.js';
import type { SecurityKeys } from '../redis/keys.js';
import type { SecurityFact } from './port.js';
import type { RedisGuard } from './redis-guard.js';
import type { ChallengedClass } from './route-classes.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export interface SignalRule {
  /** Events older than that do not count. */
  readonly windowMs: number;
  /** More than that in the window: a challenge. */
  readonly challengeAbove: number;
  /** More than that: denied. Never for an address. */
  readonly denyAbove?: number;
  /** How long either lasts after the event that was too much. */
  readonly markMs: number;
  /** Whose requests it concerns. */
  readonly challenges: readonly ChallengedClass[];
  readonly denies?: readonly ChallengedClass[];
}

const BUYING = ['hold', 'pay'] as const;

/** Every signal and its thresholds. */
export const SIGNALS = {
  /** Cards of one person. */
  many_cards: {
    windowMs: HOUR,
    challengeAbove: 3,
    denyAbove: 6,
    markMs: HOUR,
    challenges: BUYING,
    denies: BUYING,
  },
  /** Persons with one card. */
  shared_card: { windowMs: DAY, challengeAbove: 4, markMs: DAY, challenges: BUYING },
  /** Holds that came to nothing, since the last purchase. */
  holds_not_bought: {
    windowMs: HOUR,
    challengeAbove: 10,
    denyAbove: 25,
    markMs: HOUR,
    challenges: ['hold'],
    denies: ['hold'],
  },
  /** Payments of one person that were declined: somebody may be trying stolen cards. */
  declines: {
    windowMs: HOUR,
    challengeAbove: 5,
    denyAbove: 15,
    markMs: HOUR,
    challenges: BUYING,
    denies: BUYING,
  },
  /** Persons with one device. */
  shared_device: { windowMs: DAY, challengeAbove: 4, markMs: HOUR, challenges: ['hold', 'pay', 'account'] },
  /** Persons whose log-in failed from one address. */
  credential_stuffing: {
    windowMs: 10 * MINUTE,
    challengeAbove: 10,
    markMs: HOUR,
    challenges: ['login', 'account'],
  },
  /** Things one address asked for that were not there or not its own. */
  enumeration: {
    windowMs: 10 * MINUTE,
    challengeAbove: 30,
    markMs: HOUR,
    challenges: ['hold', 'pay', 'login', 'account'],
  },
  /** Wrong codes of presales that one person tried: they have one on paper, or none. */
  wrong_codes: {
    windowMs: HOUR,
    challengeAbove: 5,
    denyAbove: 20,
    markMs: HOUR,
    challenges: ['hold'],
    denies: ['hold'],
  },
  /** The same from one address, under whatever names. */
  code_guessing: { windowMs: 10 * MINUTE, challengeAbove: 15, markMs: HOUR, challenges: ['hold'] },
  /** Pages that only break-in scripts ask for. */
  honeypot: {
    windowMs: HOUR,
    challengeAbove: 0,
    markMs: HOUR,
    challenges: ['hold', 'pay', 'login', 'account'],
  },
} as const satisfies Record<string, SignalRule>;
export type Signal = keyof typeof SIGNALS;
type Level = 'challenge' | 'deny';

export interface Marked {
  readonly challenges: readonly Signal[];
  readonly denies: readonly Signal[];
}
export const UNMARKED: Marked = { challenges: [], denies: [] };

/** Facts kept while Redis is away, and facts written in one go. */
const FACTS_MAX = 10_000;
const BATCH_MAX = 100;
/** Pause before the next try while Redis is away. */
const RETRY_MS = 500;
/** Events kept in one window: more than any threshold. */
const EVENTS_MAX = 100;
/** How long it is remembered that somebody has bought. */
const BOUGHT_MS = 400 * DAY;
/** How long `stop` waits for what was told. */
const STOP_MS_MAX = 2_000;

/** One event: in whose window it stands, and who is marked when there are too many. */
interface Step {
  readonly signal: Signal;
  readonly window: string;
  readonly member: string;
  readonly marks: string;
}

export interface SignalsOptions {
  readonly guard: RedisGuard;
  readonly keys: SecurityKeys;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Stands for a name in Redis. */
  readonly pseudonym: (kind: 'person' | 'address' | 'card' | 'device', name: string) => string;
  /** Whose behaviour is not judged. */
  readonly isExempt: (address: string) => boolean;
  readonly addressKey: (address: string) => string;
}

type Event = SecurityFact | { readonly kind: 'honeypot'; readonly address: string };

export class Signals {
  readonly #options: SignalsOptions;
  #facts: Event[] = [];
  readonly #made = new WeakMap<Event, readonly Step[]>();
  #dropped = 0;
  #draining: Promise<void> | null = null;
  #stopped = false;
  #wake: () => void = () => undefined;

  constructor(options: SignalsOptions) {
    this.#options = options;
  }

  /** Facts lost because Redis was away for too long. */
  get dropped(): number {
    return this.#dropped;
  }

  tell(fact: Event): void {
    if (this.#stopped) return;
    if (this.#facts.length >= FACTS_MAX) {
      this.#facts.shift();
      this.#dropped += 1;
    }
    // A fact of its own, however often the same is told.
    this.#facts.push({ ...fact });
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = null;
    });
  }

  /** Resolves when all that was told is written, or after a bound. */
  async flush(): Promise<void> {
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.#options.clock.schedule(STOP_MS_MAX, resolve);
    });
    await Promise.race([this.#draining ?? Promise.resolve(), late]);
    cancel();
  }

  async stop(): Promise<void> {
    await this.flush();
    this.#stopped = true;
    this.#wake();
    await this.#draining;
  }

  /** All marks of a person or address (a pseudonym). */
  read(redis: RedisClient, kind: 'person' | 'address', subject: string): Promise<Record<string, string>> {
    return redis.hgetall(this.#options.keys.marks(`${kind}:${subject}`));
  }

  /** What `read` found. */
  marked(found: Readonly<Record<string, string>>, routeClass: ChallengedClass): Marked {
    const now = this.#options.clock.now();
    const marked = { challenges: [] as Signal[], denies: [] as Signal[] };
    for (const [field, until] of Object.entries(found)) {
      const [signal, level] = field.split('/');
      if (!isSignal(signal) || Number(until) <= now) continue;
      const rule: SignalRule = SIGNALS[signal];
      if (level === 'deny' && rule.denies?.includes(routeClass)) marked.denies.push(signal);
      if (level === 'challenge' && rule.challenges.includes(routeClass)) marked.challenges.push(signal);
    }
    return marked;
  }

  /** Notes that a person uses a device; answers how many persons have used it. */
  async noteDevice(redis: RedisClient, device: string, person: string): Promise<number> {
    const { keys, clock, pseudonym } = this.#options;
    const key = keys.window('shared_device', pseudonym('device', device));
    const { windowMs } = SIGNALS.shared_device;
    const now = clock.now();
    const noted = await askEach(redis, [
      ['zadd', key, now, person],
      ['zremrangebyrank', key, 0, -(EVENTS_MAX + 1)],
      ['pexpire', key, windowMs],
      ['zcount', key, now - windowMs, '+inf'],
    ]);
    return Number(noted.at(-1)?.[1] ?? 0);
  }

  async #drain(): Promise<void> {
    while (this.#facts.length > 0) {
      const batch = this.#facts.slice(0, BATCH_MAX);
      const before = this.#dropped;
      if (await this.#write(batch)) {
        // Meanwhile dropped ones stood at the front.
        this.#facts = this.#facts.slice(Math.max(0, batch.length - (this.#dropped - before)));
      } else {
        if (this.#stopped) return;
        await this.#pause();
        if (this.#stopped) return;
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.schedule(RETRY_MS, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** False when Redis was away. Some may have been written then; written again they are the same events. */
  async #write(batch: readonly Event[]): Promise<boolean> {
    const { guard, keys, clock, logger } = this.#options;
    const now = clock.now();
    const steps = batch.flatMap((fact) => this.#stepsOf(fact));
    const answer = await guard.run(async (redis) => {
      const counts = await askEach(redis, [
        ...steps.flatMap((step) => eventOf(keys, step, now)),
        ...batch.flatMap((fact) => (fact.kind === 'bought' ? this.#forgive(fact.person) : [])),
      ]);
      const marks = steps.flatMap((step, index) => {
        const count = Number(counts[index * EVENT_COMMANDS + EVENT_COMMANDS - 1]?.[1] ?? 0);
        return marksOf(keys, step, count, now);
      });
      if (marks.length > 0) await askEach(redis, marks);
    });
    if (answer.away) return false;
    if (this.#dropped > 0)
      logger.debug({ dropped: this.#dropped }, 'facts of the security check were dropped');
    return true;
  }

  /** The same for a fact that is written again: in a cluster a node may be away for a while and the others not. */
  #stepsOf(fact: Event): readonly Step[] {
    const steps = this.#made.get(fact) ?? this.#steps(fact);
    this.#made.set(fact, steps);
    return steps;
  }

  #steps(fact: Event): Step[] {
    const person = (name: string): string => this.#options.pseudonym('person', name);
    switch (fact.kind) {
      case 'released':
      case 'expired':
        return [ofPerson('holds_not_bought', person(fact.person), randomUUID())];
      case 'declined':
        return [ofPerson('declines', person(fact.person), randomUUID())];
      case 'card': {
        const card = this.#options.pseudonym('card', fact.fingerprint);
        const owner = person(fact.person);
        return [
          ofPerson('many_cards', owner, card),
          { signal: 'shared_card', window: card, member: owner, marks: `person:${owner}` },
        ];
      }
      case 'login_failed':
        return this.#ofAddress('credential_stuffing', fact.address, person(fact.person));
      case 'code_wrong':
        return [
          ofPerson('wrong_codes', person(fact.person), randomUUID()),
          ...this.#ofAddress('code_guessing', fact.address, randomUUID()),
        ];
      case 'probe':
        return this.#ofAddress('enumeration', fact.address, randomUUID());
      case 'honeypot':
        return this.#ofAddress('honeypot', fact.address, randomUUID());
      case 'held':
      case 'bought':
      case 'login_succeeded':
        return [];
    }
  }

  #ofAddress(signal: Signal, address: string, member: string): Step[] {
    if (this.#options.isExempt(address)) return [];
    const window = this.#options.pseudonym('address', this.#options.addressKey(address));
    return [{ signal, window, member, marks: `address:${window}` }];
  }

  /** A purchase ends the suspicion that somebody only holds. */
  #forgive(name: string): readonly Question[] {
    const { keys, pseudonym } = this.#options;
    const person = pseudonym('person', name);
    return [
      ['del', keys.window('holds_not_bought', person)],
      ['hdel', keys.marks(`person:${person}`), 'holds_not_bought/challenge', 'holds_not_bought/deny'],
      ['set', keys.bought(person), '1', 'PX', BOUGHT_MS],
    ];
  }
}

const isSignal = (name: string | undefined): name is Signal =>
  name !== undefined && Object.hasOwn(SIGNALS, name);

const ofPerson = (signal: Signal, person: string, member: string): Step => ({
  signal,
  window: person,
  member,
  marks: `person:${person}`,
});

/** Commands of one event; the last one answers how many there are. */
const EVENT_COMMANDS = 5;

function eventOf(keys: SecurityKeys, step: Step, now: number): readonly Question[] {
  const key = keys.window(step.signal, step.window);
  const { windowMs } = SIGNALS[step.signal];
  return [
    ['zremrangebyscore', key, '-inf', now - windowMs],
    ['zadd', key, now, step.member],
    ['zremrangebyrank', key, 0, -(EVENTS_MAX + 1)],
    ['pexpire', key, windowMs],
    ['zcard', key],
  ];
}

function marksOf(
  keys: SecurityKeys,
  { signal, marks }: Step,
  count: number,
  now: number,
): readonly Question[] {
  const rule: SignalRule = SIGNALS[signal];
  const levels: Level[] = [];
  if (count > rule.challengeAbove) levels.push('challenge');
  if (rule.denyAbove !== undefined && count > rule.denyAbove) levels.push('deny');
  return levels.flatMap((level): Question[] => [
    ['hset', keys.marks(marks), `${signal}/${level}`, now + rule.markMs],
    ['pexpire', keys.marks(marks), DAY],
  ]);
}
