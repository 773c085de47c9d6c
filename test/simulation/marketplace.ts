/**
 * One marketplace: its servers, and its processes as the shipped code is wired in src/process, over simulated ports.
 * A process can be killed, put to sleep and started anew at any step; what it had in memory is gone then.
 */
import { ActorHost } from '../../src/actors/host.js';
import type { Clock } from '../../src/actors/ports.js';
import { Publishing } from '../../src/actors/publishing.js';
import { Relay } from '../../src/actors/relay.js';
import { ArchiveUnavailableError, type DeadLetter } from '../../src/archive/port.js';
import { MasterListLoader } from '../../src/catalog/catalog.js';
import type { Match } from '../../src/catalog/match.js';
import { reservationId, ticketOfReservation } from '../../src/http/identity.js';
import { SalesConsumer, TOGETHER_MAX } from '../../src/kafka/consumer.js';
import type { DeadLetters } from '../../src/kafka/dead-letters.js';
import { encodeSale, ownEventOf } from '../../src/kafka/wire.js';
import { PaymentFlow, type PaymentResult } from '../../src/payments/flow.js';
import { PaymentRecords } from '../../src/payments/records.js';
import { Reconciler } from '../../src/payments/reconciler.js';
import { RedisDurability } from '../../src/process/consumer-watch.js';
import type { Logger } from '../../src/process/log.js';
import { Gateway } from '../../src/queues/gateway.js';
import { ticketName } from '../../src/redis/keys.js';
import { TicketReservationReader } from '../../src/redis/reads.js';
import type { Policy, Reservation, TicketId } from '../../src/rules/index.js';
import { ArchiveClient, ArchiveServer } from './archive.js';
import { Checks, entryOf } from './checks.js';
import type { Contest } from './contest.js';
import { Process, type Kernel } from './kernel.js';
import { LogClient, MASTERLIST_TOPIC, SALES_TOPIC, type LogServer } from './log.js';
import {
  MemoryLeases,
  MemoryMembership,
  MemoryTicketQueues,
  MemoryTicketStore,
  MemoryWakeUps,
} from './memory-ports.js';
import type { Message } from './memory-redis.js';
import { Connection, ServerState } from './network.js';
import { ProviderClient, ProviderServer } from './provider.js';
import type { Random } from './random.js';
import { WatchedRedis } from './watched-redis.js';

export const ROLES = ['worker', 'web', 'consumer'] as const;
export type Role = (typeof ROLES)[number];

/** Settings of a marketplace: short times, so that much happens in little of them. */
export interface Sizes {
  readonly workers: number;
  readonly webs: number;
  readonly consumers: number;
  readonly leaseMs: number;
  readonly jobLockMs: number;
  readonly sweepMs: number;
  readonly snapshotMs: number;
  readonly idleReleaseMs: number;
  readonly replyWaitMs: number;
  readonly batchCommandsMax: number;
  readonly commandsWaitingMax: number;
  readonly outboxEntriesMax: number;
  readonly groupEventsMax: number;
  readonly paymentCheckMs: number;
}

export const POLICY: Policy = {
  holdMs: 15_000,
  payingMs: 20_000,
  paymentAttemptsMax: 3,
  ticketsPerPersonMax: 4,
  ticketsPerReservationMax: 2,
  earlyReservedWindowMs: 60_000,
  remoteTalliesMax: 10_000,
};

/** With a waiting list. */
const WAITING = { waitingListMax: 20, waitingOfferMs: 8_000 };

const PROVIDER_WAIT_MS = 4_000;
const RECONCILE_MS = 2_000;
const IDEMPOTENCY_MS = 24 * 3_600_000;
const UNKEYED_OUTCOME_MS = 60_000;
/** Messages wait as long as any simulation takes. */
const MESSAGE_WAIT_MS = 6 * 3_600_000;

/** What a buyer asks a web process. */
export interface Ask {
  readonly kind: 'hold' | 'pay' | 'cancel' | 'read' | 'refund' | 'join' | 'leave';
  readonly ticket: TicketId;
  /** Of the hold; names the reservation. */
  readonly holdKey: string;
  /** Of this request. */
  readonly key: string;
  readonly person: string;
  readonly quantity: number;
  /** A card and its fingerprint. */
  readonly paymentMethod: string;
}

/** How it was answered; `unknown` and `overloaded` are no answers. */
export type Answer = string;

/** One running process. */
export interface Running {
  readonly role: Role;
  readonly process: Process;
  readonly connection: Connection;
  readonly hears: (message: Message) => (() => void) | null;
  /** Ends well: hands over what it has. */
  readonly stop: () => Promise<void>;
  /** Only of a web process. */
  readonly answer: ((ask: Ask) => Promise<Answer>) | null;
  readonly webhook: ((paymentId: string) => Promise<void>) | null;
}

/** A place for a process: it is started there again and again. */
export interface Slot {
  readonly role: Role;
  readonly name: string;
  starts: number;
  running: Running | null;
}

export interface MarketplaceOptions {
  readonly clientId: string;
  readonly kernel: Kernel;
  readonly log: LogServer;
  readonly logState: ServerState;
  readonly tickets: readonly TicketId[];
  readonly sizes: Sizes;
  /** Whether the log grants its holds. */
  readonly isOrdered: boolean;
  readonly hasWaitingList: boolean;
  readonly contest: Contest | null;
  readonly onFault: (kind: string) => void;
  readonly logger?: Logger;
}

const silent = (): Logger => {
  const none = (): void => undefined;
  const logger = { debug: none, info: none, warn: none, error: none, child: () => logger };
  return logger as unknown as Logger;
};

export class Marketplace {
  readonly clientId: string;
  readonly checks: Checks;
  readonly redis: WatchedRedis;
  readonly redisState: ServerState;
  readonly archive: ArchiveServer;
  readonly archiveState: ServerState;
  readonly provider: ProviderServer;
  readonly providerState: ServerState;
  readonly slots: readonly Slot[];
  readonly #options: MarketplaceOptions;
  readonly #policy: Policy;
  readonly #logger: Logger;

  constructor(options: MarketplaceOptions) {
    const { clientId, kernel, log, tickets, sizes, onFault, isOrdered, hasWaitingList, contest } = options;
    this.#options = options;
    this.#logger = options.logger ?? silent();
    this.clientId = clientId;
    this.#policy = { ...POLICY, ordered: isOrdered, ...(hasWaitingList && WAITING) };
    this.checks = new Checks({ clientId, policy: this.#policy, log, tickets, isOrdered, contest });
    const { checks } = this;
    const guarded = (check: () => void): void => {
      try {
        check();
      } catch (error) {
        kernel.fail(error as Error);
      }
    };
    this.redisState = new ServerState(onFault);
    this.redis = new WatchedRedis(kernel, checks, guarded, (message) => this.#published(message));
    this.archiveState = new ServerState(onFault);
    this.archive = new ArchiveServer(kernel, {
      appended: (event) => guarded(() => checks.appended(event)),
    });
    this.providerState = new ServerState(onFault);
    this.provider = new ProviderServer(kernel, clientId, {
      charged: (payment) => guarded(() => checks.charged(payment)),
      asked: (paymentId, id) => guarded(() => checks.asked(paymentId, id)),
    });
    checks.provider = this.provider;
    checks.archive = this.archive;
    const slots = (role: Role, count: number): Slot[] =>
      Array.from({ length: count }, (_, i) => ({
        role,
        name: `${clientId}/${role}${i + 1}`,
        starts: 0,
        running: null,
      }));
    this.slots = [
      ...slots('worker', sizes.workers),
      ...slots('web', sizes.webs),
      ...slots('consumer', sizes.consumers),
    ];
  }

  get running(): readonly Running[] {
    return this.slots.flatMap(({ running }) => (running ? [running] : []));
  }

  start(slot: Slot): void {
    const { kernel } = this.#options;
    slot.starts += 1;
    const process = new Process(kernel, `${slot.name}.${slot.starts}`);
    const core = makeCore({ ...this.#options, ...this.#servers(), logger: this.#logger }, process);
    switch (slot.role) {
      case 'worker':
        slot.running = this.#worker(core);
        break;
      case 'web':
        slot.running = this.#web(core);
        break;
      case 'consumer':
        slot.running = this.#consumer(core);
        break;
    }
  }

  #servers() {
    const { clientId, redis, redisState, archive, archiveState, provider, providerState } = this;
    return { clientId, redis, redisState, archive, archiveState, provider, providerState };
  }

  /** Nothing more happens of it. */
  kill(slot: Slot): void {
    slot.running?.process.kill();
    slot.running = null;
  }

  #published(message: Message): void {
    const { redisState } = this;
    for (const { process, connection, hears } of this.running) {
      const heard = hears(message);
      if (!heard) continue;
      const label = `${process.name} hears ${message.channel}`;
      connection.deliver(label, heard);
      if (redisState.repeatChance > 0 && process.random.chance(redisState.repeatChance)) {
        redisState.onFault('repeated messages');
        connection.deliver(label, heard);
      }
    }
  }

  #worker(core: Core): Running {
    const { process, clock, connection, send, store, queues, archive, gateway, flow, log, catalog } = core;
    const { sizes, isOrdered } = this.#options;
    const { clientId } = this;
    const logger = this.#logger;
    const publishing = new Publishing({
      log,
      archive,
      store,
      encode: (event) =>
        encodeSale(event, { clientId, topic: SALES_TOPIC, clientIdInValue: false, ordered: isOrdered }),
      identify: (record) => ownEventOf(record, clientId),
      topic: SALES_TOPIC,
      logger,
    });
    const relay = new Relay({
      archive,
      publishing,
      store,
      clock,
      logger,
      groupEventsMax: sizes.groupEventsMax,
      random: () => process.random.next(),
    });
    const settling = new Set<string>();
    const settle = (reservation: Reservation): void => {
      if (settling.has(reservation.id)) return;
      settling.add(reservation.id);
      flow
        .settle(reservation)
        .catch(() => undefined)
        .finally(() => settling.delete(reservation.id));
    };
    const wakes = new Set<(name: string) => void>();
    const bus = {
      subscribe: (onWake: (name: string) => void) => {
        wakes.add(onWake);
        return Promise.resolve(() => wakes.delete(onWake));
      },
      onReset: (handler: () => void) => connection.onReset(handler),
    };
    const workerId = process.name;
    const host = new ActorHost({
      workerId,
      actor: {
        store,
        queues,
        leases: new MemoryLeases({
          redis: this.redis,
          send,
          clock,
          leaseMs: sizes.leaseMs,
          newId: process.newId,
        }),
        archive,
        relay,
        clock,
        logger,
        newId: process.newId,
        policy: this.#policy,
        workerId,
        leaseMs: sizes.leaseMs,
        paymentCheckMs: sizes.paymentCheckMs,
        outboxEntriesMax: sizes.outboxEntriesMax,
        settle,
        deadLetter: (ticket, reason) => this.#deadLetter(ticket, reason),
        rebuilt: () => {
          send(() => this.redis.publish({ channel: 'rebuilt' })).catch(() => undefined);
        },
        observe: { committed: () => undefined, event: () => undefined },
      },
      store,
      membership: new MemoryMembership(this.redis, send, clock),
      wakeUps: new MemoryWakeUps(this.redis, send, bus),
      clock,
      logger,
      tickets: () => catalog.tickets,
      sweepMs: sizes.sweepMs,
      snapshotMs: sizes.snapshotMs,
      idleReleaseMs: sizes.idleReleaseMs,
    });
    void host.start();
    return {
      role: 'worker',
      process,
      connection,
      hears: (message) => {
        switch (message.channel) {
          case 'wake':
            return () => {
              for (const onWake of wakes) onWake(message.name);
            };
          case 'replies':
            return message.gatewayId === process.name ? () => gateway.onReplies(message.replies) : null;
          default:
            return null;
        }
      },
      stop: async () => {
        await host.stop();
        await relay.stop();
        await gateway.stop();
      },
      answer: null,
      webhook: null,
    };
  }

  /** A command that cannot be decided is a defect: there is none in a simulation. */
  #deadLetter(ticket: TicketId, reason: string): Promise<void> {
    this.#options.kernel.fail(
      new Error(`a command of ${ticketName(ticket)} became a dead letter: ${reason}`),
    );
    return Promise.resolve();
  }

  #web(core: Core): Running {
    const { process, clock, connection, gateway, flow, provider, records } = core;
    const reconciler = new Reconciler({
      flow,
      provider,
      records,
      clock,
      logger: this.#logger,
      everyMs: RECONCILE_MS,
    });
    reconciler.start();
    return {
      role: 'web',
      process,
      connection,
      hears: (message) =>
        message.channel === 'replies' && message.gatewayId === process.name
          ? () => gateway.onReplies(message.replies)
          : null,
      stop: async () => {
        await reconciler.stop();
        await gateway.stop();
      },
      answer: (ask) => this.#answer(core, ask),
      webhook: async (paymentId) => {
        await records.remind(paymentId, clock.now());
        reconciler.poke();
      },
    };
  }

  /** What the routes of src/http/reservations.ts do behind the gate. */
  async #answer({ gateway, flow, reader }: Core, ask: Ask): Promise<Answer> {
    const { kind, ticket, key, quantity, person, paymentMethod } = ask;
    const id = reservationId(ticket, ask.holdKey);
    const ref = { ticket, reservationId: id };
    const ids = { id: key, keepMs: IDEMPOTENCY_MS };
    switch (kind) {
      case 'hold': {
        const body = { type: 'hold', reservationId: id, quantity, email: person, person } as const;
        const answer = await gateway.submit({ ticket, id: ask.holdKey, body, keepMs: IDEMPOTENCY_MS });
        if (answer.kind !== 'answered') return answer.kind;
        const { kind: outcome } = answer.result;
        return outcome === 'deadline_passed' || outcome === 'outbox_full' ? 'overloaded' : outcome;
      }
      case 'join':
      case 'leave': {
        const who = { reservationId: id, quantity, email: person, person };
        const body =
          kind === 'join'
            ? ({ type: 'joinWaitingList', entryId: entryOf(id), ...who } as const)
            : ({ type: 'leaveWaitingList', entryId: entryOf(id) } as const);
        const answer = await gateway.submit({ ticket, id: key, body, keepMs: IDEMPOTENCY_MS });
        if (answer.kind !== 'answered') return answer.kind;
        const { kind: outcome } = answer.result;
        return ['deadline_passed', 'outbox_full', 'being_offered'].includes(outcome) ? 'overloaded' : outcome;
      }
      case 'pay':
        return paid(await flow.pay(ref, paymentMethod, ids));
      case 'cancel':
        return (await flow.cancel(ref, ids)).kind;
      case 'refund': {
        const sold = await reader.find(id);
        if (sold?.status !== 'RESERVED' || sold.paymentId === undefined) return sold?.status ?? 'null';
        this.checks.refundAsked.add(id);
        return (await flow.refund({ ref, paymentId: sold.paymentId, quantity: undefined }, ids)).kind;
      }
      case 'read':
        return (await reader.find(id))?.status ?? 'null';
    }
  }

  #consumer(core: Core): Running {
    const { process, clock, connection, store, archive, gateway, log, catalog } = core;
    const loader = new MasterListLoader(catalog, gateway, { clock, currency: 'USD' });
    const consumer = new SalesConsumer({
      log,
      gateway,
      loader,
      deadLetters: new Letters(archive, clock),
      clock,
      logger: this.#logger,
      clientId: this.clientId,
      ordered: this.#options.isOrdered,
      masterlistTopic: MASTERLIST_TOPIC,
      salesTopic: SALES_TOPIC,
      togetherMax: Math.min(
        TOGETHER_MAX,
        this.#options.sizes.batchCommandsMax,
        this.#options.sizes.commandsWaitingMax,
      ),
      keepMs: IDEMPOTENCY_MS,
      isOpen: async (ticket) => (await store.counters([ticket])).length > 0,
      tookEffect: (ticket, commandId) => archive.hasCommand(ticket, commandId),
      durability: new RedisDurability({ store, catalog, clock }),
      waitMs: MESSAGE_WAIT_MS,
      waitingMax: 10_000,
    });
    connection.onReset(() => consumer.lost());
    consumer.start().catch((error: unknown) => this.#options.kernel.fail(error as Error));
    return {
      role: 'consumer',
      process,
      connection,
      hears: (message) => {
        switch (message.channel) {
          case 'rebuilt':
            return () => consumer.lost();
          case 'replies':
            return message.gatewayId === process.name ? () => gateway.onReplies(message.replies) : null;
          default:
            return null;
        }
      },
      stop: async () => {
        await consumer.stop();
        await gateway.stop();
      },
      answer: null,
      webhook: null,
    };
  }

  /** Chooses a web process that runs; null when none does. */
  web(random: Random): Running | null {
    const webs = this.running.filter(({ role }) => role === 'web');
    return webs.length === 0 ? null : random.pick(webs);
  }
}

/** What every process of a marketplace stands on. */
interface Servers {
  readonly clientId: string;
  readonly kernel: Kernel;
  readonly sizes: Sizes;
  readonly logger: Logger;
  readonly log: LogServer;
  readonly logState: ServerState;
  readonly tickets: readonly TicketId[];
  readonly redis: WatchedRedis;
  readonly redisState: ServerState;
  readonly archive: ArchiveServer;
  readonly archiveState: ServerState;
  readonly provider: ProviderServer;
  readonly providerState: ServerState;
}

/** What src/process/core.ts makes. */
function makeCore(servers: Servers, process: Process) {
  const { kernel, sizes, logState, log, tickets, logger } = servers;
  const { clock } = process;
  const connection = new Connection({ kernel, process, server: servers.redisState });
  const send = <T>(step: () => T): Promise<T> => connection.send(step);
  const store = new MemoryTicketStore(servers.redis, send, clock);
  const queues = new MemoryTicketQueues({
    redis: servers.redis,
    send,
    clock,
    jobLockMs: sizes.jobLockMs,
    processId: process.name,
  });
  const archive = new ArchiveClient(servers.archive, kernel, process, servers.archiveState);
  const gateway = new Gateway({
    gatewayId: process.name,
    queues,
    store,
    clock,
    logger: logger,
    isUp: () => connection.isUp,
    replyWaitMs: sizes.replyWaitMs,
    commandsWaitingMax: sizes.commandsWaitingMax,
    batchCommandsMax: sizes.batchCommandsMax,
  });
  gateway.start();
  // As the real store: a read does not wait for Redis to come back.
  const readable: Pick<MemoryTicketStore, 'findReservation'> = {
    findReservation: (ticket, id) =>
      connection.isUp
        ? store.findReservation(ticket, id)
        : Promise.reject(new Error('Redis cannot be reached')),
  };
  const reader = new TicketReservationReader(readable, archive, ticketOfReservation, clock);
  const records = new PaymentRecords(archive);
  const provider = new ProviderClient(servers.provider, kernel, process, servers.providerState);
  const flow = new PaymentFlow({
    gateway,
    provider,
    reader,
    records,
    clock,
    logger: logger,
    policy: {
      paymentAttemptsMax: POLICY.paymentAttemptsMax,
      disputes: 'keep',
      attemptOpenMs: 2 * PROVIDER_WAIT_MS,
      checkMs: sizes.paymentCheckMs,
      commandMs: sizes.replyWaitMs,
    },
    providerWaitMs: PROVIDER_WAIT_MS,
    unkeyedOutcomeMs: UNKEYED_OUTCOME_MS,
    newId: () => `${process.newId()}-${process.random.id()}`,
    returnUrl: () => 'http://127.0.0.1',
    taxPercent: 0,
  });
  const marketLog = new LogClient(log, kernel, process, logState, servers.clientId);
  // Every process knows every match: what is on sale is no part of the simulation.
  const catalog = { tickets, save: (matches: readonly Match[]) => archive.saveMatches(matches) };
  return {
    process,
    clock,
    connection,
    send,
    store,
    queues,
    archive,
    gateway,
    reader,
    records,
    provider,
    flow,
    log: marketLog,
    catalog,
  };
}

type Core = ReturnType<typeof makeCore>;

function paid(result: PaymentResult): Answer {
  switch (result.kind) {
    case 'reserved':
      return 'RESERVED';
    case 'unavailable':
      return `unavailable ${result.refusal.kind}`;
    case 'hold_expired':
      return result.refunded ? 'hold_expired refunded' : 'hold_expired';
    case 'declined':
      return result.held ? 'declined held' : 'declined';
    default:
      return result.kind;
  }
}

/** Dead letters in the archive; one that the archive could not take is kept by the process until it can. */
class Letters implements DeadLetters {
  readonly #archive: ArchiveClient;
  readonly #clock: Clock;
  readonly #unarchived = new Map<string, DeadLetter>();

  constructor(archive: ArchiveClient, clock: Clock) {
    this.#archive = archive;
    this.#clock = clock;
  }

  async add(letter: DeadLetter): Promise<void> {
    try {
      await this.#archive.saveDeadLetter(letter);
    } catch (error) {
      if (!(error instanceof ArchiveUnavailableError)) throw error;
      this.#unarchived.set(letter.id, letter);
    }
  }

  async settled(id: string): Promise<void> {
    await this.#archive.markRedriven(id, this.#clock.now());
  }

  async archivedAll(): Promise<boolean> {
    try {
      for (const letter of [...this.#unarchived.values()]) {
        await this.#archive.saveDeadLetter(letter);
        this.#unarchived.delete(letter.id);
      }
      return true;
    } catch (error) {
      if (error instanceof ArchiveUnavailableError) return false;
      throw error;
    }
  }
}
