/** Which paths of the client port are a service's, and whose. */
import { describe, expect, it } from '@jest/globals';
import { isApi, isForwarded, upstreamOf } from '../../src/web/upstreams.js';

describe('a path of the client port', () => {
  it.each([
    ['/api/v1/matches/1', 'shop'],
    ['/api/v1/operations/sales', 'payments'],
    ['/api/v1/blocks', 'security'],
    ['/api/reservation', 'reservations'],
    ['/admin', 'shop'],
    ['/admin/queues', 'shop'],
    ['/admin/queues/static/js/main.js', 'shop'],
    ['/admin/login', 'shop'],
    ['/api/v1/nothing', null],
    ['/api', null],
  ])('%s is answered by %s', (path, upstream) => {
    expect(isForwarded(path)).toBe(true);
    expect(upstreamOf(path)).toBe(upstream);
  });

  it.each(['/', '/operator', '/operator/live', '/administration', '/ar/admin', '/apiary', '/matches/1'])(
    '%s is a page',
    (path) => {
      expect(isForwarded(path)).toBe(false);
    },
  );

  it('of the board is none of the API: nothing of it is compressed here', () => {
    expect(isApi('/admin/queues/api/queues')).toBe(false);
  });
});
