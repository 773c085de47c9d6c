import { describe, expect, it } from '@jest/globals';
import type { Purchase } from './check.js';
import { figuresOf } from './figures.js';
import type { InjectedFault } from './injector.js';
import { KIND_NAMES, scheduleOf } from './schedule.js';

const options = { seed: 7, faults: 60, spanMs: 600_000, kinds: KIND_NAMES, instances: { worker: 2 } };

describe('a schedule of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(scheduleOf(options)).toEqual(scheduleOf(options));
    expect(scheduleOf({ ...options, seed: 8 })).not.toEqual(scheduleOf(options));
  });

  it('gives each kind its share, within the time, in order', () => {
    const schedule = scheduleOf(options);
    for (const kind of KIND_NAMES) {
      expect(schedule.filter((fault) => fault.kind === kind).length).toBeGreaterThanOrEqual(3);
    }
    const times = schedule.map(({ atMs }) => atMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(Math.max(...times)).toBeLessThanOrEqual(options.spanMs);
    expect(new Set(schedule.map(({ instance }) => instance))).toEqual(new Set([0, 1]));
  });
});

describe('figures of a run', () => {
  const purchase = (askedAt: number, answeredAt: number): Purchase => ({
    ...{ ticket: '1:1', quantity: 1, id: '' },
    answers: [{ op: 'hold', askedAt, answeredAt, status: 201, tries: 1 }],
  });
  const fault = (kind: InjectedFault['kind'], startedAt: number, endedAt: number): InjectedFault => ({
    ...{ number: 1, kind, name: kind, startedAt, endedAt },
  });

  it('count from the end of a fault, from the death of a worker, and the longest silence', () => {
    const purchases = [purchase(900, 1_000), purchase(1_100, 7_000), purchase(7_100, 7_200)];
    expect(figuresOf([fault('redis-kill', 2_000, 5_000)], purchases, ['1:1'])).toEqual([
      {
        kind: 'redis-kill',
        injected: 1,
        unavailableMsMax: 6_000,
        recoveryMsMax: 2_000,
        undisturbedMsMax: 2_000,
        undisturbed: 1,
      },
    ]);
    const [worker] = figuresOf([{ ...fault('worker-kill', 2_000, 5_000), owned: ['1:1'] }], purchases, [
      '1:1',
    ]);
    expect(worker).toMatchObject({ recoveryMsMax: 5_000 });
  });

  it('count from the end of the last fault where several go on at once', () => {
    const purchases = [purchase(900, 1_000), purchase(6_100, 7_000), purchase(9_000, 9_500)];
    const faults = [fault('redis-cut', 2_000, 3_000), fault('mongo-slow', 2_500, 6_000)];
    const [redis] = figuresOf(faults, purchases, ['1:1']);
    expect(redis).toMatchObject({ recoveryMsMax: 1_000, undisturbedMsMax: null, undisturbed: 0 });
  });
});
