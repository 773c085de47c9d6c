/**
 * A market for tests: a real broker, a MongoDB-protocol server, a Redis of its own, and marketplaces as separate
 * processes; buyers who note every answer; and the comparison of all of it at the end.
 */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { expect } from '@jest/globals';
import { MongoArchive } from '../../src/archive/mongo.js';
import type { TicketCounters } from '../../src/actors/ports.js';
import { LATEST } from '../../src/kafka/kafkajs.js';
import type { TicketState } from '../../src/rules/index.js';
import { silentLogger, until } from '../helpers/engine.js';
import { request, run, scratchDir, type Json, type Running } from '../helpers/processes.js';
import { uniqueName } from '../helpers/services.js';
import { archivedState } from './archived.js';
import { fold, strictProblem, type Folded } from './fold.js';
import type { Topics } from './topics.js';

export { listEntry, pending, PRICES, Topics } from './topics.js';

export interface Addresses {
  readonly brokers: readonly string[];
  readonly mongoUrl: string;
  readonly redisUrl: string;
}

/** What a buyer was told of one reservation. */
export interface Told {
  readonly id: string;
  readonly token: string;
  readonly ticket: string;
  readonly quantity: number;
  status: string;
}

/** A marketplace: its processes, and what it told its buyers. */
export class Marketplace {
  readonly prefix: string;
  readonly database: string;
  readonly processes: { readonly roles: readonly string[]; running: Running }[] = [];
  readonly told: Told[] = [];
  readonly redis: Redis;
  /** For its mails. */
  readonly scratch = scratchDir();
  /** Answers that are neither what was asked for nor one of the refusals that are documented. */
  readonly surprises: string[] = [];
  #requests = 0;

  constructor(
    readonly clientId: string,
    readonly topics: Topics,
    readonly addresses: Addresses,
    readonly extra: Readonly<Record<string, string>> = {},
  ) {
    this.prefix = uniqueName(clientId);
    this.database = this.prefix;
    this.redis = new Redis(addresses.redisUrl);
  }

  get env(): Record<string, string> {
    const { brokers, mongoUrl, redisUrl } = this.addresses;
    return {
      CLIENT_ID: this.clientId,
      REDIS_URL: redisUrl,
      REDIS_PREFIX: this.prefix,
      DATA_DIR: this.scratch.dir,
      MONGODB_URL: `${mongoUrl.replace(/\/+$/, '')}/${this.database}`,
      KAFKA_BROKERS: brokers.join(','),
      SALES_TOPIC_PREFIX: `${this.topics.name}-sales`,
      MASTERLIST_TOPIC_PREFIX: `${this.topics.name}-lists`,
      TOKEN_SECRET: 'a-secret-that-only-these-tests-have-1234',
      SERVICE_TOKEN: 'service-token-of-the-tests',
      HOLD_MS: '4000',
      SNAPSHOT_MS: '500',
      ...this.extra,
    };
  }

  async start(...groups: readonly (readonly string[])[]): Promise<void> {
    for (const roles of groups) this.processes.push({ roles, running: await run(roles, this.env) });
  }

  /** Ends all processes and starts them anew. */
  async restart(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.stop(signal);
    for (const process of this.processes) process.running = await run(process.roles, this.env);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await Promise.all(this.processes.map(({ running }) => running.end(signal)));
  }

  async close(): Promise<void> {
    await this.stop('SIGKILL');
    this.redis.disconnect();
    this.scratch.remove();
  }

  /** A base URL of a role; of several processes in turn. */
  url(role: string): string {
    const having = this.processes.filter(({ roles }) => roles.length === 0 || roles.includes(role));
    const chosen = having[(this.#requests += 1) % having.length];
    if (!chosen) throw new Error(`no process is ${role}`);
    return chosen.running.url(role);
  }

  async counters(ticket: string): Promise<TicketCounters | null> {
    const [matchNumber, category] = ticket.split(':');
    const json = await this.redis.hget(`${this.prefix}:{m${matchNumber}}:c${category}:meta`, 'counters');
    return json === null ? null : (JSON.parse(json) as TicketCounters);
  }

  async folded(ticket: string): Promise<Folded | null> {
    const counters = await this.counters(ticket);
    if (!counters) return null;
    const { soldHere, heldHere, soldElsewhere, heldElsewhere } = counters;
    return { soldHere, heldHere, soldElsewhere, heldElsewhere };
  }

  /** One buyer from the hold to the end that chance gives, repeated keys while the outcome is not known. */
  async buyer(tickets: readonly string[], random: () => number = Math.random): Promise<void> {
    const ticket = tickets[Math.floor(random() * tickets.length)] ?? '1:1';
    const [matchNumber, category] = ticket.split(':').map(Number);
    const quantity = random() < 0.3 ? 1 : 2;
    const email = `${randomUUID()}@example.org`;
    const held = await this.#ask('POST', '', { matchNumber, category, quantity, email });
    if (!held) return;
    const told: Told = { id: held.id, token: held.token, ticket, quantity, status: held.status };
    this.told.push(told);
    const fate = random();
    if (fate < 0.15) return;
    if (fate < 0.3) {
      const ended = await this.#ask('DELETE', `/${told.id}`, undefined, told.token);
      told.status = ended?.status ?? 'unknown';
      return;
    }
    const paymentMethod = fate < 0.4 ? '4000000000000002' : '4242424242424242';
    const paid = await this.#ask('POST', `/${told.id}/payment`, { paymentMethod }, told.token);
    told.status = paid?.status ?? 'unknown';
  }

  /** The body of a success; null for a refusal. Asks again with its key until the answer is final. */
  async #ask(method: string, path: string, body: unknown, token?: string): Promise<Json | null> {
    const key = randomUUID();
    for (let tries = 0; tries < 200; tries += 1) {
      try {
        const answer = await request(method, `${this.url('reservations')}/api/v1/reservations${path}`, {
          key,
          ...(body !== undefined && { body }),
          ...(token !== undefined && { token }),
        });
        if (answer.status < 300) return answer.body;
        if (answer.status !== 503) {
          if (![402, 409].includes(answer.status))
            this.surprises.push(`${answer.status} ${answer.body.code}`);
          return null;
        }
      } catch {
        // The process was killed; another, or its successor, knows.
      }
      await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 300));
    }
    return null;
  }

  /** Buyers one after another on `width` lines, until `ended`. */
  async crowd(tickets: readonly string[], width: number, ended: () => boolean): Promise<void> {
    await Promise.all(
      Array.from({ length: width }, async () => {
        while (!ended()) {
          await this.buyer(tickets);
          await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 60));
        }
      }),
    );
  }

  /** The state that the archive alone would give. */
  async archived(ticket: string): Promise<TicketState> {
    const url = this.env['MONGODB_URL'] ?? '';
    const archive = new MongoArchive({ url, logger: silentLogger });
    await archive.start();
    try {
      return await archivedState(archive, ticket);
    } finally {
      await archive.stop();
    }
  }
}

/** Resolves when nothing has moved for a while: holds have ended, outboxes are empty, all is read. */
export async function settled(
  topics: Topics,
  marketplaces: readonly Marketplace[],
  tickets: readonly string[],
): Promise<void> {
  let last = '';
  let since = Date.now();
  await until(async () => {
    const records = (await topics.client.offsetsAt(topics.sales, LATEST)).get(0);
    const counters = await Promise.all(
      marketplaces.flatMap((marketplace) => tickets.map((ticket) => marketplace.folded(ticket))),
    );
    const now = JSON.stringify([String(records), counters]);
    if (now !== last) [last, since] = [now, Date.now()];
    return Date.now() - since > 6_000;
  }, 120_000);
}

/** Everything that must agree in the end. Answers what it saw, for whoever reports it. */
export async function compare(
  topics: Topics,
  marketplaces: readonly Marketplace[],
  tickets: readonly string[],
): Promise<{ records: number; reserved: number; told: number }> {
  const records = await topics.records();
  const onSale = new Set(tickets);
  let reserved = 0;
  for (const marketplace of marketplaces) {
    const { clientId } = marketplace;
    const own = records.filter(({ headers }) => headers['clientId'] === clientId);
    // Canonical, and each event once.
    expect(own.map(strictProblem).filter((problem) => problem !== null)).toEqual([]);
    const eventIds = own.map(({ headers }) => headers['eventId']);
    expect(duplicates(eventIds)).toEqual([]);
    // Redis, the log and the archive agree.
    const expected = fold(records, clientId, onSale);
    const nothing = { soldHere: 0, heldHere: 0, soldElsewhere: 0, heldElsewhere: 0 };
    for (const ticket of tickets) {
      const counters = await marketplace.folded(ticket);
      expect([clientId, ticket, counters]).toEqual([clientId, ticket, expected.get(ticket) ?? nothing]);
      const { soldHere, heldHere, soldElsewhere, heldElsewhere } = await marketplace.archived(ticket);
      expect([clientId, ticket, { soldHere, heldHere, soldElsewhere, heldElsewhere }]).toEqual([
        clientId,
        ticket,
        counters,
      ]);
    }
    // Nothing answered RESERVED is missing: neither in the log nor for its buyer.
    const sold = new Set(
      own
        .filter(({ value }) => value?.includes('TICKET_RESERVED'))
        .map(({ headers }) => headers['reservationId']),
    );
    const told = marketplace.told.filter(({ status }) => status === 'RESERVED');
    expect(told.filter(({ id }) => !sold.has(id))).toEqual([]);
    for (const { id, token } of told) {
      const url = `${marketplace.url('reservations')}/api/v1/reservations/${id}`;
      const { body } = await request('GET', url, { token });
      expect([id, body.status]).toEqual([id, 'RESERVED']);
    }
    // ... and nobody else's is sold: every sale is one that its buyer asked for, or may have.
    const ids = new Set(marketplace.told.map(({ id }) => id));
    expect([...sold].filter((id) => !ids.has(id ?? ''))).toEqual([]);
    expect(marketplace.surprises).toEqual([]);
    reserved += told.length;
  }
  const told = marketplaces.reduce((sum, marketplace) => sum + marketplace.told.length, 0);
  return { records: records.length, reserved, told };
}

const duplicates = (all: readonly (string | undefined)[]): (string | undefined)[] =>
  all.filter((one, i) => all.indexOf(one) !== i);
