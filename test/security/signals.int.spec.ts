import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { InProcessSecurity } from '../../src/security/in-process.js';
import type { RouteClass, SecurityFact } from '../../src/security/port.js';
import type { Principal } from '../../src/users/principal.js';
import { personRequest, request, someone, startBench, type Bench } from './bench.js';

const HOUR = 3_600_000;
let bench: Bench;
let security: InProcessSecurity;
beforeEach(async () => {
  bench = await startBench();
  security = await bench.process();
});
afterEach(() => bench.stop());

/** Tells as many facts as asked for; another process asks. */
async function tell(count: number, fact: (index: number) => SecurityFact): Promise<void> {
  for (let i = 0; i < count; i += 1) security.tell(fact(i));
  await security.flush();
}
const verdictOf = async (
  routeClass: 'hold' | 'pay' | 'login' = 'hold',
  person = 'fan@example.org',
  device?: string,
  principal: Principal | null = null,
) => {
  const other = await bench.process();
  const asked = personRequest({ routeClass, person, principal, ...(device !== undefined && { device }) });
  if (routeClass === 'hold' && device === undefined) {
    // The first holds of a person are not kept waiting for what stands in Redis; by the third it is known.
    for (let hold = 0; hold < 2; hold += 1) await other.checkPerson(asked);
    await other.flush();
  }
  const { verdict, reasons } = await other.checkPerson(asked);
  return `${verdict} ${reasons.join(',')}`.trim();
};
const addressVerdict = async (routeClass: RouteClass, address = '198.51.100.7') => {
  const other = await bench.process();
  // The first holds of an address are not kept waiting for what stands in Redis; by the third it is known.
  for (let hold = 0; hold < 2; hold += 1) await other.check(request({ routeClass, address }));
  await other.flush();
  return (await other.check(request({ routeClass, address }))).verdict;
};
const fan = { person: 'fan@example.org' };
/** Of the same name, and logged in. */
const memberVerdictOf = (routeClass: 'hold' | 'pay' = 'hold') =>
  verdictOf(routeClass, fan.person, undefined, someone('fan'));

describe('what a person does', () => {
  it('many cards', async () => {
    const card = (i: number): SecurityFact => ({ kind: 'card', ...fan, fingerprint: `card-${i}` });
    await tell(3, card);
    // The same ones again are no further cards.
    await tell(3, card);
    expect(await verdictOf()).toBe('allow');
    await tell(4, card);
    expect(await verdictOf()).toBe('challenge many_cards');
    await tell(6, card);
    expect(await verdictOf('pay')).toBe('challenge many_cards');
    await tell(7, card);
    expect(await memberVerdictOf()).toBe('deny many_cards');
    expect(await memberVerdictOf('pay')).toBe('deny many_cards');
    expect(await verdictOf('login')).toBe('allow');
    expect(await verdictOf('hold', 'other@example.org')).toBe('allow');
    bench.clock.shiftMs = HOUR + 1_000;
    expect(await verdictOf()).toBe('allow');
  });

  it('holds that come to nothing, until something is bought', async () => {
    await tell(10, () => ({ kind: 'released', ...fan }));
    expect(await verdictOf()).toBe('allow');
    await tell(1, () => ({ kind: 'expired', ...fan }));
    expect(await verdictOf()).toBe('challenge holds_not_bought');
    expect(await verdictOf('pay')).toBe('allow');
    await tell(15, () => ({ kind: 'released', person: 'FAN+x@example.org' }));
    expect(await memberVerdictOf()).toBe('deny holds_not_bought');
    expect(await memberVerdictOf('pay')).toBe('allow');
    await tell(1, () => ({ kind: 'bought', ...fan }));
    expect(await verdictOf()).toBe('allow');
    await tell(10, () => ({ kind: 'released', ...fan }));
    expect(await verdictOf()).toBe('allow');
  });

  it('old events do not count', async () => {
    await tell(10, () => ({ kind: 'released', ...fan }));
    bench.clock.shiftMs = HOUR + 1_000;
    await tell(10, () => ({ kind: 'released', ...fan }));
    expect(await verdictOf()).toBe('allow');
  });

  it('declined payments', async () => {
    await tell(5, () => ({ kind: 'declined', ...fan }));
    expect(await verdictOf('pay')).toBe('allow');
    await tell(1, () => ({ kind: 'declined', ...fan }));
    expect(await verdictOf('pay')).toBe('challenge declines');
    await tell(10, () => ({ kind: 'declined', ...fan }));
    expect(await memberVerdictOf('pay')).toBe('deny declines');
    expect(await memberVerdictOf('hold')).toBe('deny declines');
  });

  it('wrong codes of presales', async () => {
    const address = '198.51.100.9';
    await tell(5, () => ({ kind: 'code_wrong', ...fan, address }));
    expect(await verdictOf()).toBe('allow');
    await tell(1, () => ({ kind: 'code_wrong', ...fan, address }));
    expect(await verdictOf()).toBe('challenge wrong_codes');
    expect(await verdictOf('pay')).toBe('allow');
    expect(await addressVerdict('hold', address)).toBe('allow');
    await tell(15, () => ({ kind: 'code_wrong', ...fan, address: '198.51.100.10' }));
    expect(await memberVerdictOf()).toBe('deny wrong_codes');
    expect(await verdictOf()).toMatch(/^challenge /);
  });

  it('wrong codes from one address, whatever names it gives', async () => {
    const address = '198.51.100.9';
    await tell(15, (i) => ({ kind: 'code_wrong', person: `fan${i}@example.org`, address }));
    expect(await addressVerdict('hold', address)).toBe('allow');
    await tell(1, () => ({ kind: 'code_wrong', person: 'other@example.org', address }));
    expect(await addressVerdict('hold', address)).toBe('challenge');
    expect(await addressVerdict('pay', address)).toBe('allow');
    expect(await addressVerdict('hold')).toBe('allow');
  });

  it('denies nobody what others may have done under an address that they typed', async () => {
    await tell(30, () => ({ kind: 'released', ...fan }));
    await tell(20, () => ({ kind: 'declined', ...fan }));
    expect(await verdictOf('hold')).toMatch(/^challenge /);
    expect(await verdictOf('pay')).toBe('challenge declines');
  });

  it('remembers who has bought, whatever way the address is written', async () => {
    expect(await security.hasBought('fan@example.org')).toBe(false);
    await tell(1, () => ({ kind: 'bought', ...fan }));
    expect(await security.hasBought('FAN+2@example.org')).toBe(true);
    expect(await security.hasBought('other@example.org')).toBe(false);
  });
});

describe('what persons share', () => {
  it('one card', async () => {
    await tell(4, (i) => ({ kind: 'card', person: `fan${i}@example.org`, fingerprint: 'card' }));
    expect(await verdictOf('pay', 'fan3@example.org')).toBe('allow');
    await tell(5, (i) => ({ kind: 'card', person: `fan${i}@example.org`, fingerprint: 'card' }));
    expect(await verdictOf('pay', 'fan4@example.org')).toBe('challenge shared_card');
    bench.clock.shiftMs = 25 * HOUR;
    expect(await verdictOf('pay', 'fan4@example.org')).toBe('allow');
  });

  it('one device', async () => {
    const verdicts: string[] = [];
    for (let i = 0; i < 6; i += 1) verdicts.push(await verdictOf('hold', `fan${i}@example.org`, 'device'));
    expect(verdicts).toEqual([
      'allow',
      'allow',
      'allow',
      'allow',
      'challenge shared_device',
      'challenge shared_device',
    ]);
    expect(await verdictOf('hold', 'fan0@example.org', 'other device')).toBe('allow');
  });
});

describe('what an address does', () => {
  const failed =
    (address: string) =>
    (i: number): SecurityFact => ({
      kind: 'login_failed',
      person: `fan${i}@example.org`,
      address,
    });

  it('failed log-ins of many persons', async () => {
    await tell(10, failed('198.51.100.7'));
    // One person who has forgotten the password is none of them.
    for (let i = 0; i < 20; i += 1) security.tell(failed('198.51.100.7')(1));
    await security.flush();
    expect(await addressVerdict('login')).toBe('allow');
    await tell(11, failed('198.51.100.7'));
    expect(await addressVerdict('login')).toBe('challenge');
    expect(await addressVerdict('account')).toBe('challenge');
    expect(await addressVerdict('hold')).toBe('allow');
    expect(await addressVerdict('login', '198.51.100.8')).toBe('allow');
  });

  it('tries of ids, and never more than a challenge for them', async () => {
    await tell(500, () => ({ kind: 'probe', address: '198.51.100.7' }));
    expect(await addressVerdict('hold')).toBe('challenge');
    expect(await addressVerdict('read')).toBe('allow');
  });

  it('pages that only break-in scripts ask for, for an hour', async () => {
    const asked = request({ routeClass: 'unknown', method: 'GET', path: '/.env' });
    expect(await security.check(asked)).toMatchObject({ verdict: 'allow' });
    await security.flush();
    expect(await addressVerdict('hold')).toBe('challenge');
    expect(await addressVerdict('read')).toBe('allow');
    bench.clock.shiftMs = HOUR + 1_000;
    expect(await addressVerdict('hold')).toBe('allow');
  });

  it('means nothing on exempt addresses', async () => {
    await tell(50, failed('127.0.0.1'));
    await tell(100, () => ({ kind: 'probe', address: '::1' }));
    await security.check(request({ routeClass: 'unknown', path: '/.env', address: '127.0.0.1' }));
    await security.flush();
    expect(await addressVerdict('login', '127.0.0.1')).toBe('allow');
    expect(await addressVerdict('hold', '::1')).toBe('allow');
  });
});

it('asks clockwork for a challenge, whatever address it comes from', async () => {
  const clock = { now: () => now, schedule: bench.clock.schedule.bind(bench.clock) };
  let now = Date.now();
  const watched = await bench.process({ clock });
  const verdicts: string[] = [];
  for (let i = 0; i < 25; i += 1) {
    now += 700;
    verdicts.push((await watched.checkPerson(personRequest({ address: `198.51.100.${i}` }))).verdict);
  }
  expect(verdicts[10]).toBe('allow');
  expect(verdicts.at(-1)).toBe('challenge');
});
