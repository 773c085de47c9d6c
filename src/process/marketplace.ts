/**
 * A whole marketplace, or the roles of it that this process has: what is started, in which order, and how it
 * is stopped again. Guarantee: whatever was started when a later part fails is stopped before the failure is
 * told; on a stop no accepted command is lost, requests in flight are answered, and tickets are handed over.
 */
import { randomUUID } from 'node:crypto';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Role, Settings } from '../../config/settings.js';
import type { DeadLetter } from '../archive/port.js';
import { bundledMasterList } from '../catalog/bundled.js';
import { MasterListLoader } from '../catalog/catalog.js';
import { ticketsOf, type MatchEntry } from '../catalog/match.js';
import { KickoffCloser } from '../catalog/kickoff.js';
import { pauseOf } from '../catalog/notices.js';
import { Idempotency, RedisIdempotencyStore } from '../http/idempotency.js';
import { createMetrics, type Metrics } from '../http/metrics.js';
import { ReadModel } from '../http/read-model.js';
import type { Route } from '../http/api.js';
import { guestToken } from '../http/identity.js';
import { reservationRoutes, type ReservationsOptions } from '../http/reservations.js';
import { createService } from '../http/service.js';
import type { Gate, ReadinessCheck, Service, ServiceOptions } from '../http/service.js';
import { shopRoutes, staleMatches } from '../http/shop.js';
import { AvailabilityStream } from '../http/stream.js';
import { HANDLED_KINDS, SalesConsumer, TOGETHER_MAX } from '../kafka/consumer.js';
import { makeLog } from '../kafka/market-log.js';
import type { Log } from '../kafka/port.js';
import { TopicsError } from '../kafka/topics.js';
import { decodeSalesValue, encodeSale, ownEventOf } from '../kafka/wire.js';
import { DELIVERIES, MailDeliverer } from '../mail/deliverer.js';
import { MailFeed } from '../mail/feed.js';
import { QUEUED } from '../mail/kinds.js';
import { MailWriter } from '../mail/writer.js';
import type { DoorOptions } from '../overload/door.js';
import { PaymentFlow } from '../payments/flow.js';
import { PhaseBook } from '../phases/book.js';
import { CodeSets } from '../phases/codes.js';
import { SaleGate } from '../phases/sale-gate.js';
import { PayoutDesk } from '../payments/payouts.js';
import { PayoutResults } from '../payments/payouts/results.js';
import { payoutRoutes } from '../payments/payouts/routes.js';
import { PayoutWatch } from '../payments/payouts/watch.js';
import type { PaymentProvider } from '../payments/port.js';
import { Reconciler } from '../payments/reconciler.js';
import { PaymentRecords } from '../payments/records.js';
import { paymentRoutes } from '../payments/routes.js';
import { AccountIndex } from '../redis/account-index.js';
import { RedisWaitingLists } from '../redis/waiting-lists.js';
import { securityRoutes } from '../security/routes.js';
import { userRoutes } from '../users/routes.js';
import { verdictProblem } from '../security/verdict.js';
import { Buyers, subjectOf } from '../http/buyer.js';
import { GuestPurchases } from '../http/guest-purchases.js';
import { ForwardedSeal } from '../http/forwarded.js';
import { createGate } from '../http/gate.js';
import { attachTickets } from '../tickets/attach.js';
import { CheckInDesk } from '../tickets/check-in.js';
import { CheckInLists } from '../tickets/check-in-list.js';
import { ConflictRecords } from '../tickets/check-in-records.js';
import { checkInRoutes, type CheckInRoutesOptions } from '../tickets/check-in-routes.js';
import { TicketCodes } from '../tickets/codes.js';
import { TicketDesk } from '../tickets/desk.js';
import { AccountExport } from '../tickets/export.js';
import { GuestLookup } from '../tickets/lookup.js';
import { PdfDesk } from '../tickets/pdf-desk.js';
import { AdmissionRecords, Shares } from '../tickets/records.js';
import { BuyerRefunds } from '../tickets/refunds.js';
import { exportRoute, ticketRoutes, type TicketRoutesOptions } from '../tickets/routes.js';
import { countryOf } from '../geo/country.js';
import { makeAnalytics, makeViewIntake, type Analytics } from './analytics.js';
import { makeOperations, type Operations } from './operations.js';
import { makeRecommendations, type Recommendations } from './recommendations.js';
import { Trust, makePayments } from './trust.js';
import { listOfFile } from '../peer/masterlist.js';
import { entriesOnSale, startResidentPeers } from '../peer/resident.js';
import { DeadLetterDesk, DeadLetterQueue } from '../queues/dead-letter-queue.js';
import { AnalyticsJobs } from '../queues/analytics-jobs.js';
import { LongJobs } from '../queues/long-jobs.js';
import { redriveCommands } from '../queues/redrive.js';
import { ticketName } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';
import { makeArchive } from './archive.js';
import { systemClock } from './clock.js';
import { RedisDurability, watchConsumer } from './consumer-watch.js';
import { startCore, type Core } from './core.js';
import { openDataDir, readSecrets, StartupError, type Secrets } from './data-dir.js';
import { startLocalRedis } from './local-redis.js';
import type { Archive } from '../archive/port.js';
import type { Logger } from './log.js';
import { isArchiveDown, Overload } from './overload.js';
import { QueueWatch } from './queue-watch.js';
import { isOrdered, keepSalesMode } from './sales-mode.js';
import { createWorker, type WorkerRole } from './worker.js';
import { withTimeout } from './timeout.js';
import { VERSION } from './version.js';
import { makeWaitingRoom, type WaitingRoomRole } from './waiting-room.js';
import { WorkerMetrics } from './worker-metrics.js';
import { entryJson, waitingListRoutes, type WaitingListRoutesOptions } from '../waiting-list/routes.js';
import { WaitingLists } from '../waiting-list/waiting-list.js';

export interface Marketplace {
  /** Ports that are open, by role. */
  readonly ports: ReadonlyMap<Role, number>;
  readonly secrets: Secrets;
  /** Where the generated secrets are kept. */
  readonly dataDir: string;
  /** Of the Redis that this process started; null when it was given one. */
  readonly localRedisUrl: string | null;
  readonly matches: number;
  /** The first operator, when this start made it: its password is told this once. */
  readonly firstOperator: { readonly email: string; readonly password: string } | null;
  /** Where mails go when no server is configured. */
  readonly mailDir: string | null;
  /** Whether the web app was built; false where this process does not serve it. */
  readonly hasWebApp: boolean;
  stop(): Promise<void>;
}

/** Availability changes are sent at most this often to each stream; a heartbeat keeps proxies from closing it. */
const STREAM_FLUSH_MS = 100;
const STREAM_HEARTBEAT_MS = 15_000;
const STREAM_RETRY_MS = 2_000;
/** Beyond the longest hold and payment: by then the archive knows of a purchase, or it came to nothing. */
const GUEST_PURCHASE_MS = 24 * 60 * 60_000;

/** Asked often, and soon asked again: what waits for it is sales. */
const MONGODB_PAUSES = { pauseMsMin: 500, pauseMsMax: 2_000 };

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

/** The in-process feed, or that of the brokers. Not started yet. */
/** Whether a ticket has a history. */
async function hasOpened(archive: Pick<Archive, 'head'>, tickets: readonly TicketId[]): Promise<boolean> {
  const heads = await Promise.all(tickets.map((ticket) => archive.head(ticket)));
  return heads.some((head) => head !== null);
}

async function startLog(log: Log): Promise<void> {
  try {
    await log.start();
  } catch (error) {
    if (error instanceof TopicsError) throw new StartupError(error.message);
    throw error;
  }
}

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, one) => total + one, 0);

type Mount = NonNullable<ServiceOptions['mount']>;

/** Roles that show, sell or decide what is sold in phases. */
const SELLING: ReadonlySet<Role> = new Set(['shop', 'reservations', 'payments']);

/** Roles that speak to the payment provider. */
const PAYING: ReadonlySet<Role> = new Set(['reservations', 'payments', 'worker']);

/** The parts that several roles share, while they are being put together. */
class Starter {
  readonly #settings: Settings;
  readonly #logger: Logger;
  readonly #undo: Undo;
  readonly #signal: AbortSignal;
  readonly #registry = new Registry();
  readonly #metrics: Metrics;
  readonly #overload: Overload;
  /** Of the shop, once it is started. */
  #stale: DoorOptions['stale'];
  readonly #ports = new Map<Role, number>();
  #consumer: SalesConsumer | null = null;
  #hasWebApp = false;
  #dataDir = '';

  constructor(settings: Settings, logger: Logger, undo: Undo, signal: AbortSignal) {
    this.#settings = settings;
    this.#logger = logger;
    this.#undo = undo;
    this.#signal = signal;
    this.#metrics = createMetrics(this.#registry);
    this.#overload = new Overload(settings, systemClock, logger, this.#metrics);
    collectDefaultMetrics({ register: this.#registry });
  }

  async start(): Promise<Marketplace> {
    const settings = this.#settings;
    const dataDir = await this.#openFolder();
    this.#dataDir = dataDir;
    const secrets = await readSecrets(dataDir, settings);
    const localRedisUrl = settings.redisUrl === undefined ? await this.#localRedis(dataDir) : null;
    const redisUrl = settings.redisUrl ?? localRedisUrl ?? '';

    const overload = this.#overload;
    overload.start();
    this.#undo.push('shedding of load', async () => overload.stop());
    const archive = await makeArchive(settings, dataDir, this.#logger, {}, () =>
      overload.breaker('mongodb', isArchiveDown, MONGODB_PAUSES),
    );
    await archive.start();
    this.#undo.push('archive', () => archive.stop());
    const core = await startCore(
      { ...settings, redisUrl },
      {
        archive,
        clock: systemClock,
        logger: this.#logger,
        onAnswered: (waitedMs) => overload.admission?.answered(waitedMs),
      },
    );
    this.#undo.push('Redis connections', () => core.close());
    this.#undo.push('gateway', () => core.gateway.stop());
    const log = await makeLog(settings, this.#logger);
    const trust = new Trust(settings, secrets, core, { dataDir, redisUrl, overload });
    await trust.start();
    this.#undo.push('security and mail', () => trust.stop());
    const payments = makePayments(settings, secrets, core, this.#ports, overload);
    if (settings.roles.some((role) => PAYING.has(role))) {
      await payments.start();
      this.#undo.push('payments', () => payments.stop());
    }
    const parts = new Parts(settings, secrets, core, log, this.#metrics, trust, payments);
    this.#undo.push('log', () => log.stop());
    this.#undo.push('dead letters', () => parts.deadLetters.close());
    this.#undo.push('jobs of operators', () => parts.jobs.stop());
    this.#undo.push('jobs of analytics', () => parts.analyticsJobs.stop());
    if (settings.roles.some((role) => role === 'worker' || role === 'consumer')) await startLog(log);
    // Behind the checks of the topics: a start that they refuse has chosen nothing.
    await keepSalesMode(archive, settings.salesMode, () => hasOpened(archive, core.catalog.tickets));
    if (settings.roles.some((role) => SELLING.has(role))) {
      await parts.phases.start();
      this.#undo.push('sale phases', () => parts.phases.stop());
    }

    // The client last: what it forwards to is open by then.
    const order = [
      'worker',
      'consumer',
      'security',
      'user',
      'payments',
      'shop',
      'reservations',
      'analytics',
      'client',
    ] as const;
    for (const role of order) {
      this.#signal.throwIfAborted();
      if (settings.roles.includes(role)) await this.#startRole(role, parts);
    }
    // Last, because its password is told only when all has started.
    const firstOperator = settings.roles.includes('user')
      ? await trust.ensureFirstOperator(settings.operatorEmail)
      : null;
    const stopPeers = settings.peers > 0 ? await this.#startPeers(core, log) : () => Promise.resolve();
    return {
      ports: this.#ports,
      secrets,
      dataDir,
      localRedisUrl,
      firstOperator,
      mailDir: trust.mailDir,
      hasWebApp: this.#hasWebApp,
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
    const { redisUrl, mongoUrl, tokenSecret, serviceToken, smtpUrl } = this.#settings;
    const elsewhere = [redisUrl, mongoUrl, tokenSecret, serviceToken, smtpUrl];
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
      case 'client':
        return this.#startClient(parts);
      case 'worker':
        return this.#startWorker(parts);
      case 'consumer':
        return this.#startConsumer(parts);
      case 'shop':
        return this.#startShop(parts);
      case 'reservations':
        return this.#startReservations(parts);
      case 'user':
        return this.#startUser(parts);
      case 'payments':
        return this.#startPayments(parts);
      case 'analytics':
        return this.#startAnalytics(parts);
      case 'security':
        return this.#listen('security', parts, this.#settings.securityPort, parts.securityRoutes());
    }
  }

  async #startUser(parts: Parts): Promise<void> {
    const routes = [...userRoutes(parts.users()), exportRoute(parts.accountExport())];
    await this.#listen('user', parts, this.#settings.userPort, routes);
  }

  async #startPayments(parts: Parts): Promise<void> {
    const deliverer = parts.deliverer();
    deliverer.start();
    this.#undo.push('deliverer of mails', () => deliverer.stop());
    const reconciler = parts.reconciler();
    const operations = parts.operations();
    await operations.start();
    this.#undo.push('operations', () => operations.stop());
    const payouts = parts.payouts();
    const room = parts.room();
    this.#undo.push('waiting room of operators', () => room.stop());
    const routes = [
      ...room.operatorRoutes,
      ...payouts.routes,
      ...paymentRoutes(parts.payments(() => reconciler.poke())),
      ...operations.routes,
    ];
    await this.#listen('payments', parts, this.#settings.paymentsPort, routes);
    reconciler.start();
    this.#undo.push('reconciler of payments', () => reconciler.stop());
    payouts.watch.start();
    this.#undo.push('watch of payouts', () => payouts.watch.stop());
  }

  async #startWorker(parts: Parts): Promise<void> {
    const mailFeed = parts.mailFeed();
    mailFeed.start();
    this.#undo.push('feed of mails', () => mailFeed.stop());
    const worker = parts.worker(mailFeed);
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
    const queues = parts.queueWatch();
    queues.start();
    this.#undo.push('watch of the queues', () => {
      queues.stop();
      return Promise.resolve();
    });
    const endWatch = await watchConsumer(consumer, core, this.#metrics);
    this.#undo.push('watch of the consumer', () => {
      endWatch();
      return Promise.resolve();
    });
    if (this.#settings.closeAtKickoff) {
      const { catalog, gateway, clock } = core;
      const counters = (tickets: readonly TicketId[]) => core.store.counters(tickets);
      const closer = new KickoffCloser({ catalog, gateway, counters, clock, logger: this.#logger });
      closer.start();
      this.#undo.push('kick-off closer', () => closer.stop());
    }
    await this.#listen('consumer', parts, this.#settings.consumerPort, []);
  }

  /** A file, or the bundled list, fills an empty store only; a load that was cut short is finished at the next start. */
  async #seed({ core, loader }: Parts): Promise<void> {
    const { catalog, archive } = core;
    const known = new Set((await catalog.matches()).map(({ matchNumber }) => matchNumber));
    const missing: MatchEntry[] = [];
    for (const entry of await this.#firstList()) {
      if (known.size > 0 && !known.has(entry.matchNumber)) continue;
      const heads = await Promise.all(ticketsOf(entry.matchNumber).map((ticket) => archive.head(ticket)));
      // A ticket without any history was never opened.
      if (heads.some((head) => head === null)) missing.push(entry);
    }
    if (missing.length === 0) return;
    this.#logger.info({ matches: missing.length }, 'no brokers: loading the master list');
    await loader.load(missing, { source: 'bundled' });
  }

  async #firstList(): Promise<readonly MatchEntry[]> {
    const { masterlistFile } = this.#settings;
    if (masterlistFile === undefined) return bundledMasterList();
    try {
      return await listOfFile(masterlistFile);
    } catch (error) {
      throw new StartupError(`MASTERLIST_FILE: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #startShop(parts: Parts): Promise<void> {
    const { core } = parts;
    const model = new ReadModel({
      counters: core.counters,
      catalog: core.catalog,
      sales: parts.phases,
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
    const recommendations = parts.recommendations(model);
    recommendations.start();
    this.#undo.push('recommendations', () => recommendations.stop());
    const routes = [
      ...shopRoutes({ model, stream, salesMessages: parts.salesMessages() }),
      ...recommendations.routes,
    ];
    this.#stale = staleMatches(model);
    await this.#listen('shop', parts, this.#settings.shopPort, routes, [() => stream.close()]);
  }

  async #startReservations(parts: Parts): Promise<void> {
    const tickets = parts.tickets();
    this.#undo.push('look-up of guests', () => tickets.lookup.stop());
    const endSale = parts.saleGate.start();
    this.#undo.push('codes of sale phases', () => {
      endSale();
      return Promise.resolve();
    });
    const room = parts.room();
    await room.start();
    // Who is refused at the door never comes to where it measures.
    this.#overload.hearHolds((share) => room.shed(share));
    this.#undo.push('waiting room', () => room.stop());
    const routes = [
      ...room.routes(parts.buyers()),
      ...reservationRoutes(parts.reservations()),
      ...ticketRoutes(tickets),
      ...checkInRoutes(parts.checkIn()),
      ...waitingListRoutes(parts.waitingList()),
    ];
    await this.#listen('reservations', parts, this.#settings.reservationsPort, routes);
  }

  async #startAnalytics(parts: Parts): Promise<void> {
    const analytics = parts.analytics(this.#dataDir);
    await analytics.start();
    this.#undo.push('analytics', () => analytics.stop());
    await this.#listen('analytics', parts, this.#settings.analyticsPort, []);
  }

  async #startClient(parts: Parts): Promise<void> {
    const settings = this.#settings;
    const { makeWeb, upstreamUrl, WEB_DIR } = await import('./web.js');
    const web = await makeWeb({
      dir: WEB_DIR,
      settings,
      url: (upstream) => upstreamUrl(settings, this.#ports, upstream),
      isHere: (upstream) => this.#ports.has(upstream),
      seal: parts.seal,
      gate: parts.gate,
      clock: systemClock,
      logger: this.#logger,
    });
    this.#undo.push('forwarding', () => web.stop());
    this.#hasWebApp = web.isBuilt;
    const { mount } = web;
    await this.#listen('client', parts, settings.clientPort, [], [() => web.endStreams()], { mount });
  }

  /** The dashboard is loaded where there is one. */
  async #operatorPages(parts: Parts): Promise<Mount> {
    const { adminRouter } = await import('../http/admin.js');
    return (app) => {
      app.use(adminRouter(parts.admin()));
    };
  }

  async #listen(
    role: Role,
    parts: Parts,
    port: number,
    routes: ServiceOptions['routes'],
    onClosing: readonly (() => void)[] = [],
    own: { readonly mount?: Mount } = {},
  ): Promise<void> {
    const { admission, onShed } = this.#overload;
    // What a door of this process refuses is not asked for at the shop's again.
    const stale = role === 'shop' || role === 'client' ? this.#stale : undefined;
    const mount = own.mount ?? (role === 'worker' ? () => undefined : await this.#operatorPages(parts));
    const service = createService({
      info: { title: `ticktak ${role}`, version: VERSION, description: `The ${role} service of ticktak.` },
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
      ...(admission && { door: { admission, onShed, ...(stale && { stale }) } }),
      breakers: () => this.#overload.states(),
      gate: parts.gate,
      ...trustProxyOf(this.#settings),
      ...corsOf(this.#settings),
      // Browsers reach the client role itself: nobody speaks for them.
      ...(role !== 'client' && { forwarded: parts.seal }),
      mount,
    });
    this.#ports.set(role, await service.listen(this.#settings.host, port));
    this.#undo.push(`HTTP service of the ${role}`, () => service.close());
    parts.services.push(service);
  }
}

const listOf = (text: string): string[] => text.split(',').map((part) => part.trim());

/** Hops are a number to Express, addresses a list. */
function trustProxyOf({ trustProxy }: Settings): Pick<ServiceOptions, 'trustProxy'> {
  if (trustProxy === undefined) return {};
  return { trustProxy: /^\d+$/.test(trustProxy) ? Number(trustProxy) : trustProxy };
}

function corsOf({ corsOrigins }: Settings): Pick<ServiceOptions, 'corsOrigins'> {
  return corsOrigins === undefined ? {} : { corsOrigins: listOf(corsOrigins) };
}

/** Makes the parts of the roles, each at most once. */
class Parts {
  readonly core: Core;
  readonly deadLetters: DeadLetterQueue;
  readonly jobs: LongJobs;
  readonly analyticsJobs: AnalyticsJobs;
  readonly loader: MasterListLoader;
  readonly services: Service[] = [];
  readonly #settings: Settings;
  readonly #secrets: Secrets;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #trust: Trust;
  readonly #payments: PaymentProvider;
  readonly #records: PaymentRecords;
  readonly #flow: PaymentFlow;
  readonly gate: Gate;
  /** Of the client role's word about whom it forwards for. */
  readonly seal: ForwardedSeal;
  readonly #idempotency: Idempotency;
  #deliverer: MailDeliverer | null = null;
  #worker: WorkerRole | null = null;
  #room: WaitingRoomRole | null = null;
  readonly #shares: Shares;
  readonly #admissions: AdmissionRecords;
  readonly #tickets: TicketDesk;
  readonly phases: PhaseBook;
  readonly #codes: CodeSets;
  readonly saleGate: SaleGate;

  constructor(
    settings: Settings,
    secrets: Secrets,
    core: Core,
    log: Log,
    metrics: Metrics,
    trust: Trust,
    payments: PaymentProvider,
  ) {
    this.core = core;
    this.#trust = trust;
    this.#payments = payments;
    this.#settings = settings;
    this.#secrets = secrets;
    this.#metrics = metrics;
    const { archive, clock, logger, redis, keys, gateway, catalog, reader } = core;
    this.#log = log;
    this.seal = new ForwardedSeal(secrets.serviceToken, clock);
    const { devices } = trust;
    this.gate = createGate({ tokens: trust.access.tokens, security: trust.security, devices });
    this.#records = new PaymentRecords(archive);
    const { paymentAttemptsMax, disputes, paymentTimeoutMs, paymentCheckMs, publicUrl } = settings;
    this.#flow = new PaymentFlow({
      gateway,
      provider: payments,
      reader,
      records: this.#records,
      clock,
      logger,
      policy: {
        paymentAttemptsMax,
        disputes,
        // By then the request that made it was answered.
        attemptOpenMs: 2 * paymentTimeoutMs,
        checkMs: paymentCheckMs,
        commandMs: settings.replyWaitMs,
      },
      providerWaitMs: paymentTimeoutMs,
      unkeyedOutcomeMs: settings.unkeyedOutcomeMs,
      newId: randomUUID,
      returnUrl: (id) => `${publicUrl}/reservations/${id}`,
      taxPercent: settings.taxPercent,
      onSold: (reservation, { cardFingerprint: fingerprint = reservation.card }) => {
        metrics.sales.inc();
        const person = subjectOf(reservation);
        trust.security.tell({ kind: 'bought', person });
        // A guest with the same mailbox has bought too.
        if (person !== reservation.person)
          trust.security.tell({ kind: 'bought', person: reservation.person });
        // The card that was charged, which a browser may have changed after another was presented.
        if (fingerprint !== undefined) trust.security.tell({ kind: 'card', person, fingerprint });
      },
      onLate: (reservation, outcome) => trust.tellLate(reservation, outcome),
      onGivenBack: (payment, why) => trust.auditGivenBack(payment, why),
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
    this.#shares = new Shares({ documents: archive, clock });
    const { ticketSecret = secrets.tokenSecret, ticketKeysPast } = settings;
    this.#admissions = new AdmissionRecords(archive);
    this.#tickets = new TicketDesk({
      records: this.#admissions,
      shares: this.#shares,
      codes: new TicketCodes({
        secret: ticketSecret,
        ...(ticketKeysPast !== undefined && { pastKeys: listOf(ticketKeysPast) }),
      }),
      mail: trust.ticketMail(),
      audit: trust.audit,
      clock,
      findReservation: (id) => reader.find(id),
      emailOf: (account) => trust.emailOf(account),
    });
    this.deadLetters = new DeadLetterQueue({ redis, prefix: keys.queuePrefix, archive, clock, logger });
    this.jobs = new LongJobs({ redis, prefix: keys.queuePrefix, logger });
    this.analyticsJobs = new AnalyticsJobs({ redis, prefix: keys.queuePrefix, logger });
    const { replyWaitMs: waitMs } = settings;
    this.phases = new PhaseBook({ documents: archive, redis, bus: core.bus, keys, clock, logger, waitMs });
    this.#codes = new CodeSets({ documents: archive, secret: secrets.tokenSecret, clock, waitMs });
    const { security } = trust;
    this.saleGate = new SaleGate({ book: this.phases, codes: this.#codes, security, countryOf, clock });
    this.loader = new MasterListLoader(catalog, gateway, { clock, currency: settings.currency });
  }

  /** What workers archive is mailed about. */
  mailFeed(): MailFeed {
    const { archive, clock, logger, catalog } = this.core;
    return new MailFeed({
      archive,
      mails: this.#trust.mails,
      clock,
      logger,
      tickets: () => catalog.tickets,
      onQueued: () => this.#deliverer?.poke(),
    });
  }

  /** Beside the reconciler of payments: writing mails must not keep actors waiting. */
  deliverer(): MailDeliverer {
    const { clock, logger, catalog } = this.core;
    const { publicUrl, taxName, taxPercent } = this.#settings;
    const { mailCheckMs, mailsPerSecondMax, mailGiveUpMs } = this.#settings;
    const { mails, mailer, users } = this.#trust;
    const { tokenSecret } = this.#secrets;
    // A series that begins with its first event has no rise that a rule could see.
    for (const kind of Object.keys(QUEUED))
      for (const outcome of DELIVERIES) this.#metrics.mails.inc({ kind, outcome }, 0);
    const writer = new MailWriter({
      clock,
      publicUrl,
      taxName,
      taxPercent,
      tokenOf: (id) => guestToken(tokenSecret, id),
      matches: () => catalog.matches(),
      noticeOf: (matchNumber) => catalog.notices.matches.get(matchNumber),
      payment: (id) => this.#records.get(id),
      accountLocale: (of) => users.localeOf(of),
      attach: attachTickets({
        desk: this.#tickets,
        pdf: new PdfDesk(),
        findReservation: (id) => this.core.reader.find(id),
        match: (matchNumber) => catalog.match(matchNumber),
      }),
    });
    this.#deliverer = new MailDeliverer({
      mails,
      writer,
      mailer,
      clock,
      logger,
      everyMs: mailCheckMs,
      perSecondMax: mailsPerSecondMax,
      giveUpMs: mailGiveUpMs,
      mayMail: (address, perHourMax) => this.#trust.mayMail(address, perHourMax),
      onDelivery: (kind, outcome) => this.#metrics.mails.inc({ kind, outcome }),
      onDue: (count, oldestMs) => {
        this.#metrics.mailsDue.set(count);
        this.#metrics.mailsOldestSeconds.set(oldestMs / 1_000);
      },
    });
    return this.#deliverer;
  }

  worker(mailFeed: MailFeed): WorkerRole {
    const { clientId, salesTopic: topic, publishClientIdInValue: clientIdInValue } = this.#settings;
    const ordered = isOrdered(this.#settings);
    const metrics = new WorkerMetrics(this.#metrics, (reservation) =>
      this.#trust.security.tell({ kind: 'expired', person: subjectOf(reservation) }),
    );
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
      { ...this.#settings, policy: { ...this.#settings, ordered } },
      {
        log: this.#log,
        encode: (event) => encodeSale(event, { clientId, topic, clientIdInValue, ordered }),
        identify: (record) => ownEventOf(record, clientId),
        settle: async (reservation) => {
          await this.#flow.settle(reservation);
        },
        deadLetter: (ticket, reason, raw) => this.#bury(ticket, reason, raw),
        observe: metrics,
        onPulse: (pulses) => metrics.pulse(pulses, worker, this.core.clock.now()),
        onArchived: (ticket, events) => mailFeed.heard(ticket, events),
      },
    );
    this.#worker = worker;
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
    const { batchCommandsMax, commandsWaitingMax } = this.#settings;
    const { gateway, clock, logger, store, archive } = this.core;
    for (const outcome of HANDLED_KINDS) this.#metrics.messages.inc({ outcome }, 0);
    return new SalesConsumer({
      log: this.#log,
      gateway,
      loader: this.loader,
      deadLetters: this.deadLetters,
      clock,
      logger,
      clientId,
      ordered: isOrdered(this.#settings),
      masterlistTopic,
      salesTopic,
      togetherMax: Math.min(TOGETHER_MAX, batchCommandsMax, commandsWaitingMax),
      keepMs: idempotencyMs,
      isOpen: async (ticket) => (await store.counters([ticket])).length > 0,
      tookEffect: (ticket, commandId) => archive.hasCommand(ticket, commandId),
      durability: new RedisDurability(this.core),
      onHandled: (kind) => this.#metrics.messages.inc({ outcome: kind }),
      waitMs: this.#settings.salesMessageWaitMs,
      waitingMax: this.#settings.salesMessageWaitingMax,
    });
  }

  queueWatch(): QueueWatch {
    const { catalog, store, redis, keys, clock, logger } = this.core;
    return new QueueWatch({
      tickets: () => catalog.tickets,
      store,
      countWorkers: () => redis.zcount(keys.workers, clock.now(), '+inf'),
      deadLetters: this.deadLetters,
      clock,
      logger,
      metrics: this.#metrics,
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

  recommendations(model: ReadModel): Recommendations {
    const { core } = this;
    const { closeAtKickoff: closesAtKickoff, replyWaitMs: waitMs } = this.#settings;
    const intake = makeViewIntake({ settings: this.#settings, secrets: this.#secrets, core });
    return makeRecommendations({ core, model, intake, closesAtKickoff, waitMs });
  }

  readonly #knows = (ticket: TicketId): Promise<boolean> => Promise.resolve(this.core.catalog.has(ticket));

  room(): WaitingRoomRole {
    const { core } = this;
    const [settings, trust, metrics] = [this.#settings, this.#trust, this.#metrics];
    return (this.#room ??= makeWaitingRoom({ settings, core, trust, metrics }));
  }

  reservations(): ReservationsOptions {
    const { gateway, reader, clock, archive, redis, keys } = this.core;
    const { guests, taxName, taxPercent, replyWaitMs } = this.#settings;
    const { ticketsPerReservationMax, waitingListMax } = this.#settings;
    const { tokenSecret } = this.#secrets;
    const { users } = this.#trust;
    const isEmailConfirmed = (email: string): Promise<boolean> => users.isEmailConfirmed(email);
    return {
      gateway: this.room().measured(gateway),
      isUnderWay: (ticket, id) => gateway.isUnderWay(ticket, id),
      reader,
      clock,
      flow: this.#flow,
      idempotency: this.#idempotency,
      metrics: this.#metrics,
      buyers: this.buyers(),
      room: this.room().gate,
      pauseMessage: (ticket) => pauseOf(this.core.catalog.notices, ticket)?.message ?? null,
      archived: archive,
      accountIndex: new AccountIndex(redis, keys, clock),
      records: this.#records,
      isEmailConfirmed,
      guests,
      guestPurchases: new GuestPurchases({ documents: archive, clock, keepMs: GUEST_PURCHASE_MS }),
      taxName,
      taxPercent,
      tokenSecret,
      ticketsPerReservationMax,
      waitingListMax,
      waitMs: replyWaitMs,
      countryOf,
      sale: this.saleGate,
      knows: this.#knows,
    };
  }

  #waitingLists(): WaitingLists {
    const { reader, clock, archive, catalog, redis, keys } = this.core;
    return new WaitingLists({
      lists: new RedisWaitingLists(redis, keys),
      tickets: () => catalog.tickets,
      archived: archive,
      accountIndex: new AccountIndex(redis, keys, clock),
      reader,
      clock,
      waitMs: this.#settings.replyWaitMs,
    });
  }

  waitingList(): WaitingListRoutesOptions {
    const { gateway, catalog } = this.core;
    const { ticketsPerReservationMax } = this.#settings;
    return {
      gateway,
      lists: this.#waitingLists(),
      idempotency: this.#idempotency,
      buyers: this.buyers(),
      pauseMessage: (ticket) => pauseOf(catalog.notices, ticket)?.message ?? null,
      tokenSecret: this.#secrets.tokenSecret,
      ticketsPerReservationMax,
      countryOf,
      knows: this.#knows,
      sale: this.saleGate,
      room: this.room().gate,
    };
  }

  buyers(): Buyers {
    const { security, users, devices, requireOperator } = this.#trust;
    const { guests } = this.#settings;
    const { tokenSecret } = this.#secrets;
    const isEmailConfirmed = (email: string): Promise<boolean> => users.isEmailConfirmed(email);
    return new Buyers({ guests, tokenSecret, security, isEmailConfirmed, devices, requireOperator });
  }

  tickets(): TicketRoutesOptions {
    const { reader, clock, archive, logger } = this.core;
    const { buyerRefunds, buyerRefundUntilMs, closeAtKickoff, replyWaitMs: waitMs } = this.#settings;
    const { audit, requireSteward } = this.#trust;
    const findReservation = (id: string) => reader.find(id);
    const match = (matchNumber: number) => this.core.catalog.match(matchNumber);
    const refunds = new BuyerRefunds({
      desk: this.#tickets,
      flow: this.#flow,
      payments: this.#records,
      clock,
      findReservation,
      isAllowed: buyerRefunds,
      until: async (matchNumber) => {
        const found = closeAtKickoff ? await match(matchNumber) : null;
        return found && Date.parse(found.dateUtc) - buyerRefundUntilMs;
      },
      offeredUntil: (matchNumber) =>
        this.core.catalog.notices.matches.get(matchNumber)?.rescheduled?.refundUntil ?? null,
    });
    const lookup = new GuestLookup({
      archived: archive,
      findReservation,
      shares: this.#shares,
      mail: this.#trust.ticketMail(),
      clock,
      logger,
      waitMs,
    });
    return {
      desk: this.#tickets,
      refunds,
      lookup,
      pdf: new PdfDesk(),
      buyers: this.buyers(),
      idempotency: this.#idempotency,
      audit,
      clock,
      waitMs,
      findReservation,
      match,
      requireSteward,
    };
  }

  checkIn(): CheckInRoutesOptions {
    const { clock, archive, catalog, counters, store } = this.core;
    const { audit, requireSteward } = this.#trust;
    const conflicts = new ConflictRecords(archive);
    const records = this.#admissions;
    // A match that will not be played lets nobody in; its actors know first.
    const isCancelled = async (matchNumber: number): Promise<boolean> =>
      (await this.core.store.counters(ticketsOf(matchNumber))).some(({ cancelled }) => cancelled === true);
    return {
      desk: new CheckInDesk({
        desk: this.#tickets,
        records,
        conflicts,
        clock,
        counters: (tickets) => counters.read(tickets),
        isCancelled,
      }),
      lists: new CheckInLists({
        records,
        codes: this.#tickets.codes,
        clock,
        sold: (ticket) => store.sold(ticket),
        isCancelled,
      }),
      conflicts,
      audit,
      clock,
      waitMs: this.#settings.replyWaitMs,
      matches: () => catalog.matches(),
      isCancelled,
      requireSteward,
    };
  }

  accountExport(): AccountExport {
    const { reader, clock, archive, redis, keys } = this.core;
    const { taxName, taxPercent, replyWaitMs: waitMs } = this.#settings;
    const { users, access, audit } = this.#trust;
    const waitingLists = this.#waitingLists();
    return new AccountExport({
      account: (id) => users.account(id),
      sessions: access.sessions,
      audit,
      archived: archive,
      accountIndex: new AccountIndex(redis, keys, clock),
      findReservation: (id) => reader.find(id),
      payments: this.#records,
      desk: this.#tickets,
      waitingOf: async (principal) =>
        (await waitingLists.mine(principal)).map((standing) => entryJson(standing, null)),
      clock,
      waitMs,
      taxName,
      taxPercent,
    });
  }

  users() {
    const { users, operators, access, security, devices, secureCookies, operatorSecondFactor } = this.#trust;
    const { publicUrl } = this.#settings;
    const { clock } = this.core;
    return {
      users,
      operators,
      access,
      clock,
      security,
      devices,
      verdictProblem,
      operatorSecondFactor,
      secureCookies,
      publicUrl,
    };
  }

  securityRoutes(): Route[] {
    const { local, audit, requireOperator } = this.#trust;
    return securityRoutes({
      security: local,
      audit,
      requireOperator,
      serviceToken: this.#secrets.serviceToken,
    });
  }

  reconciler(): Reconciler {
    const { clock, logger } = this.core;
    return new Reconciler({
      flow: this.#flow,
      provider: this.#payments,
      records: this.#records,
      clock,
      logger,
      everyMs: this.#settings.reconcileMs,
      onDue: ({ count, oldestMs, stuck }) => {
        this.#metrics.paymentsDue.set(count);
        this.#metrics.paymentsOldestDueSeconds.set(oldestMs / 1_000);
        this.#metrics.paymentsStuck.set(stuck);
      },
    });
  }

  payouts(): { readonly routes: readonly Route[]; readonly watch: PayoutWatch } {
    const { archive, clock, logger } = this.core;
    const { currency, payoutCompareMs } = this.#settings;
    const provider = this.#payments;
    const results = new PayoutResults(archive, clock);
    const desk = new PayoutDesk({ provider, records: this.#records, results, clock, currency });
    return {
      routes: payoutRoutes({ desk, requireOperator: this.#trust.requireOperator }),
      watch: new PayoutWatch({
        desk,
        provider,
        results,
        clock,
        logger,
        everyMs: payoutCompareMs,
        onMismatches: (count) => this.#metrics.paymentMismatches.set(count),
      }),
    };
  }

  analytics(dataDir: string): Analytics {
    return makeAnalytics({
      settings: this.#settings,
      secrets: this.#secrets,
      core: this.core,
      dataDir,
      metrics: this.#metrics,
      jobs: this.analyticsJobs,
    });
  }

  operations(): Operations {
    return makeOperations({
      settings: this.#settings,
      core: this.core,
      trust: this.#trust,
      metrics: this.#metrics,
      flow: this.#flow,
      records: this.#records,
      deadLetters: this.deadLetters,
      jobs: this.jobs,
      phases: this.phases,
      codes: this.#codes,
    });
  }

  payments(poke: () => void) {
    const { clock, archive } = this.core;
    const { taxName, taxPercent, replyWaitMs, stripePublishableKey } = this.#settings;
    return {
      provider: this.#payments,
      flow: this.#flow,
      records: this.#records,
      documents: archive,
      idempotency: this.#idempotency,
      audit: this.#trust.audit,
      clock,
      waitMs: replyWaitMs,
      poke,
      requireOperator: this.#trust.requireOperator,
      publishableKey: stripePublishableKey,
      taxName,
      taxPercent,
    };
  }

  admin() {
    const { catalog, queues, clock } = this.core;
    const { users, access, requireOperator, security, secureCookies, audit } = this.#trust;
    return {
      door: {
        gate: this.gate,
        users,
        tokens: access.tokens,
        requireOperator,
        security,
        adminToken: this.#settings.adminToken,
        secureCookies,
      },
      audit,
      queues: () => [
        this.deadLetters.queue,
        this.jobs.queue,
        this.analyticsJobs.queue,
        ...catalog.tickets.map((ticket) => queues.queue(ticket)),
      ],
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
      ...(this.#worker ? [{ name: 'version of data', check: () => this.#knowsAll() }] : []),
    ];
  }

  /** Rejects while the worker leaves tickets to a newer version. */
  #knowsAll(): Promise<void> {
    const [first] = this.#worker?.host.newer ?? [];
    return first ? Promise.reject(new Error(first.reason)) : Promise.resolve();
  }
}
