/** When a dependency is asked, and when it is left alone. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Breaker, BreakerOpenError, INSISTING_MAX, type BreakerState } from '../../src/overload/breaker.js';
import { silentLogger } from '../helpers/engine.js';
import { Deferred } from '../helpers/faults.js';

const FAILURES = 3;
const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 4_000;

class DownError extends Error {}

let now = 1_000_000;
let states: BreakerState[];
let asked: number;
let breaker: Breaker;
beforeEach(() => {
  jest.spyOn(Date, 'now').mockImplementation(() => now);
  states = [];
  asked = 0;
  breaker = new Breaker({
    dependency: 'stripe',
    logger: silentLogger,
    isDown: (error) => error instanceof DownError,
    failuresMax: FAILURES,
    pauseMsMin: PAUSE_MS,
    pauseMsMax: PAUSE_MS_MAX,
    onState: (state) => states.push(state),
  });
});
afterEach(() => {
  jest.restoreAllMocks();
});

const down = (): Promise<never> => {
  asked += 1;
  return Promise.reject(new DownError('nobody there'));
};
const refusing = (): Promise<never> => {
  asked += 1;
  return Promise.reject(new Error('declined'));
};
const well = (): Promise<string> => {
  asked += 1;
  return Promise.resolve('yes');
};

async function open(): Promise<void> {
  for (let i = 0; i < FAILURES; i += 1) await expect(breaker.run(down)).rejects.toBeInstanceOf(DownError);
  expect(breaker.state).toBe('open');
  asked = 0;
}

describe('a breaker', () => {
  it('says at the start that all is let through', () => {
    expect(states).toEqual(['closed']);
    expect(breaker.restMs).toBe(0);
  });

  it('opens after so many failures in a row, and then refuses at once without asking', async () => {
    await open();
    const refused = breaker.run(well);
    await expect(refused).rejects.toBeInstanceOf(BreakerOpenError);
    await expect(refused).rejects.toMatchObject({ dependency: 'stripe' });
    expect(asked).toBe(0);
    expect(states).toEqual(['closed', 'open']);
  });

  it('does not open while one in between succeeds', async () => {
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < FAILURES - 1; i += 1) await expect(breaker.run(down)).rejects.toThrow();
      await breaker.run(well);
    }
    expect(breaker.state).toBe('closed');
  });

  it('takes a no for an answer: it opens nothing, and counts as being there', async () => {
    for (let i = 0; i < 4 * FAILURES; i += 1) await expect(breaker.run(refusing)).rejects.toThrow('declined');
    expect(breaker.state).toBe('closed');
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < FAILURES - 1; i += 1) await expect(breaker.run(down)).rejects.toThrow();
      await expect(breaker.run(refusing)).rejects.toThrow('declined');
    }
    expect(breaker.state).toBe('closed');
  });

  it('asks again with one call after its pause; the others are refused until that one knows', async () => {
    await open();
    now += PAUSE_MS;
    const answer = new Deferred();
    const probe = breaker.run(async () => {
      asked += 1;
      await answer.promise;
      return 'yes';
    });
    expect(breaker.state).toBe('half_open');
    await expect(breaker.run(well)).rejects.toBeInstanceOf(BreakerOpenError);
    expect(asked).toBe(1);
    answer.resolve();
    await expect(probe).resolves.toBe('yes');
    expect(breaker.state).toBe('closed');
    await expect(breaker.run(well)).resolves.toBe('yes');
    expect(states).toEqual(['closed', 'open', 'half_open', 'closed']);
  });

  it('lets all through when the one that asks is told no', async () => {
    await open();
    now += PAUSE_MS;
    await expect(breaker.run(refusing)).rejects.toThrow('declined');
    expect(breaker.state).toBe('closed');
  });

  it('rests longer after each time in vain, up to its limit', async () => {
    await open();
    const rests: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      rests.push(breaker.restMs);
      now += breaker.restMs;
      expect(breaker.restMs).toBe(0);
      await expect(breaker.run(down)).rejects.toBeInstanceOf(DownError);
      expect(breaker.state).toBe('open');
    }
    expect(rests.every((rest, i) => rest > 0.7 * Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** i))).toBe(true);
    expect(Math.max(...rests)).toBeLessThanOrEqual(PAUSE_MS_MAX);
  });

  it('tells those it refuses to come back after its rest, and not all at once', async () => {
    await open();
    const refusals = await Promise.all(
      Array.from({ length: 20 }, () => breaker.run(well).catch((error: unknown) => error)),
    );
    const waits = refusals.map((error) => (error as BreakerOpenError).retryAfterMs);
    expect(Math.min(...waits)).toBeGreaterThan(breaker.restMs);
    expect(new Set(waits).size).toBeGreaterThan(10);
  });
});

describe('a call that insists', () => {
  it('is made while all others are refused, and its success lets all through', async () => {
    await open();
    await expect(breaker.insist(well)).resolves.toBe('yes');
    expect(asked).toBe(1);
    expect(breaker.state).toBe('closed');
    await expect(breaker.run(well)).resolves.toBe('yes');
    expect(states).toEqual(['closed', 'open', 'closed']);
  });

  it('changes nothing when nobody is there', async () => {
    await open();
    await expect(breaker.insist(down)).rejects.toBeInstanceOf(DownError);
    expect(breaker.state).toBe('open');
    await expect(breaker.run(well)).rejects.toBeInstanceOf(BreakerOpenError);
  });

  it('is made beside the one that asks, whose failure then means nothing any more', async () => {
    await open();
    now += PAUSE_MS;
    const late = new Deferred();
    const probe = breaker.run(async () => {
      await late.promise;
      throw new DownError('too late');
    });
    await expect(breaker.insist(well)).resolves.toBe('yes');
    expect(breaker.state).toBe('closed');
    late.resolve();
    await expect(probe).rejects.toBeInstanceOf(DownError);
    expect(breaker.state).toBe('closed');
  });

  it('is refused only where as many others insist at this moment', async () => {
    await open();
    const answer = new Deferred();
    const waiting = Array.from({ length: INSISTING_MAX }, () => breaker.insist(() => answer.promise));
    await expect(breaker.insist(well)).rejects.toBeInstanceOf(BreakerOpenError);
    answer.resolve();
    await Promise.all(waiting);
    await expect(breaker.insist(well)).resolves.toBe('yes');
  });

  it('counts like any other while all is well', async () => {
    for (let i = 0; i < FAILURES; i += 1) await expect(breaker.insist(down)).rejects.toThrow();
    expect(breaker.state).toBe('open');
  });
});
