/**
 * The one place that builds Redis keys and channel names.
 *
 * All keys of a match's tickets, their queues included, share one hash tag, so that one script may touch a
 * ticket together with the purchase-limit tallies of the match's other categories, also in a Redis Cluster.
 */
import type { TicketId } from '../rules/index.js';

export interface TicketKeys {
  /** Hash: counters, owner, version, positions. */
  readonly meta: string;
  /** Hash: live reservations by id. */
  readonly reservations: string;
  /** Hash: tallies of other marketplaces. */
  readonly remote: string;
  /** Hash: tickets owned in this category, by person. */
  readonly persons: string;
  /** Sorted set: who waits for tickets, by place. The entries stand in `remote`. */
  readonly waiting: string;
  /** Stream: committed events on their way to archive and log, ids `incarnation-sequence`. */
  readonly outbox: string;
  /** String: the owner's lease. */
  readonly lease: string;
  /** Prefix and name of its BullMQ queue. */
  readonly queuePrefix: string;
  readonly queueName: string;
}

export class RedisKeys {
  readonly #prefix: string;
  readonly #tickets = new Map<string, TicketKeys>();

  constructor(prefix: string) {
    if (!/^[\w-]{1,40}$/.test(prefix))
      throw new Error(`REDIS_PREFIX must be 1 to 40 letters, digits, - or _`);
    this.#prefix = prefix;
  }

  ticket(ticket: TicketId): TicketKeys {
    const id = ticketName(ticket);
    let keys = this.#tickets.get(id);
    if (!keys) {
      keys = this.#build(ticket);
      this.#tickets.set(id, keys);
    }
    return keys;
  }

  #build({ matchNumber, category }: TicketId): TicketKeys {
    const base = `${this.#match(matchNumber)}:c${category}`;
    return {
      meta: `${base}:meta`,
      reservations: `${base}:reservations`,
      remote: `${base}:remote`,
      persons: `${base}:persons`,
      waiting: `${base}:waiting`,
      outbox: `${base}:outbox`,
      lease: `${base}:lease`,
      queuePrefix: this.#match(matchNumber),
      queueName: `match-${String(matchNumber).padStart(2, '0')}.category-${category}`,
    };
  }

  #match(matchNumber: number): string {
    return `${this.#prefix}:{m${matchNumber}}`;
  }

  /** String: recorded outcome of a command. */
  outcome({ matchNumber, category }: TicketId, commandId: string): string {
    return `${this.#match(matchNumber)}:c${category}:outcome:${commandId}`;
  }

  /** String: a reservation that ended, kept until the archive surely has it. */
  ended({ matchNumber, category }: TicketId, reservationId: string): string {
    return `${this.#match(matchNumber)}:c${category}:ended:${reservationId}`;
  }

  /** String: what an idempotency key was first used for. */
  idempotency(scope: string): string {
    return `${this.#prefix}:idempotency:${scope}`;
  }

  /** Sorted set: newest reservations of an account, by time. */
  accountReservations(accountId: string): string {
    return `${this.#prefix}:account:${accountId}:reservations`;
  }

  /** Hash: match facts by match number. */
  get catalog(): string {
    return `${this.#prefix}:catalog`;
  }

  /** Hash: what operators tell buyers, see catalog/notices.ts. */
  get notices(): string {
    return `${this.#prefix}:notices`;
  }

  /** Hash: `mark` of the newest change of the sale phases, and all of them (`phases`), see phases/book.ts. */
  get salePhases(): string {
    return `${this.#prefix}:sale-phases`;
  }

  /** Hash: what each consumer says of itself, by its id. */
  get consumers(): string {
    return `${this.#prefix}:consumers`;
  }

  /** Sorted set: live workers by the end of their heartbeat. */
  get workers(): string {
    return `${this.#prefix}:workers`;
  }

  /** Stream: views and searches on their way into the data lake. */
  get views(): string {
    return `${this.#prefix}:views`;
  }

  /** Of the waiting room: all in one slot, so that one script may touch them. */
  readonly room = {
    /** Hash: the round, how many places were given, and how it stands (waiting-room/state.ts). */
    state: (): string => `${this.#prefix}:{room}:state`,
    /** Hash: what each process measured lately, by its id. */
    measures: (): string => `${this.#prefix}:{room}:measures`,
    /** Sorted set: places whose passes were given, by the end of the pass. */
    passes: (): string => `${this.#prefix}:{room}:passes`,
    /** Sorted set: those of them whose holders have held nothing yet. */
    inside: (): string => `${this.#prefix}:{room}:inside`,
    /** Hash: persons of a round and their places. Small ones, which Redis keeps packed. */
    people: (round: number, bucket: number): string => `${this.#prefix}:{room}:people:${round}:${bucket}`,
  };

  /** Prefix of the queues that belong to no ticket. */
  get queuePrefix(): string {
    return `${this.#prefix}:{queues}`;
  }

  readonly channels = {
    replies: (gatewayId: string): string => `${this.#prefix}:replies:${gatewayId}`,
    changes: (): string => `${this.#prefix}:changes`,
    wake: (): string => `${this.#prefix}:wake`,
    /** A ticket was rebuilt: what Redis alone knew of it is to be read again. */
    rebuilt: (): string => `${this.#prefix}:rebuilt`,
    catalog: (): string => `${this.#prefix}:catalog-changed`,
    salePhases: (): string => `${this.#prefix}:sale-phases-changed`,
  };
}

/** `matchNumber:category`: how a ticket is written in messages, record keys and logs. */
export function ticketName({ matchNumber, category }: TicketId): string {
  return `${matchNumber}:${category}`;
}

/** The ticket behind a name, or null. */
export function parseTicketName(name: string): TicketId | null {
  const match = /^(\d{1,4}):(\d)$/.exec(name);
  return match ? { matchNumber: Number(match[1]), category: Number(match[2]) } : null;
}

/** Of the security check. Persons and addresses are pseudonyms. */
export class SecurityKeys {
  readonly #prefix: string;

  /** `redisPrefix`: of the whole installation. */
  constructor(redisPrefix: string) {
    this.#prefix = `${redisPrefix}:security`;
  }

  /** Prefix of counters: rate-limiter-flexible adds `:<name>`. */
  limit(scope: 'person' | 'address', routeClass: string): string {
    return `${this.#prefix}:limit:${scope}:${routeClass}`;
  }

  /** String: a challenge whose solution was used. */
  spent(stage: string, nonce: string): string {
    return `${this.#prefix}:spent:${stage}:${nonce}`;
  }

  /** Sorted set: what happened, by time. */
  window(signal: string, subject: string): string {
    return `${this.#prefix}:window:${signal}:${subject}`;
  }

  /** Hash: `<signal>/<level>` -> until when, epoch milliseconds. */
  marks(subject: string): string {
    return `${this.#prefix}:marks:${subject}`;
  }

  /** String: the person has bought. */
  bought(person: string): string {
    return `${this.#prefix}:bought:${person}`;
  }

  /** String: number of changes of the block list. */
  get blocksVersion(): string {
    return `${this.#prefix}:blocks-version`;
  }
}
