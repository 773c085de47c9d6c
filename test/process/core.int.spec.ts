/** What a process stands on, when Redis goes away under it. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { reservationId } from '../../src/http/identity.js';
import { UnavailableError } from '../../src/http/problem.js';
import { startEngine, type Engine } from '../helpers/engine.js';
import { OwnRedis } from '../helpers/faults.js';

const id = reservationId({ matchNumber: 7, category: 2 }, 'nobody-asked-this');
const redis = new OwnRedis();
let engine: Engine;

beforeEach(async () => {
  await redis.start();
  engine = await startEngine({ redisUrl: redis.url, workers: 0, core: { replyWaitMs: 200 } });
});
afterEach(async () => {
  await engine.stop();
  await redis.remove();
});

describe('the core of a process', () => {
  it('ends reads of reservations while Redis is away, and answers them when it is back', async () => {
    const { reader, redis: connection } = engine.core;
    expect(await reader.find(id)).toBeNull();
    await redis.kill();
    await expect(reader.find(id)).rejects.toBeInstanceOf(UnavailableError);
    await expect(reader.find(id)).rejects.toThrow(/reservations/);
    await redis.start();
    await connection.ping();
    expect(await reader.find(id)).toBeNull();
  });
});
