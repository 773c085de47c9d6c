/** The ceiling that Express and Redis set: one EVALSHA that takes from a counter, and nothing else. */
import { Redis } from 'ioredis';
import { fillCounters, takerFrom, type CounterOptions } from './counter.js';
import { optionsOf } from './program.js';
import { nameOf, serveHolds } from './web.js';

const options = optionsOf<CounterOptions>();
const redis = new Redis(options.redisUrl);
await fillCounters(redis, options);
const take = await takerFrom(redis);
await serveHolds((wanted) => take(nameOf(wanted), wanted.quantity));
