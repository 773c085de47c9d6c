/** The training job on a real queue, with its thread. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import type { Dataset } from '../../../src/analytics/model/dataset.js';
import { Models, type ListedModel } from '../../../src/analytics/model/models.js';
import { makeTraining, type Training, type TrainingOptions } from '../../../src/analytics/model/training.js';
import { systemClock } from '../../../src/process/clock.js';
import { AnalyticsJobs } from '../../../src/queues/analytics-jobs.js';
import { silentLogger, testRedisUrl, until } from '../../helpers/engine.js';
import { MemoryDocuments } from '../../helpers/memory-documents.js';
import { factless } from './world.js';

const HOUR_MS = 3_600_000;
const THREAD = {
  url: new URL('../../../src/analytics/model/training-thread.ts', import.meta.url),
  execArgv: ['--import', new URL('../../helpers/typescript.mjs', import.meta.url).href],
};
const ENOUGH = factless(40, 200, 4);
const WAIT_MS = 25_000;

let redis: Redis;
let models: Models;
let jobs: AnalyticsJobs;
let training: Training;

function make(dataset: () => Promise<Dataset>, more: Partial<TrainingOptions> = {}): void {
  jobs = new AnalyticsJobs({ redis, prefix: `test-${randomUUID()}`, logger: silentLogger });
  training = makeTraining({
    jobs,
    models,
    dataset,
    clock: systemClock,
    logger: silentLogger,
    everyMs: HOUR_MS,
    seed: 1,
    thread: THREAD,
    ...more,
  });
}

beforeEach(() => {
  redis = new Redis(testRedisUrl(), { maxRetriesPerRequest: null });
  models = new Models(new MemoryDocuments());
});
afterEach(async () => {
  await training.stop();
  await redis.quit();
});

async function reports(count: number): Promise<readonly ListedModel[]> {
  let listed: readonly ListedModel[] = [];
  await until(async () => (listed = await models.list()).length >= count, WAIT_MS);
  return listed;
}

test('the first run is due at once; a model that is better is in use, and the job says how it went', async () => {
  make(() => Promise.resolve(ENOUGH));
  await training.start();
  const [first] = await reports(1);
  expect(first).toMatchObject({ version: 1, isCurrent: true });
  expect(first!.report).toMatchObject({ outcome: 'taken', choices: 1_200, persons: 200, items: 40, seed: 1 });
  const { heldOut } = first!.report;
  expect(heldOut!.choices).toBeGreaterThan(50);
  expect(heldOut!.model.ndcg10).toBeGreaterThan(heldOut!.popularity.ndcg10);
  await until(async () => (await jobs.queue.getCompletedCount()) === 1, WAIT_MS);
  const [job] = await jobs.queue.getCompleted();
  expect(job!.returnvalue).toMatchObject({ version: 1, outcome: 'taken' });
  expect(job!.progress).toEqual({ step: 'saving' });

  await training.trainNow();
  const [second] = await reports(2);
  expect(second).toMatchObject({ version: 2, isCurrent: true });
  // Of the same data the same is learned.
  expect((await models.current())!.artefact.weights).toBeDefined();
  expect(second!.report.heldOut).toEqual(heldOut);
});

test('of too little nothing is learned, and the report says so', async () => {
  make(() => Promise.resolve(factless(40, 60, 4)));
  await training.start();
  const [only] = await reports(1);
  expect(only).toMatchObject({ version: 1, isCurrent: false, report: { outcome: 'too_little_data' } });
  expect(only!.report.message).toContain('360 choices of 60 persons');
  expect(await models.current()).toBeNull();
});

test('a model that is not better than popularity is kept, and not used', async () => {
  // Whoever comes chooses what chance says: there is nothing to know.
  make(() => Promise.resolve(factless(40, 200, 40)), { thread: { ...THREAD, url: NOT_BETTER } });
  await training.start();
  const [only] = await reports(1);
  expect(only).toMatchObject({ isCurrent: false, report: { outcome: 'not_better' } });
  expect(await models.current()).toBeNull();
});

test('a thread that fails or takes too long is reported, and the next run is due as ever', async () => {
  const broken = new URL('data:text/javascript,throw new Error("no luck")');
  make(() => Promise.resolve(ENOUGH), { thread: { url: broken } });
  await training.start();
  expect((await reports(1))[0]!.report).toMatchObject({
    outcome: 'failed',
    message: expect.stringContaining('no luck'),
  });
  await training.stop();

  const endless = new URL('data:text/javascript,setInterval(() => undefined, 1000)');
  make(() => Promise.resolve(ENOUGH), { thread: { url: endless }, trainingMsMax: 50 });
  await training.start();
  expect((await reports(2))[0]!.report).toMatchObject({ outcome: 'too_slow' });
});

test('a run that is stopped leaves no report, and is begun anew by whoever comes next', async () => {
  const endless = new URL('data:text/javascript,setInterval(() => undefined, 1000)');
  make(() => Promise.resolve(ENOUGH), { thread: { url: endless } });
  await training.start();
  await until(async () => (await jobs.queue.getActiveCount()) === 1, WAIT_MS);
  const { prefix } = jobs.queue.opts;
  await training.stop();
  expect(await models.list()).toEqual([]);

  jobs = new AnalyticsJobs({ redis, prefix: prefix!, logger: silentLogger });
  training = makeTraining({
    jobs,
    models,
    dataset: () => Promise.resolve(ENOUGH),
    clock: systemClock,
    logger: silentLogger,
    everyMs: HOUR_MS,
    seed: 1,
    thread: THREAD,
  });
  await training.start();
  expect((await reports(1))[0]!.report.outcome).toBe('taken');
});

/** Says that popularity was better. */
const NOT_BETTER = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads';
    const bad = { hitRate5: 0.1, ndcg10: 0.1 };
    const good = { hitRate5: 0.2, ndcg10: 0.2 };
    parentPort.postMessage({ kind: 'done', heldOut: { choices: 9, model: bad, popularity: good }, artefact: {} });
  `)}`,
);
