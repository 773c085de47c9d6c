import type { Contender } from '../contender.js';
import { FSYNC_MEANS, type Fsync } from '../program.js';
import { startOnRedis, type HoldCase } from './holds.js';

/** One Express handler with one EVALSHA: the ceiling that Express and Redis set. */
export const bare = (fsync: Fsync): Contender<HoldCase> => ({
  id: `bare/${fsync}`,
  title: `Express and one EVALSHA (AOF ${fsync})`,
  durability: `Answers when Redis has counted down; nobody is told, nothing is recorded. ${FSYNC_MEANS[fsync]}.`,
  setUp: 'One web process and Redis: a script that takes from a counter; no queue, no events, no checks.',
  missing: () => Promise.resolve(null),
  start: () => startOnRedis(fsync, [['web', 'bare-web']]),
});
