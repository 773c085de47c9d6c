/**
 * A whole marketplace, or the roles of it that this process has: what is started, in which order, and how it
 * is stopped again. Guarantee: whatever was started when a later part fails is stopped before the failure is
 * told; on a stop no accepted command is lost, requests in flight are answered, and tickets are handed over.
 */
import { randomUUID } from 'node:crypto';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Role, Settings } from '../../config/settings.js';
import { EmbeddedArchive } from '../archive/embedded.js';
import { MongoArchive } from '../archive/mongo.js';
import type { Archive, DeadLetter } from '../archive/port.js';
import { bundledMasterList } from '../catalog/bundled.js';
import { MasterListLoader } from '../catalog/catalog.js';
import { ticketsOf, type MatchEntry } from '../catalog/match.js';
import { KickoffCloser } from '../catalog/kickoff.js';
import { adminRouter } from '../http/admin.js';
import { Idempotency, RedisIdempotencyStore } from '../http/idempotency.js';
import { createMetrics, type Metrics } from '../http/metrics.js';
import { ReadModel } from '../http/read-model.js';
import { reservationRoutes } from '../http/reservations.js';
import { createService, type ReadinessCheck, type Service, type ServiceOptions } from '../http/service.js';
import { shopRoutes } from '../http/shop.js';
import { AvailabilityStream } from '../http/stream.js';
import { SalesConsumer } from '../kafka/consumer.js';
import { makeLog } from '../kafka/market-log.js';
import type { Log } from '../kafka/port.js';
import { TopicsError } from '../kafka/topics.js';
import { decodeSalesValue, encodeSale, ownEventOf } from '../kafka/wire.js';
import { PaymentFlow } from '../payments/flow.js';
import type { PaymentProvider } from '../payments/port.js';
import { SandboxPayments } from '../payments/sandbox.js';
import { entriesOnSale, startResidentPeers } from '../peer/resident.js';
import { DeadLetterDesk, DeadLetterQueue } from '../queues/dead-letter-queue.js';
import { redriveCommands } from '../queues/redrive.js';
import { ticketName } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';
import { systemClock } from './clock.js';
import { RedisDurability, watchConsumer } from './consumer-watch.js';
import { startCore, type Core } from './core.js';
import { openDataDir, readSecrets, StartupError, type Secrets } from './data-dir.js';
import { startLocalRedis } from './local-redis.js';
import type { Logger } from './log.js';
import { createWorker, type WorkerRole } from './worker.js';
import { withTimeout } from './timeout.js';
import { WorkerMetrics } from './worker-metrics.js';

export interface Marketplace {
  /** Ports that are open, by role. */
  readonly ports: ReadonlyMap<Role, number>;
  readonly secrets: Secrets;
  /** Where the generated secrets are kept. */
  readonly dataDir: string;
  /** Of the Redis that this process started; null when it was given one. */
  readonly localRedisUrl: string | null;
  readonly matches: number;
  stop(): Promise<void>;
}

/** Availability changes are sent at most this often to each stream; a heartbeat keeps proxies from closing it. */
const STREAM_FLUSH_MS = 100;
const STREAM_HEARTBEAT_MS = 15_000;
const STREAM_RETRY_MS = 2_000;

/** One hung part must not keep the others from being stopped. */
const STEP_MS_MAX = 8_000;
/** Between the end of requests in flight and the end of everything, for the actors to hand over. */
const HANDOVER_MS = 5_000;

/** Steps to undo, newest first. */
class Undo {
  readonly #steps: { readonly name: string; readonly run: () => Promise<void> }[] = [];
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  push(name: string, run: () => Promise<void>): void {
    this.#steps.push({ name, run });
  }

  /** Every step is tried, whatever the others do. */
  async all(): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await withTimeout(step.run(), STEP_MS_MAX, `not stopped within ${STEP_MS_MAX} ms`);
      } catch (error) {
        this.#logger.error({ err: error }, `could not stop: ${step.name}`);
      }
    }
  }
}

export async function startMarketplace(
  settings: Settings,
  logger: Logger,
  signal: AbortSignal,
): Promise<Marketplace> {
  const undo = new Undo(logger);
  try {
    return await new Starter(settings, logger, undo, signal).start();
  } catch (error) {
    await undo.all();
    throw error;
  }
}

function makeArchive(settings: Settings, dataDir: string, logger: Logger): Archive {
  const { mongoUrl, mongoTimeoutMs } = settings;
  if (mongoUrl === undefined) return new EmbeddedArchive({ dir: `${dataDir}/archive` });
  return new MongoArchive({ url: mongoUrl, timeoutMs: mongoTimeoutMs, logger });
}

/** The in-process feed, or that of the brokers. Not started yet. */
async function startLog(log: Log): Promise<void> {
  try {
    await log.start();
  } catch (error) {
    if (error instanceof TopicsError) throw new StartupError(error.message);
    throw error;
  }
}

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, one) => total + one, 0);

/** The parts that several roles share, while they are being put together. */
class Starter {
  readonly #settings: Settings;
  readonly #logger: Logger;
  readonly #undo: Undo;
  readonly #signal: AbortSignal;
  readonly #registry = new Registry();
  readonly #metrics: Metrics;
  readonly #ports = new Map<Role, number>();
  #consumer: SalesConsumer | null = null;

  constructor(settings: Settings, logger: Logger, undo: Undo, signal: AbortSignal) {
    this.#settings = settings;
    this.#logger = logger;
    this.#undo = undo;
    this.#signal = signal;
    this.#metrics = createMetrics(this.#registry);
    collectDefaultMetrics({ register: this.#registry });
  }

  async start(): Promise<Marketplace> {
    const settings = this.#settings;
    const dataDir = await this.#openFolder();
    const secrets = await readSecrets(dataDir, settings);
    const localRedisUrl = settings.redisUrl === undefined ? await this.#localRedis(dataDir) : null;
    const redisUrl = settings.redisUrl ?? localRedisUrl ?? '';

    const archive = makeArchive(settings, dataDir, this.#logger);
    await archive.start();
    this.#undo.push('archive', () => archive.stop());
    const core = await startCore(
      { ...settings, redisUrl },
      { archive, clock: systemClock, logger: this.#logger },
    );
    this.#undo.push('Redis connections', () => core.close());
    this.#undo.push('gateway', () => core.gateway.stop());
    const log = await makeLog(settings, this.#logger);
    const parts = new Parts(settings, secrets, core, log, this.#metrics);
    this.#undo.push('log', () => log.stop());
    this.#undo.push('dead letters', () => parts.deadLetters.close());
    if (settings.roles.some((role) => role === 'worker' || role === 'consumer')) await startLog(log);

    for (const role of ['worker', 'consumer', 'shop', 'reservations'] as const) {
      this.#signal.throwIfAborted();
      if (settings.roles.includes(role)) await this.#startRole(role, parts);
    }
    const stopPeers = settings.peers > 0 ? await this.#startPeers(core, log) : () => Promise.resolve();
    return {
      ports: this.#ports,
      secrets,
      dataDir,
      localRedisUrl,
      matches: new Set(core.catalog.tickets.map(({ matchNumber }) => matchNumber)).size,
      stop: async () => {
        // First no new request, then no new command; what was accepted is answered while the actors still work,
        // and peers give their holds back to them.
        await Promise.all([stopPeers(), ...parts.services.map((service) => service.close())]);
        await core.gateway.stop();
        await this.#undo.all();
      },
    };
  }

  /** A process whose parts are all elsewhere needs no disk. */
  async #openFolder(): Promise<string> {
    const { redisUrl, mongoUrl, tokenSecret, adminToken, serviceToken } = this.#settings;
    const elsewhere = [redisUrl, mongoUrl, tokenSecret, adminToken, serviceToken];
    if (elsewhere.every((part) => part !== undefined)) return this.#settings.dataDir;
    const folder = await openDataDir(this.#settings.dataDir, { exclusive: this.#settings.allInOne });
    this.#undo.push('data folder', () => folder.release());
    return folder.path;
  }

  async #localRedis(dataDir: string): Promise<string> {
    const redis = await startLocalRedis({
      dataDir,
      memoryMb: this.#settings.redisMemoryMb,
      log: (message) => this.#logger.info(message),
    });
    this.#undo.push('local Redis', () => redis.stop());
    return redis.url;
  }

  /** Answers how to stop them. */
  async #startPeers(core: Core, log: Log): Promise<() => Promise<void>> {
    const { catalog, counters, clock } = core;
    const peers = await startResidentPeers({
      ...this.#settings,
      log,
      clock,
      random: Math.random,
      entries: entriesOnSale(await catalog.matches(), await counters.read(catalog.tickets)),
      unread: () => sum(this.#consumer?.lag().values() ?? []),
    });
    this.#undo.push('peers', () => peers.stop());
    return () => peers.stop();
  }

  async #startRole(role: Role, parts: Parts): Promise<void> {
    switch (role) {
      case 'worker':
        return this.#startWorker(parts);
      case 'consumer':
        return this.#startConsumer(parts);
      case 'shop':
        return this.#startShop(parts);
      case 'reservations':
        return this.#startReservations(parts);
    }
  }

  async #startWorker(parts: Parts): Promise<void> {
    const worker = parts.worker();
    await worker.start();
    this.#undo.push('worker', () => worker.stop());
    // All in one, its metrics are on every other port already.
    if (!this.#settings.allInOne) await this.#listen('worker', parts, this.#settings.workerPort, []);
  }

  async #startConsumer(parts: Parts): Promise<void> {
    const { core } = parts;
    const consumer = parts.consumer();
    this.#consumer = consumer;
    const desk = parts.desk(consumer);
    await desk.start();
    this.#undo.push('dead-letter desk', () => desk.stop());
    // With brokers the market's own list opens the sale.
    if (this.#settings.kafkaBrokers === undefined) await this.#seed(parts);
    await consumer.start();
    this.#undo.push('consumer', () => consumer.stop());
    const endWatch = await watchConsumer(consumer, core, this.#metrics);
    this.#undo.push('watch of the consumer', () => {
      endWatch();
      return Promise.resolve();
    });
    if (this.#settings.closeAtKickoff) {
      const closer = new KickoffCloser(core.catalog, core.gateway, core.clock, this.#logger);
      closer.start();
      this.#undo.push('kick-off closer', () => closer.stop());
    }
    await this.#listen('consumer', parts, this.#settings.consumerPort, []);
  }

  /** The bundled list fills an empty store only; a load that was cut short is finished at the next start. */
  async #seed({ core, loader }: Parts): Promise<void> {
    const { catalog, archive } = core;
    const known = new Set((await catalog.matches()).map(({ matchNumber }) => matchNumber));
    const missing: MatchEntry[] = [];
    for (const entry of bundledMasterList()) {
      if (known.size > 0 && !known.has(entry.matchNumber)) continue;
      const heads = await Promise.all(ticketsOf(entry.matchNumber).map((ticket) => archive.head(ticket)));
      // A ticket without any history was never opened.
      if (heads.some((head) => head === null)) missing.push(entry);
    }
    if (missing.length === 0) return;
    this.#logger.info({ matches: missing.length }, 'no brokers: loading the bundled master list');
    await loader.load(missing, { source: 'bundled' });
  }

  async #startShop(parts: Parts): Promise<void> {
    const { core } = parts;
    const model = new ReadModel({
      counters: core.counters,
      catalog: core.catalog,
      clock: core.clock,
      logger: this.#logger,
      waitMs: this.#settings.replyWaitMs,
    });
    await model.start();
    this.#undo.push('read model', () => Promise.resolve(model.stop()));
    const stream = new AvailabilityStream({
      model,
      clock: core.clock,
      metrics: this.#metrics,
      clientsMax: this.#settings.sseClientsMax,
      flushMs: STREAM_FLUSH_MS,
      heartbeatMs: STREAM_HEARTBEAT_MS,
      retryMs: STREAM_RETRY_MS,
    });
    const routes = shopRoutes({ model, stream, salesMessages: parts.salesMessages() });
    await this.#listen('shop', parts, this.#settings.shopPort, routes, [() => stream.close()]);
  }

  async #startReservations(parts: Parts): Promise<void> {
    const routes = reservationRoutes(parts.reservations());
    await this.#listen('reservations', parts, this.#settings.reservationsPort, routes);
  }

  async #listen(
    role: Role,
    parts: Parts,
    port: number,
    routes: ServiceOptions['routes'],
    onClosing: readonly (() => void)[] = [],
  ): Promise<void> {
    const service = createService({
      info: { title: `ticktak ${role}`, version: '0.1.0', description: `The ${role} service of ticktak.` },
      routes,
      checks: parts.checks(),
      registry: this.#registry,
      metrics: this.#metrics,
      logger: this.#logger,
      clock: systemClock,
      portSetting: `${role.toUpperCase()}_PORT`,
      limits: {
        bodyBytesMax: this.#settings.bodyBytesMax,
        closeMs: Math.max(1_000, this.#settings.shutdownMs - HANDOVER_MS),
      },
      onClosing,
      mount: (app) => {
        if (role !== 'worker') app.use(adminRouter(parts.admin()));
      },
    });
    this.#ports.set(role, await service.listen(this.#settings.host, port));
    this.#undo.push(`HTTP service of the ${role}`, () => service.close());
    parts.services.push(service);
  }
}

/** Makes the parts of the roles, each at most once. */
class Parts {
  readonly core: Core;
  readonly deadLetters: DeadLetterQueue;
  readonly loader: MasterListLoader;
  readonly services: Service[] = [];
  readonly #settings: Settings;
  readonly #secrets: Secrets;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #payments: PaymentProvider;
  readonly #flow: PaymentFlow;
  readonly #idempotency: Idempotency;

  constructor(settings: Settings, secrets: Secrets, core: Core, log: Log, metrics: Metrics) {
    this.core = core;
    this.#settings = settings;
    this.#secrets = secrets;
    this.#metrics = metrics;
    const { archive, clock, logger, redis, keys, gateway, catalog, reader } = core;
    this.#log = log;
    this.#payments = new SandboxPayments({ archive, now: () => clock.now() });
    this.#flow = new PaymentFlow({
      gateway,
      provider: this.#payments,
      reader,
      clock,
      logger,
      providerWaitMs: settings.paymentTimeoutMs,
      unkeyedOutcomeMs: settings.unkeyedOutcomeMs,
      newId: randomUUID,
    });
    this.#idempotency = new Idempotency({
      store: new RedisIdempotencyStore(
        redis,
        (scope) => keys.idempotency(scope),
        () => redis.status === 'ready',
      ),
      clock,
      secret: secrets.tokenSecret,
      waitMs: settings.replyWaitMs,
      idempotencyMs: settings.idempotencyMs,
      unkeyedOutcomeMs: settings.unkeyedOutcomeMs,
      newId: randomUUID,
    });
    this.deadLetters = new DeadLetterQueue({ redis, prefix: keys.queuePrefix, archive, clock, logger });
    this.loader = new MasterListLoader(catalog, gateway, settings.currency);
  }

  worker(): WorkerRole {
    const { clientId, salesTopic, publishClientIdInValue } = this.#settings;
    const metrics = new WorkerMetrics(this.#metrics);
    const { counters, catalog } = this.core;
    const readAll = (): void => {
      counters.read(catalog.tickets).then(
        (all) => all.forEach((one) => metrics.counters(one)),
        (error: unknown) => this.core.logger.warn({ err: error }, 'could not read the counters'),
      );
    };
    counters.subscribe((change) => metrics.counters(change), readAll);
    readAll();
    const worker = createWorker(
      this.core,
      { ...this.#settings, policy: this.#settings },
      {
        log: this.#log,
        encode: (event) =>
          encodeSale(event, { clientId, topic: salesTopic, clientIdInValue: publishClientIdInValue }),
        identify: (record) => ownEventOf(record, clientId),
        settle: (reservation) => this.#flow.settle(reservation),
        deadLetter: (ticket, reason, raw) => this.#bury(ticket, reason, raw),
        observe: metrics,
        onPulse: (pulses) => metrics.pulse(pulses, worker.relay),
      },
    );
    return worker;
  }

  #bury(ticket: TicketId, reason: string, raw: unknown): Promise<void> {
    return this.deadLetters.add({
      id: randomUUID(),
      source: `queue/${ticketName(ticket)}`,
      reason,
      raw: Buffer.from(JSON.stringify(raw) ?? 'null').toString('base64'),
      headers: {},
      receivedAt: this.core.clock.now(),
    });
  }

  consumer(): SalesConsumer {
    const { clientId, masterlistTopic, salesTopic, idempotencyMs } = this.#settings;
    const { gateway, clock, logger, store, archive } = this.core;
    return new SalesConsumer({
      log: this.#log,
      gateway,
      loader: this.loader,
      deadLetters: this.deadLetters,
      clock,
      logger,
      clientId,
      masterlistTopic,
      salesTopic,
      keepMs: idempotencyMs,
      isOpen: async (ticket) => (await store.counters([ticket])).length > 0,
      tookEffect: (ticket, commandId) => archive.hasCommand(ticket, commandId),
      durability: new RedisDurability(this.core),
      onHandled: (kind) => this.#metrics.messages.inc({ outcome: kind }),
      waitMs: this.#settings.salesMessageWaitMs,
      waitingMax: this.#settings.salesMessageWaitingMax,
    });
  }

  /** A letter from a ticket's queue is commands; any other is a message. */
  desk(consumer: SalesConsumer): DeadLetterDesk {
    const { redis, keys, archive, clock, logger, gateway } = this.core;
    return new DeadLetterDesk(
      { redis, prefix: keys.queuePrefix, archive, clock, logger },
      (letter: DeadLetter) =>
        letter.source.startsWith('queue/') ? redriveCommands(letter, gateway) : consumer.redrive(letter),
    );
  }

  salesMessages() {
    const { gateway, clock, store, archive } = this.core;
    return {
      gateway,
      clock,
      idempotency: this.#idempotency,
      serviceToken: this.#secrets.serviceToken,
      decode: (value: Buffer, headers: Readonly<Record<string, string>>) =>
        decodeSalesValue(value, headers, this.#settings.clientId),
      knows: this.#knows,
      recall: async (ticket: TicketId, id: string) => (await store.recall(ticket, [id])).get(id),
      tookEffect: (ticket: TicketId, id: string) => archive.hasCommand(ticket, id),
    };
  }

  readonly #knows = (ticket: TicketId): Promise<boolean> => Promise.resolve(this.core.catalog.has(ticket));

  reservations() {
    const { gateway, reader, clock } = this.core;
    return {
      gateway,
      reader,
      clock,
      flow: this.#flow,
      idempotency: this.#idempotency,
      metrics: this.#metrics,
      tokenSecret: this.#secrets.tokenSecret,
      ticketsPerReservationMax: this.#settings.ticketsPerReservationMax,
      waitMs: this.#settings.replyWaitMs,
      knows: this.#knows,
    };
  }

  admin() {
    const { catalog, queues, clock } = this.core;
    return {
      operatorToken: this.#secrets.adminToken,
      queues: () => [this.deadLetters.queue, ...catalog.tickets.map((ticket) => queues.queue(ticket))],
      clock,
      waitMs: this.#settings.replyWaitMs,
    };
  }

  /** What has to work before this process can do its own work. */
  checks(): ReadinessCheck[] {
    const { redis, bus, archive } = this.core;
    return [
      { name: 'redis', check: async () => void (await redis.ping()) },
      { name: 'change feed', check: () => bus.barrier() },
      { name: 'archive', check: () => archive.ping() },
    ];
  }
}
