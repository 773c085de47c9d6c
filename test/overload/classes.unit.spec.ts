/** Whom a request stands for. That every route of every service is named is asked in degradation.e2e.spec.ts. */
import { describe, expect, it } from '@jest/globals';
import { loadClassOf, namedClassOf, pathOf } from '../../src/overload/classes.js';

describe('the table of classes', () => {
  it.each([
    ['GET', '/api/v1/matches', 'browse'],
    ['GET', '/api/v1/matches/17', 'browse'],
    ['HEAD', '/api/v1/matches', 'browse'],
    ['GET', '/api/v1/availability/stream', 'browse'],
    ['GET', '/api/v1/reservations/terms', 'browse'],
    ['POST', '/api/v1/reservations', 'hold'],
    ['POST', '/api/reservation', 'hold'],
    ['POST', '/api/v1/reservations/lookup', 'hold'],
    ['POST', '/api/v1/sessions', 'hold'],
    ['POST', '/api/v1/sessions/refresh', 'holder'],
    ['GET', '/api/v1/reservations', 'holder'],
    ['GET', '/api/v1/reservations/m1c1-x', 'holder'],
    ['DELETE', '/api/v1/reservations/m1c1-x', 'holder'],
    ['GET', '/api/v1/reservations/m1c1-x/payment', 'holder'],
    ['POST', '/api/v1/reservations/m1c1-x/refund', 'holder'],
    ['GET', '/api/v1/users/me', 'holder'],
    ['GET', '/api/v1/users/me/export', 'holder'],
    ['POST', '/api/v1/reservations/m1c1-x/payment', 'pay'],
    ['POST', '/api/v1/reservations/m1c1-x/payment/', 'pay'],
    ['POST', '/api/v1/payments/webhook', 'pay'],
    ['GET', '/api/v1/payments/config', 'pay'],
    ['GET', '/api/v1/payments', 'always'],
    ['GET', '/api/v1/payments/pi_1', 'always'],
    ['GET', '/api/v1/users', 'always'],
    ['PATCH', '/api/v1/users/u1', 'always'],
    ['GET', '/health/ready', 'always'],
    ['GET', '/metrics', 'always'],
    ['GET', '/admin/queues/api/queues', 'always'],
    ['POST', '/api/v1/check-ins', 'always'],
    ['POST', '/api/v1/checks', 'always'],
    ['GET', '/', 'browse'],
    ['GET', '/ar/matches/3', 'browse'],
    ['GET', '/ar/reservations/m1c1-x', 'holder'],
    ['GET', '/assets/index-abc.js', 'holder'],
    ['GET', '/operator', 'always'],
    ['GET', '/nothing/of/ours', 'browse'],
    ['OPTIONS', '/api/v1/matches', 'always'],
  ])('%s %s is %s', (method, path, loadClass) => {
    expect(loadClassOf(method, path).loadClass).toBe(loadClass);
  });

  it('tells streams apart, which stay', () => {
    for (const path of [
      '/api/v1/availability/stream',
      '/api/v1/availability/stream/',
      '/API/v1/availability/Stream',
    ])
      expect([path, loadClassOf('GET', path).isStream]).toEqual([path, true]);
    expect(loadClassOf('GET', '/api/v1/matches').isStream).toBe(false);
  });

  it.each([
    ['/api/v1/matches', '/api/v1/matches'],
    ['/api/v1/matches?q=a#b', '/api/v1/matches'],
    ['/api/v1/matches#b?q=a', '/api/v1/matches'],
    ['http://shop.example.org:80/api/v1/matches?q=a', '/api/v1/matches'],
    ['//shop.example.org/api/v1/matches', '//shop.example.org/api/v1/matches'],
    ['/api/v1/matches/http://a/health', '/api/v1/matches/http://a/health'],
    ['http://a/health/http://a/api/v1/matches', '/health/http://a/api/v1/matches'],
    ['*', '*'],
  ])('finds the path of %s as routes are found', (target, path) => {
    expect(pathOf(target)).toBe(path);
  });

  it.each([
    ['GET', '/healthy'],
    ['GET', '/api/v1/operationsx'],
    ['POST', '/API/V1/PAYMENTS/WEBHOOK'],
    ['POST', '/api/v1/reservations//payment/x/../../../health'],
    ['GET', `/health/${'x'.repeat(1_000)}`],
    ['POST', '/api/v1/payments/webhook/more/than/there/is?'],
  ])('takes %s %s for nothing it is not', (method, path) => {
    expect(namedClassOf(method, path)).not.toBe('pay');
    expect([null, 'always', 'holder']).toContain(namedClassOf(method, path));
  });

  it('names no path that is not there', () => {
    expect(namedClassOf('GET', '/healthy')).toBeNull();
    expect(namedClassOf('GET', `/health/${'x'.repeat(1_000)}`)).toBeNull();
    expect(namedClassOf('POST', '/API/V1/PAYMENTS/WEBHOOK')).toBeNull();
  });
});
