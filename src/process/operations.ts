/**
 * What operators see and do, put together for the service that answers them. Each part is a folder or file of
 * src/operations; here they get what they stand on.
 */
import type { Settings } from '../../config/settings.js';
import { makeDemand } from '../analytics/demand/index.js';
import type { Route } from '../http/api.js';
import type { Metrics } from '../http/metrics.js';
import { Cancellations } from '../operations/cancellation.js';
import { deadLetterRoutes } from '../operations/dead-letter-routes.js';
import { Market, marketRoutes } from '../operations/market-routes.js';
import { NoticeBoard } from '../operations/notice-board.js';
import { Rescheduling } from '../operations/rescheduling.js';
import { reservationSearchRoutes } from '../operations/reservation-routes.js';
import { makeSales, type Sales } from '../operations/sales/index.js';
import { CANCEL_JOB, RESCHEDULE_JOB, salesRoutes } from '../operations/sales-routes.js';
import { SalesStop } from '../operations/sales-stop.js';
import { systemRoutes, type ConsumerView } from '../operations/system-routes.js';
import type { PhaseBook } from '../phases/book.js';
import type { CodeSets } from '../phases/codes.js';
import { phaseRoutes } from '../phases/routes.js';
import type { PaymentFlow } from '../payments/flow.js';
import type { PaymentRecords } from '../payments/records.js';
import type { DeadLetterQueue } from '../queues/dead-letter-queue.js';
import type { LongJobs } from '../queues/long-jobs.js';
import { AdmissionRecords } from '../tickets/records.js';
import type { ConsumerStanding } from './consumer-watch.js';
import type { Core } from './core.js';
import { Loop } from './loop.js';
import type { Trust } from './trust.js';

export interface OperationsDeps {
  readonly settings: Settings;
  readonly core: Core;
  readonly trust: Trust;
  readonly metrics: Metrics;
  readonly flow: PaymentFlow;
  readonly records: PaymentRecords;
  readonly deadLetters: DeadLetterQueue;
  readonly jobs: LongJobs;
  readonly phases: PhaseBook;
  readonly codes: CodeSets;
}

export interface Operations {
  readonly routes: readonly Route[];
  start(): Promise<void>;
  /** Resolves when what was under way has come to a place where it can be taken up again. */
  stop(): Promise<void>;
}

/** A consumer that has said nothing for so long is gone. */
const CONSUMER_SILENT_MS = 10_000;
/** How often open work is looked for that nobody has as a job, as after a loss of Redis. */
const JOBS_LOOK_MS = 10_000;
/** How often it is looked whether every ticket, and every process, stands as operators decided. */
const SALES_LOOK_MS = 5_000;
/** How often the gauges of what other marketplaces left open are set. */
const MARKET_LOOK_MS = 15_000;

export function makeOperations(deps: OperationsDeps): Operations {
  const { settings, core, trust, metrics, flow, records, deadLetters, jobs } = deps;
  const { archive, catalog, clock, gateway, keys, logger, reader, redis, store } = core;
  const { requireOperator, audit, mails } = trust;
  const { replyWaitMs: waitMs } = settings;
  const operators = { requireOperator, audit, clock, waitMs };
  const board = new NoticeBoard({ documents: archive, catalog });
  const admissions = new AdmissionRecords(archive);
  const live = store.live.bind(store);
  const counters = store.counters.bind(store);
  const tickets = () => catalog.tickets;
  const emailOf = (account: string): Promise<string> => trust.emailOf(account);
  const match = (matchNumber: number) => catalog.match(matchNumber);
  const stop = new SalesStop({ board, gateway, counters, tickets, clock, logger });
  const cancellations = new Cancellations({
    board,
    gateway,
    flow,
    live,
    counters,
    archive,
    mails,
    admissions,
    emailOf,
    clock,
    logger,
  });
  const rescheduling = new Rescheduling({ board, live, mails, admissions, emailOf, clock });
  const sales = salesOf(deps);
  const readMarket = store.market.bind(store);
  const market = new Market({ tickets, read: readMarket });

  const routes: Route[] = [
    ...systemRoutes({
      ...operators,
      tickets,
      store,
      workers: () => redis.zrangebyscore(keys.workers, clock.now(), '+inf'),
      consumers: async () => consumersOf(await redis.hgetall(keys.consumers), clock.now()),
      deadLettersOpen: () => deadLetters.open(),
      mailsDue: (limit) => mails.due(limit),
      paymentsUnsettled: async (limit) => (await records.unsettled(limit)).length,
      paymentsStuck: () => records.countStuck(),
    }),
    ...salesRoutes({ ...operators, stop, board, cancellations, rescheduling, jobs, match }),
    ...marketRoutes({
      ...operators,
      market,
      gateway,
      knows: (ticket) => catalog.has(ticket),
      flaggedAfterMs: settings.remoteHoldFlagMs,
    }),
    ...phaseRoutes({ ...operators, book: deps.phases, codes: deps.codes, match }),
    ...deadLetterRoutes({ ...operators, archive, letters: deadLetters }),
    ...reservationSearchRoutes({
      ...operators,
      archived: archive,
      find: (id) => reader.find(id),
      payments: records,
      mails,
      taxName: settings.taxName,
      taxPercent: settings.taxPercent,
    }),
    ...sales.routes,
    ...makeDemand({
      ...operators,
      book: sales.book,
      standing: sales.standing,
      matches: () => catalog.matches(),
      tickets,
      counters,
      market: readMarket,
      clientId: settings.clientId,
    }),
  ];

  /** Whatever was begun and is not done has a job, also after a loss of Redis. */
  const addOpenJobs = async (): Promise<void> => {
    for (const { matchNumber, cancellation, reschedule } of await board.changes()) {
      if (cancellation && cancellation.state !== 'done') await jobs.add(CANCEL_JOB, String(matchNumber));
      if (reschedule && reschedule.finishedAt === undefined) {
        await jobs.add(RESCHEDULE_JOB, String(matchNumber));
      }
    }
  };
  const every = (everyMs: number, what: string, work: () => Promise<unknown>): Loop =>
    new Loop({
      clock,
      everyMs,
      work,
      failed: (error) => logger.warn({ err: error }, `${what} failed; trying again`),
    });
  const loops = [
    every(JOBS_LOOK_MS, 'the look for open work of operators', addOpenJobs),
    every(MARKET_LOOK_MS, 'the look for what other marketplaces left open', async () => {
      const { orphans, holds } = await market.open();
      const flaggedBefore = clock.now() - settings.remoteHoldFlagMs;
      metrics.orphansOpen.set(orphans.length);
      metrics.remoteHoldsFlagged.set(holds.filter(({ heldSince }) => heldSince < flaggedBefore).length);
    }),
    every(SALES_LOOK_MS, 'the look whether sales stand as decided', async () => {
      await board.restore();
      await stop.enforce();
    }),
  ];
  return {
    routes,
    async start() {
      await jobs.start({
        [CANCEL_JOB]: ({ key, ...run }) => cancellations.run(Number(key), run),
        [RESCHEDULE_JOB]: ({ key, ...run }) => rescheduling.run(Number(key), run),
      });
      for (const loop of loops) loop.start();
      sales.start();
    },
    async stop() {
      await Promise.all([sales.stop(), ...loops.map((loop) => loop.stop())]);
      await jobs.stop();
    },
  };
}

function consumersOf(said: Readonly<Record<string, string>>, now: number): ConsumerView[] {
  return Object.entries(said)
    .map(([id, json]) => ({ id, ...(JSON.parse(json) as ConsumerStanding) }))
    .filter(({ at }) => at > now - CONSUMER_SILENT_MS);
}

function salesOf({ settings, core, trust }: OperationsDeps): Sales {
  const { archive, clock, logger, catalog, counters } = core;
  const { clientId, currency, replyWaitMs: waitMs } = settings;
  return makeSales({
    archive,
    clock,
    logger,
    clientId,
    currency,
    waitMs,
    requireOperator: trust.requireOperator,
    matches: () => catalog.matches(),
    tickets: () => catalog.tickets,
    subscribe: (onChange, onReset) => {
      const ends = [counters.subscribe(onChange, onReset), catalog.subscribe(onReset)];
      return () => ends.forEach((end) => end());
    },
  });
}
