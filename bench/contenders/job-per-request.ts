import type { Contender } from '../contender.js';
import { FSYNC_MEANS, type Fsync } from '../program.js';
import { startOnRedis, type HoldCase } from './holds.js';

/** BullMQ and Redlock as their documentation shows them: a job per request, a lock around each. */
export const jobPerRequest = (fsync: Fsync): Contender<HoldCase> => ({
  id: `job/${fsync}`,
  title: `One BullMQ job per request (AOF ${fsync})`,
  durability: `Answers when the job is finished; the job and the counter are in Redis. ${FSYNC_MEANS[fsync]}.`,
  setUp:
    'One web process (a Queue and QueueEvents per ticket, waitUntilFinished), one worker process (a Worker per ticket, ' +
    'a Redlock and one EVALSHA around each job), and Redis.',
  missing: () => Promise.resolve(null),
  start: () =>
    startOnRedis(fsync, [
      ['worker', 'job-worker'],
      ['web', 'job-web'],
    ]),
});
