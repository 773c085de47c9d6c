/** A real process whose doors have one place for those who look: whoever is counted twice is refused when alone. */
import { randomUUID } from 'node:crypto';
import { afterEach, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { deleteKeys } from '../helpers/faults.js';
import { testRedisUrl } from '../helpers/engine.js';
import { run, scratchDir, type Running } from '../helpers/processes.js';

const TEST_MS_MAX = 120_000;
/** Half of them is for those who look. */
const ONE_PLACE = { REQUESTS_MAX: '2' };
/** A search, which nobody has at hand. */
const LOOKED_FOR = '/api/v1/matches?q=qatar';

const scratch = scratchDir();
const prefix = `doors-${randomUUID().slice(0, 8)}`;
let world: Running | undefined;
afterEach(async () => {
  await world?.end('SIGKILL');
  const redis = new Redis(testRedisUrl());
  await deleteKeys(redis, prefix);
  redis.disconnect();
  scratch.remove();
}, TEST_MS_MAX);

it(
  'with all roles in a process, what the client role forwards takes one place',
  async () => {
    world = await run([], {
      DATA_DIR: scratch.dir,
      REDIS_URL: testRedisUrl(),
      REDIS_PREFIX: prefix,
      ...ONE_PLACE,
    });
    expect((await fetch(world.url('client') + LOOKED_FOR)).status).toBe(200);
  },
  TEST_MS_MAX,
);
