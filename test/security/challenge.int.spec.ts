import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { solve } from '../../src/security/challenge-client.js';
import { CHALLENGE_MS } from '../../src/security/challenge.js';
import type { InProcessSecurity } from '../../src/security/in-process.js';
import { LIMITS } from '../../src/security/limits.js';
import type { Verdict } from '../../src/security/port.js';
import { personRequest, request, startBench, type Bench } from './bench.js';

let bench: Bench;
let security: InProcessSecurity;
/** An agent that is always challenged. */
const suspect = request({ signals: { 'user-agent': 'HeadlessChrome' } });
beforeEach(async () => {
  bench = await startBench();
  security = await bench.process();
});
afterEach(() => bench.stop());

const challengeOf = (verdict: Verdict): unknown => {
  if (verdict.verdict !== 'challenge') throw new Error(`no challenge but ${JSON.stringify(verdict)}`);
  return verdict.challenge;
};
const solved = async (): Promise<string> => solve(challengeOf(await security.check(suspect)));

describe('a challenge', () => {
  it('is answered by its solution, once, in whatever process', async () => {
    const solution = await solved();
    const other = await bench.process();
    expect(await other.check({ ...suspect, solution })).toMatchObject({ verdict: 'allow' });
    expect(await security.check({ ...suspect, solution })).toMatchObject({
      verdict: 'challenge',
      reasons: ['headless', 'solution_used'],
    });
    expect(await other.check({ ...suspect, solution })).toMatchObject({ verdict: 'challenge' });
  });

  it('lets one of many through that show the same solution at the same time', async () => {
    const processes = await Promise.all([bench.process(), bench.process()]);
    const solution = await solved();
    const verdicts = await Promise.all(
      Array.from({ length: 20 }, (_, i) => processes[i % 2]!.check({ ...suspect, solution })),
    );
    expect(verdicts.filter(({ verdict }) => verdict === 'allow')).toHaveLength(1);
  });

  it('is used up by a request that needed none, and stops the next request that shows it', async () => {
    const solution = await solved();
    expect(await security.check(request({ solution }))).toMatchObject({ verdict: 'allow' });
    expect(await security.check(request({ solution }))).toMatchObject({
      verdict: 'challenge',
      reasons: ['solution_used'],
    });
  });

  it('counts at both stages of one request', async () => {
    const few = { hold: { ...LIMITS.hold, addressPerMinute: 1 } };
    const strict = await bench.process({ limits: few });
    for (let i = 0; i < 11; i += 1) strict.tell({ kind: 'released', person: 'fan@example.org' });
    await strict.flush();
    await strict.check(request());
    const solution = await solve(challengeOf(await strict.check(request())));
    expect(await strict.check(request({ solution }))).toMatchObject({ verdict: 'allow' });
    expect(await strict.checkPerson(personRequest({ solution }))).toMatchObject({ verdict: 'allow' });
    expect(await strict.check(request({ solution }))).toMatchObject({ verdict: 'challenge' });
    expect(await strict.checkPerson(personRequest({ solution }))).toMatchObject({ verdict: 'challenge' });
  });

  it('is bound to its class of routes', async () => {
    const login = { ...suspect, routeClass: 'login' as const, path: '/api/v1/sessions' };
    const solution = await solve(challengeOf(await security.check(login)));
    expect(await security.check({ ...suspect, solution })).toMatchObject({ verdict: 'challenge' });
  });

  it('ends', async () => {
    bench.clock.shiftMs = -CHALLENGE_MS - 60_000;
    const late = await solved();
    bench.clock.shiftMs = 0;
    expect(await security.check({ ...suspect, solution: late })).toMatchObject({ verdict: 'challenge' });
    expect(await security.challenges.read(late)).toEqual({ kind: 'expired' });
  });

  it('cannot be made up, altered or skipped', async () => {
    const solution = await solved();
    const payload = JSON.parse(Buffer.from(solution, 'base64').toString()) as {
      challenge: { parameters: Record<string, unknown>; signature: string };
      solution: { counter: number; derivedKey: string };
    };
    const altered = (
      over: object,
      parameters: object = {},
      signature = payload.challenge.signature,
    ): string =>
      Buffer.from(
        JSON.stringify({
          ...payload,
          challenge: { parameters: { ...payload.challenge.parameters, ...parameters }, signature },
          ...over,
        }),
      ).toString('base64');
    const forged = [
      'nonsense',
      '',
      Buffer.from('{}').toString('base64'),
      Buffer.from('null').toString('base64'),
      Buffer.from(`{"challenge":${'['.repeat(1_500)}`).toString('base64'),
      altered({ solution: { counter: 1, derivedKey: '00'.repeat(32) } }),
      altered({
        solution: {
          counter: payload.solution.counter,
          derivedKey: String(payload.challenge.parameters['keyPrefix']),
        },
      }),
      altered({}, { expiresAt: 99_999_999_999 }),
      altered({}, { data: { routeClass: 'pay' } }),
      altered({}, { keySignature: undefined }),
      altered({}, {}, payload.challenge.signature.toUpperCase()),
      altered({}, {}, '00'),
    ];
    for (const attempt of forged) {
      expect(await security.check({ ...suspect, solution: attempt })).toMatchObject({
        verdict: 'challenge',
        reasons: ['headless'],
      });
    }
    expect(await security.check({ ...suspect, solution })).toMatchObject({ verdict: 'allow' });
    const foreign = await bench.process({ secret: 'another secret' });
    const theirs = await solve(challengeOf(await foreign.check(suspect)));
    expect(await security.check({ ...suspect, solution: theirs })).toMatchObject({ verdict: 'challenge' });
  });

  it('grows with what speaks against a request, to a bound', async () => {
    const work = async (strength: number): Promise<number> => {
      const solution = await solve(await security.challenges.issue('hold', strength));
      const { solution: found } = JSON.parse(Buffer.from(solution, 'base64').toString()) as {
        solution: { counter: number };
      };
      return found.counter;
    };
    // At least half of the most, and the most is 20 times the strength here, 8 at the highest.
    const [weak, strong, bounded] = await Promise.all([work(1), work(4), work(1_000)]);
    expect(weak).toBeLessThanOrEqual(20);
    expect(strong).toBeGreaterThan(39);
    expect(bounded).toBeLessThanOrEqual(160);
  });

  it('answers neither a denial nor the limit of a person', async () => {
    const few = { hold: { ...LIMITS.hold, personPerMinute: 1 } };
    const strict = await bench.process({ limits: few });
    await strict.checkPerson(personRequest());
    const solution = await solved();
    expect(await strict.checkPerson(personRequest({ solution }))).toMatchObject({
      verdict: 'deny',
      reasons: ['rate_limited'],
    });
    await strict.blocks.add({ cidr: '198.51.100.7', reason: 'test', addedBy: 'account:op' });
    expect(await strict.check({ ...suspect, solution: await solved() })).toMatchObject({
      verdict: 'deny',
      reasons: ['blocked_address'],
    });
  });
});
