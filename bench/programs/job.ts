/** What both processes of the contender with one job per request agree on. */

/** How long a request waits for its job. */
export const JOB_MS_MAX = 30_000;
/** Finished jobs that a queue keeps: more than can be waited for. */
export const JOBS_KEPT = 1_000;
/** How long the lock around a job lasts. */
export const LOCK_MS = 5_000;
