/**
 * The role `analytics`, put together: it keeps the data lake, trains on it and answers what is asked of it. Each part
 * is a folder of src/analytics; here they get what they stand on.
 */
import { join } from 'node:path';
import type { Settings } from '../../config/settings.js';
import { Erasures, personsOfAccount } from '../analytics/lake/erasures.js';
import { RedisViewIntake, ViewStream } from '../analytics/lake/intake.js';
import { LakeKeeper, type Round } from '../analytics/lake/keeper.js';
import { Lake } from '../analytics/lake/lake.js';
import { Persons } from '../analytics/lake/persons.js';
import { readDataset } from '../analytics/lake/dataset.js';
import type { Dataset } from '../analytics/model/dataset.js';
import { Models } from '../analytics/model/models.js';
import { makeTraining } from '../analytics/model/training.js';
import type { ViewIntake } from '../analytics/views.js';
import type { Metrics } from '../http/metrics.js';
import { minorOf } from '../payments/settlement.js';
import type { AnalyticsJobs } from '../queues/analytics-jobs.js';
import { accountsErased } from '../users/accounts.js';
import type { Core } from './core.js';
import type { Secrets } from './data-dir.js';
import { Loop } from './loop.js';

export interface AnalyticsDeps {
  readonly settings: Settings;
  readonly secrets: Pick<Secrets, 'tokenSecret'>;
  readonly core: Core;
  readonly dataDir: string;
  readonly metrics: Metrics;
  readonly jobs: AnalyticsJobs;
}

export interface Analytics {
  start(): Promise<void>;
  /** Resolves when what was under way has come to a place where it can be taken up again. */
  stop(): Promise<void>;
}

/** Views that are written at once. */
const VIEWS_BATCH_MAX = 5_000;
/** How often accounts are looked for that were erased and are not listed, after the first look. */
const ERASED_LOOK_MS = 24 * 3_600_000;

export const lakeDirOf = ({ lakeDir }: Pick<Settings, 'lakeDir'>, dataDir: string): string =>
  lakeDir ?? join(dataDir, 'lake');

/** A training waits so long for a lake that has all bookings. Where another process keeps it, that is not known here. */
const WHOLE_WAIT_MS_MAX = 5 * 60_000;
const WHOLE_LOOK_MS = 500;
/** Where chance comes in, it is always the same: the same lake gives the same model. */
const TRAINING_SEED = 1;

export function makeAnalytics(deps: AnalyticsDeps): Analytics {
  const { settings, secrets, core, dataDir, metrics, jobs } = deps;
  const { archive, catalog, clock, counters, keys, logger, redis } = core;
  const persons = new Persons(secrets.tokenSecret);
  const erasures = new Erasures(archive);
  const lake = new Lake({
    dir: lakeDirOf(settings, dataDir),
    limits: { memoryMb: settings.lakeMemoryMb, threads: settings.lakeThreads },
    clock,
  });
  const keeper = new LakeKeeper({
    lake,
    archive,
    clock,
    logger,
    persons,
    erasures,
    views: new ViewStream({ redis, key: keys.views, batchMax: VIEWS_BATCH_MAX }),
    clientId: settings.clientId,
    batchEventsMax: settings.lakeBatchEventsMax,
    daysKept: daysKeptOf(settings),
    everyMs: settings.lakeEveryMs,
    tickets: () => catalog.tickets,
    subscribe: (onChange, onReset) => {
      const ends = [counters.subscribe(onChange, onReset), catalog.subscribe(onReset)];
      return () => ends.forEach((end) => end());
    },
    onRound: (round) => tell(metrics, round, clock.now()),
  });
  // Accounts that were erased before there was a lake, or by a version that did not know it.
  const lookForErased = new Loop({
    clock,
    everyMs: ERASED_LOOK_MS,
    work: async () => {
      for await (const account of accountsErased(archive)) {
        for (const person of personsOfAccount(persons, account)) await erasures.add(person, clock.now());
      }
    },
    failed: (error) => logger.warn({ err: error }, 'the look for erased accounts failed; trying again'),
  });
  let isStopping = false;
  /** A lake that is being made, or made anew, has half of what there is to learn. */
  const whole = async (): Promise<void> => {
    const until = clock.now() + WHOLE_WAIT_MS_MAX;
    while (!keeper.standing().isComplete && !isStopping && clock.now() < until) {
      await new Promise<void>((resolve) => void clock.schedule(WHOLE_LOOK_MS, resolve));
    }
  };
  const dataset = async (): Promise<Dataset> => {
    await whole();
    const prices = new Map<number, number>();
    for (const { matchNumber, price, currency } of await counters.read(catalog.tickets)) {
      const priceMinor = minorOf({ unitPrice: price, currency }, 1);
      const known = prices.get(matchNumber);
      if (known === undefined || priceMinor < known) prices.set(matchNumber, priceMinor);
    }
    return readDataset(lake, await catalog.matches(), { priceMinorOf: (number) => prices.get(number) });
  };
  const training = makeTraining({
    jobs,
    models: new Models(archive),
    dataset,
    clock,
    logger,
    everyMs: settings.modelTrainingMs,
    seed: TRAINING_SEED,
  });
  return {
    async start() {
      keeper.start();
      lookForErased.start();
      await training.start();
    },
    async stop() {
      isStopping = true;
      await training.stop();
      await lookForErased.stop();
      await keeper.stop();
      await lake.stop();
    },
  };
}

/** For the service that hears of views and searches. */
export function makeViewIntake({
  settings,
  secrets,
  core,
}: Omit<AnalyticsDeps, 'dataDir' | 'metrics' | 'jobs'>): ViewIntake {
  const { catalog, clock, keys, redis } = core;
  return new RedisViewIntake({
    redis,
    key: keys.views,
    persons: new Persons(secrets.tokenSecret),
    matches: () => catalog.matches(),
    clock,
    waitingMax: settings.viewsWaitingMax,
    waitingBytesMax: settings.viewsWaitingBytesMax,
  });
}

export const daysKeptOf = ({ lakeBookingDays, lakeViewDays }: Settings) => ({
  bookings: lakeBookingDays,
  views: lakeViewDays,
  searches: lakeViewDays,
});

function tell(metrics: Metrics, { isWriter, bookings, standing, files }: Round, now: number): void {
  metrics.lakeBookings.inc(bookings);
  if (!isWriter) return;
  metrics.lakeFiles.set(files);
  if (standing.asOf !== null) metrics.lakeBehindSeconds.set(Math.max(0, now - standing.asOf) / 1_000);
}
