/** Persons on one device, told by a cookie that only browsers are given and nobody can make up. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startBench, type Bench as HttpBench, type Reply, HOLD, bearer } from '../http/bench.js';
import { CARDS } from '../http/fakes.js';
import { Devices } from '../../src/security/device.js';
import { startBench as startSecurity, type Bench } from './bench.js';

const BROWSER = { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Site': 'same-origin' };

describe('the device cookie', () => {
  let http: HttpBench;
  beforeAll(async () => {
    http = await startBench({ devices: new Devices({ secret: 'of the test', isSecure: true }) });
  });
  afterAll(() => http.stop());

  const holdAs = (email: string, headers: Record<string, string>): Promise<Reply> =>
    http.call('POST', '/api/v1/reservations', { ...HOLD, quantity: 1, email }, headers);

  it('is given to browsers once, is for our own requests only, and programs get none', async () => {
    expect((await holdAs('a@example.com', {})).headers.getSetCookie()).toEqual([]);
    const given = (await holdAs('b@example.com', BROWSER)).headers.getSetCookie();
    expect(given).toHaveLength(1);
    for (const flag of ['HttpOnly', 'Secure', 'SameSite=Lax', 'Path=/api']) expect(given[0]).toContain(flag);
    const Cookie = given[0]?.split(';')[0] ?? '';
    expect((await holdAs('c@example.com', { ...BROWSER, Cookie })).headers.getSetCookie()).toEqual([]);
    // Altered, it is none of ours.
    const altered = Cookie.replace(/=./, (start) => (start === '=A' ? '=B' : '=A'));
    expect(
      (await holdAs('d@example.com', { ...BROWSER, Cookie: altered })).headers.getSetCookie(),
    ).toHaveLength(1);
  });

  it('tells the check which device pays', async () => {
    const first = await holdAs('e@example.com', BROWSER);
    const Cookie = first.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const path = `/api/v1/reservations/${String(first.body['id'])}/payment`;
    await http.call('POST', path, { paymentMethod: CARDS.good }, { ...bearer(first.body['token']), Cookie });
    const [asked] = http.security.persons.filter(({ routeClass }) => routeClass === 'pay');
    expect(asked?.device).toBe(/=([\w-]{22})\./.exec(Cookie)?.[1]);
  });
});

describe('many persons on one device', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await startSecurity();
  });
  afterAll(() => bench.stop());

  it('are asked for a challenge where they pay, and one alone is not', async () => {
    const security = await bench.process();
    const pay = (person: string) =>
      security.checkPerson({
        address: '198.51.100.7',
        routeClass: 'pay',
        person,
        principal: null,
        device: 'a-device',
      });
    for (let person = 1; person <= 4; person += 1) {
      expect((await pay(`p${person}@example.org`)).verdict).toBe('allow');
    }
    expect(await pay('p1@example.org')).toMatchObject({ verdict: 'allow' });
    expect(await pay('p5@example.org')).toMatchObject({ verdict: 'challenge', reasons: ['shared_device'] });
  });
});
