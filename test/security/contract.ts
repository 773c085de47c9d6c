/** What every implementation of the port promises, asked of each. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { solve } from '../../src/security/challenge-client.js';
import { LIMITS } from '../../src/security/limits.js';
import type { Security, Verdict } from '../../src/security/port.js';
import { ROLES } from '../../src/users/records.js';
import { CHROME, personRequest, request, someone } from './bench.js';

export interface Subject {
  readonly security: Security & { flush(): Promise<void>; hasBought(person: string): Promise<boolean> };
  block(cidr: string): Promise<void>;
  stop(): Promise<void>;
}

export function securityContract(name: string, start: () => Promise<Subject>): void {
  describe(name, () => {
    let subject: Subject;
    let security: Subject['security'];
    beforeAll(async () => {
      subject = await start();
      security = subject.security;
    });
    afterAll(() => subject.stop());

    let people = 0;
    const nobody = (): string => `fan-${(people += 1)}@example.org`;
    const challengeOf = (verdict: Verdict): unknown =>
      verdict.verdict === 'challenge' ? verdict.challenge : expect(verdict).toEqual('a challenge');

    it('lets ordinary requests through', async () => {
      const allow = { verdict: 'allow', reasons: [] };
      expect(await security.check(request())).toEqual(allow);
      expect(await security.check(request({ signals: CHROME, principal: someone('a1') }))).toEqual(allow);
      expect(
        await security.check(request({ routeClass: 'read', method: 'GET', path: '/api/v1/matches' })),
      ).toEqual(allow);
      expect(
        await security.checkPerson(personRequest({ person: nobody(), principal: someone('a1') })),
      ).toEqual(allow);
    });

    it('lets whoever has any role through, where that is asked', async () => {
      for (const role of ROLES) {
        const principal = someone(`a-${role}`, { roles: [role] });
        const asked = request({ routeClass: 'check-in', path: '/api/v1/check-ins', principal });
        expect([role, await security.check(asked)]).toEqual([role, { verdict: 'allow', reasons: [] }]);
      }
    });

    it('denies blocked addresses', async () => {
      await subject.block('203.0.113.0/24');
      for (const routeClass of ['read', 'hold', 'webhook', 'admin'] as const) {
        const asked = request({ address: '::ffff:203.0.113.5', routeClass });
        expect(await security.check(asked)).toEqual({ verdict: 'deny', reasons: ['blocked_address'] });
      }
    });

    it('challenges bots, and lets a solution through once', async () => {
      const bot = request({ signals: { 'user-agent': CHROME['user-agent'], accept: '*/*' } });
      const verdict = await security.check(bot);
      expect(verdict.reasons).toContain('no_language');
      const solution = await solve(challengeOf(verdict));
      expect((await security.check({ ...bot, solution })).verdict).toBe('allow');
      expect((await security.check({ ...bot, solution })).verdict).toBe('challenge');
      expect((await security.check({ ...bot, routeClass: 'read', method: 'GET' })).verdict).toBe('allow');
    });

    it('limits a person, and says when to come back', async () => {
      const person = nobody();
      const limit = LIMITS.login.personPerMinute!;
      const asked = personRequest({ routeClass: 'login', person });
      for (let i = 0; i < limit; i += 1) expect((await security.checkPerson(asked)).verdict).toBe('allow');
      const verdict = await security.checkPerson(asked);
      expect(verdict).toEqual({
        verdict: 'deny',
        reasons: ['rate_limited'],
        retryAfterMs: expect.any(Number),
      });
    });

    it('challenges the person of whom too much was told', async () => {
      const person = nobody();
      for (let i = 0; i < 6; i += 1) security.tell({ kind: 'declined', person });
      security.tell({ kind: 'card', person, fingerprint: 'f1' });
      security.tell({ kind: 'login_failed', person, address: '198.51.100.7' });
      security.tell({ kind: 'probe', address: '198.51.100.7' });
      await security.flush();
      const verdict = await security.checkPerson(personRequest({ routeClass: 'pay', person }));
      expect(verdict).toMatchObject({ verdict: 'challenge', reasons: ['declines'] });
      const solution = await solve(challengeOf(verdict));
      const again = personRequest({ routeClass: 'pay', person, solution });
      expect((await security.checkPerson(again)).verdict).toBe('allow');
    });

    it('sees a device that many persons share', async () => {
      const verdicts: string[] = [];
      for (let i = 0; i < 5; i += 1) {
        verdicts.push(
          (await security.checkPerson(personRequest({ person: nobody(), device: name }))).verdict,
        );
      }
      expect(verdicts).toEqual(['allow', 'allow', 'allow', 'allow', 'challenge']);
    });

    it('knows who has bought', async () => {
      const person = nobody();
      expect(await security.hasBought(person)).toBe(false);
      security.tell({ kind: 'bought', person, address: '198.51.100.7' });
      await security.flush();
      expect(await security.hasBought(person.toUpperCase())).toBe(true);
    });
  });
}
