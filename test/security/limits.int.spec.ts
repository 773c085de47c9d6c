import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';
import { ADDRESS_CEILING_TIMES, LIMITS } from '../../src/security/limits.js';
import type { Verdict } from '../../src/security/port.js';
import { personRequest, request, someone, startBench, type Bench } from './bench.js';

let bench: Bench;
beforeEach(async () => {
  bench = await startBench();
});
afterEach(() => bench.stop());

const counted = (verdicts: readonly Verdict[]) => ({
  allow: verdicts.filter(({ verdict }) => verdict === 'allow').length,
  challenge: verdicts.filter(({ verdict }) => verdict === 'challenge').length,
  deny: verdicts.filter(({ verdict }) => verdict === 'deny').length,
});
const times = <T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)));

describe("a person's limit", () => {
  it('holds over addresses, processes and ways to write the e-mail address', async () => {
    const processes = await Promise.all([bench.process(), bench.process()]);
    const verdicts = await times(LIMITS.hold.personPerMinute! + 60, (i) =>
      processes[i % 2]!.checkPerson(
        personRequest({
          address: `198.51.${i % 50}.7`,
          person: `F.a.n+${i}@${i % 3 === 0 ? 'gmail' : 'googlemail'}.com`,
        }),
      ),
    );
    expect(counted(verdicts)).toEqual({ allow: LIMITS.hold.personPerMinute, challenge: 0, deny: 60 });
    const denied = verdicts.find(({ verdict }) => verdict === 'deny');
    expect(denied).toMatchObject({ reasons: ['rate_limited'], retryAfterMs: expect.any(Number) });
    expect(await processes[0].checkPerson(personRequest({ person: 'other@gmail.com' }))).toMatchObject({
      verdict: 'allow',
    });
  });

  it('holds for an account that names many e-mail addresses', async () => {
    const security = await bench.process({ limits: { hold: { ...LIMITS.hold, personPerMinute: 5 } } });
    const verdicts = await times(9, (i) =>
      security.checkPerson(personRequest({ person: `fan${i}@example.org`, principal: someone('a1') })),
    );
    expect(counted(verdicts)).toEqual({ allow: 5, challenge: 0, deny: 4 });
  });

  it('holds on exempt addresses too', async () => {
    const security = await bench.process();
    const verdicts = await times(LIMITS.login.personPerMinute! + 3, () =>
      security.checkPerson(personRequest({ routeClass: 'login', address: '127.0.0.1' })),
    );
    expect(counted(verdicts)).toEqual({ allow: LIMITS.login.personPerMinute, challenge: 0, deny: 3 });
  });

  it('is counted for other writes by the account', async () => {
    const security = await bench.process();
    const verdicts = await times(LIMITS.write.personPerMinute! + 2, () =>
      security.check(request({ routeClass: 'write', address: '127.0.0.1', principal: someone('a1') })),
    );
    expect(counted(verdicts)).toEqual({ allow: LIMITS.write.personPerMinute, challenge: 0, deny: 2 });
  });

  it('lets the devices of a steward scan for a minute, one a second each, and not without end', async () => {
    const security = await bench.process();
    const scans = async (count: number) =>
      counted(
        await times(count, () =>
          security.check(
            request({ routeClass: 'check-in', address: '127.0.0.1', principal: someone('sam') }),
          ),
        ),
      );
    expect(await scans(5 * 60)).toEqual({ allow: 300, challenge: 0, deny: 0 });
    const rest = LIMITS['check-in'].personPerMinute! - 300;
    expect(await scans(rest + 3)).toEqual({ allow: rest, challenge: 0, deny: 3 });
  });
});

describe("an address's limit", () => {
  const small = { hold: { ...LIMITS.hold, addressPerMinute: 5 } };

  it('asks for a challenge and denies only far beyond it', async () => {
    const processes = await Promise.all([bench.process({ limits: small }), bench.process({ limits: small })]);
    const verdicts = await times(5 * ADDRESS_CEILING_TIMES + 10, (i) => processes[i % 2]!.check(request()));
    expect(counted(verdicts)).toEqual({ allow: 5, challenge: 5 * ADDRESS_CEILING_TIMES - 5, deny: 10 });
    expect(verdicts.find(({ verdict }) => verdict === 'deny')).toMatchObject({
      reasons: ['rate_limited'],
      retryAfterMs: expect.any(Number),
    });
  });

  it('is that of the network for IPv6', async () => {
    const security = await bench.process({ limits: small });
    const verdicts = await times(8, (i) => security.check(request({ address: `2001:db8:0:1::${i}` })));
    expect(counted(verdicts)).toEqual({ allow: 5, challenge: 3, deny: 0 });
  });

  it('lets reads and writes through up to its ceiling: they cannot solve anything', async () => {
    const few = { personPerMinute: null, addressPerMinute: 2 };
    const security = await bench.process({
      limits: { read: { ...few, counted: 'memory' }, write: { ...few, counted: 'redis' } },
    });
    for (const routeClass of ['read', 'write'] as const) {
      const verdicts = await times(2 * ADDRESS_CEILING_TIMES + 1, () =>
        security.check(request({ routeClass })),
      );
      expect(counted(verdicts)).toEqual({ allow: 2 * ADDRESS_CEILING_TIMES, challenge: 0, deny: 1 });
    }
  });

  it('does not exist for exempt addresses', async () => {
    const security = await bench.process({ limits: small });
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '127.9.9.9']) {
      const verdicts = await times(5 * ADDRESS_CEILING_TIMES + 10, () =>
        security.check(request({ address })),
      );
      expect(counted(verdicts)).toMatchObject({ challenge: 0, deny: 0 });
    }
  });

  it('can be given to loopback, and taken from a proxy', async () => {
    const security = await bench.process({ limits: small, exemptAddresses: ['10.0.0.0/8'] });
    expect(counted(await times(8, () => security.check(request({ address: '127.0.0.1' }))))).toMatchObject({
      challenge: 3,
    });
    expect(counted(await times(8, () => security.check(request({ address: '10.1.2.3' }))))).toMatchObject({
      allow: 8,
    });
    await expect(bench.process({ exemptAddresses: ['proxy'] })).rejects.toThrow(/exempt addresses: proxy/);
  });
});

describe('Redis', () => {
  /** What is sent, and how much of it only after an answer had come: that would be a further round trip. */
  const watch = (redis: Redis): { sent: number; late: number } => {
    const seen = { sent: 0, late: 0 };
    let answered = false;
    const send = redis.sendCommand.bind(redis);
    redis.sendCommand = (command, stream) => {
      seen.sent += 1;
      if (answered) seen.late += 1;
      void command.promise.then(
        () => (answered = true),
        () => (answered = true),
      );
      return send(command, stream);
    };
    return seen;
  };

  it('is asked for everything at the same time', async () => {
    // What was read of marks is good for a second: here it is always the same one.
    const now = Date.now();
    const clock = { now: () => now, schedule: bench.clock.schedule.bind(bench.clock) };
    const security = await bench.process({ redis: bench.redis, clock });
    const hold = () => security.check(request({ principal: someone('a1') }));
    const person = () => security.checkPerson(personRequest({ principal: someone('a1'), device: 'd1' }));
    // The first ones load the script.
    await hold();
    await person();
    const ofCheck = watch(bench.redis);
    await hold();
    // Its marks were read a moment ago.
    expect(ofCheck).toEqual({ sent: 1, late: 0 });
    const ofPerson = watch(bench.redis);
    await person();
    expect(ofPerson).toEqual({ sent: 5, late: 0 });
  });

  it('is not asked for reads, nor for a hold from an exempt address before its body is read', async () => {
    const security = await bench.process({ redis: bench.redis });
    const seen = watch(bench.redis);
    await security.check(request({ address: '127.0.0.1' }));
    await security.check(request({ routeClass: 'read', principal: someone('a1') }));
    await security.check(request({ routeClass: 'webhook' }));
    expect(seen.sent).toBe(0);
    // Nor for the first holds of a quiet address; for a log-in it is.
    await security.check(request());
    expect(seen.sent).toBe(0);
    await security.check(request({ routeClass: 'login' }));
    expect(seen.sent).toBeGreaterThan(0);
  });

  it('keeps no name of a person or address', async () => {
    const security = await bench.process();
    await security.check(request({ address: '203.0.113.99' }));
    await security.checkPerson(personRequest({ person: 'anna@example.org', device: 'device-of-anna' }));
    security.tell({ kind: 'card', person: 'anna@example.org', fingerprint: 'card-of-anna' });
    security.tell({ kind: 'login_failed', person: 'anna@example.org', address: '203.0.113.99' });
    security.tell({ kind: 'bought', person: 'anna@example.org' });
    await security.flush();
    const keys = await bench.redis.keys(`${bench.prefix}:*`);
    expect(keys.length).toBeGreaterThanOrEqual(5);
    const members = await Promise.all(
      keys.filter((key) => key.includes(':window:')).map((key) => bench.redis.zrange(key, 0, -1)),
    );
    expect(JSON.stringify([keys, members])).not.toMatch(/anna|203\.0\.113/);
    // Nothing stays for ever.
    const lives = await Promise.all(keys.map(async (key) => [key, await bench.redis.pttl(key)] as const));
    expect(lives.filter(([key, life]) => life < 0 && !key.endsWith('blocks-version'))).toEqual([]);
  });
});
