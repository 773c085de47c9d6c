import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { solve } from '../../src/security/challenge-client.js';
import type { InProcessSecurity } from '../../src/security/in-process.js';
import { LIMITS } from '../../src/security/limits.js';
import { until } from '../helpers/engine.js';
import { OwnRedis } from '../helpers/faults.js';
import { personRequest, request, startBench, type Bench } from './bench.js';

const own = new OwnRedis();
let bench: Bench;
let security: InProcessSecurity;
beforeEach(async () => {
  await own.start();
  bench = await startBench(own.url);
  security = await bench.process();
});
afterEach(async () => {
  await bench.stop();
  await own.remove();
});

const verdicts = async (
  count: number,
  work: () => Promise<{ verdict: string }>,
): Promise<Record<string, number>> => {
  const found: Record<string, number> = {};
  for (let i = 0; i < count; i += 1) {
    const { verdict } = await work();
    found[verdict] = (found[verdict] ?? 0) + 1;
  }
  return found;
};
const away = (): Promise<void> => until(() => bench.redis.status !== 'ready');

describe('while Redis is away', () => {
  it('limits go on from what this process has counted, and come back with it', async () => {
    const limit = LIMITS.hold.personPerMinute!;
    expect(await verdicts(limit - 20, () => security.checkPerson(personRequest()))).toEqual({
      allow: limit - 20,
    });
    await own.kill();
    await away();
    expect(await verdicts(30, () => security.checkPerson(personRequest()))).toEqual({ allow: 20, deny: 10 });
    expect(await verdicts(5, () => security.check(request()))).toEqual({ allow: 5 });
    await own.start();
    await until(() => bench.redis.status === 'ready');
    // What was counted is in its append-only file.
    await until(
      async () => (await verdicts(30, () => security.checkPerson(personRequest())))['deny'] !== undefined,
    );
  });

  it('a solution still works once', async () => {
    const suspect = request({ signals: { 'user-agent': 'HeadlessChrome' } });
    const verdict = await security.check(suspect);
    const solution = await solve(verdict.verdict === 'challenge' ? verdict.challenge : null);
    await own.kill();
    await away();
    expect(await security.check({ ...suspect, solution })).toMatchObject({ verdict: 'allow' });
    expect(await security.check({ ...suspect, solution })).toMatchObject({ verdict: 'challenge' });
  });

  it('facts wait for it', async () => {
    await own.kill();
    await away();
    for (let i = 0; i < 11; i += 1) security.tell({ kind: 'released', person: 'fan@example.org' });
    expect(await security.checkPerson(personRequest())).toMatchObject({ verdict: 'allow' });
    await own.start();
    await until(async () => (await security.checkPerson(personRequest())).verdict === 'challenge');
    expect(security.droppedFacts).toBe(0);
  });

  it('facts past what is kept are dropped and counted', async () => {
    await own.kill();
    await away();
    for (let i = 0; i < 10_500; i += 1) security.tell({ kind: 'declined', person: `fan${i}@example.org` });
    expect(security.droppedFacts).toBe(500);
    expect(await security.hasBought('fan@example.org')).toBe(false);
  });

  it('a block that an operator adds takes effect here', async () => {
    await own.kill();
    await away();
    await security.blocks.add({ cidr: '198.51.100.7', reason: 'spam', addedBy: 'account:op' });
    expect(await security.check(request())).toMatchObject({ verdict: 'deny', reasons: ['blocked_address'] });
  });
});

it('does not wait for a Redis that is silent', async () => {
  const hasty = await bench.process({ redisWaitMs: 40 });
  await hasty.check(request());
  await hasty.checkPerson(personRequest());
  await bench.redis.client('PAUSE', 20_000, 'ALL');
  let pauseEnded = false;
  const pinged = bench.redis.ping().then(() => (pauseEnded = true));
  expect(await hasty.check(request())).toMatchObject({ verdict: 'allow' });
  expect(await hasty.checkPerson(personRequest())).toMatchObject({ verdict: 'allow' });
  expect(pauseEnded).toBe(false);
  pinged.catch(() => undefined);
  // A paused Redis takes no command that would end the pause.
  await own.kill();
  await own.start();
});
