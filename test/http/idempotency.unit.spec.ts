import { describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';
import RedisMock from 'ioredis-mock';
import {
  Idempotency,
  RedisIdempotencyStore,
  canonicalJson,
  type Asked,
  type RequestIdentity,
} from '../../src/http/idempotency.js';
import { UnavailableError } from '../../src/http/problem.js';
import { ManualClock, MemoryIdempotency } from './fakes.js';

const KEY = 'a-key-nobody-guesses';
const ASKED: Asked = { route: 'hold', caller: 'a@b.co', address: '10.0.0.1', key: KEY, body: { a: 1, b: 2 } };

function setUp(): {
  store: MemoryIdempotency;
  clock: ManualClock;
  identify: (more?: Partial<Asked>) => Promise<RequestIdentity>;
} {
  const store = new MemoryIdempotency();
  const clock = new ManualClock();
  let ids = 0;
  const newId = (): string => `random-${(ids += 1)}`;
  const limits = { waitMs: 100, idempotencyMs: 1_000, unkeyedOutcomeMs: 10 };
  const idempotency = new Idempotency({ store, clock, secret: 's', newId, ...limits });
  const identify = async (more: Partial<Asked> = {}): Promise<RequestIdentity> => {
    const identity = await idempotency.identify({ ...ASKED, ...more });
    if (identity.kind === 'conflict') throw new Error('conflict');
    return identity;
  };
  return { store, clock, identify };
}

describe('a key', () => {
  it('gives the same id to the same request, however its body is written', async () => {
    const { identify } = setUp();
    const first = await identify();
    expect(first).toMatchObject({ first: true, keyed: true, keepMs: 1_000 });
    expect(await identify({ body: { b: 2, a: 1 } })).toEqual({ ...first, first: false });
  });

  it('is refused with another body', async () => {
    const { identify } = setUp();
    await identify();
    await expect(identify({ body: { a: 1 } })).rejects.toThrow('conflict');
  });

  it('counts per caller and route, and per address only when it could be guessed', async () => {
    const { identify } = setUp();
    const { id } = await identify();
    expect((await identify({ caller: 'c@d.co' })).id).not.toBe(id);
    expect((await identify({ route: 'one-shot' })).id).not.toBe(id);
    expect((await identify({ address: '10.0.0.2' })).id).toBe(id);
    const short = await identify({ key: 'order-1' });
    expect((await identify({ key: 'order-1', address: '10.0.0.2' })).id).not.toBe(short.id);
    expect((await identify({ key: 'order-1' })).id).toBe(short.id);
  });

  it('does not run into the caller', async () => {
    const { identify } = setUp();
    const one = await identify({ caller: 'a', key: `b${KEY}` });
    expect((await identify({ caller: 'ab', key: KEY })).id).not.toBe(one.id);
  });

  it('leaves nothing readable in the store', async () => {
    const { store, identify } = setUp();
    await identify({ body: { card: '4242424242424242' } });
    expect(JSON.stringify([...store.claims])).not.toMatch(/a@b|nobody|4242424242424242/);
  });

  it('is not needed: then every request is its own', async () => {
    const { store, identify } = setUp();
    const { key: _key, ...unkeyed } = ASKED;
    expect(await identify({ ...unkeyed, key: undefined })).toMatchObject({
      id: 'random-1',
      keyed: false,
      keepMs: 10,
    });
    expect(await identify({ key: undefined })).toMatchObject({ id: 'random-2', first: true });
    expect(store.claims.size).toBe(0);
  });
});

describe('a store that does not answer', () => {
  it('is waited for within a bound', async () => {
    const { store, clock, identify } = setUp();
    store.claim = () => new Promise(() => undefined);
    const asked = identify();
    clock.advance(100);
    await expect(asked).rejects.toBeInstanceOf(UnavailableError);
    store.claim = () => Promise.reject(new Error('away'));
    await expect(identify()).rejects.toBeInstanceOf(UnavailableError);
  });
});

describe('the store on Redis', () => {
  const up = () => true;

  it('refuses at once while Redis cannot be reached', async () => {
    const store = new RedisIdempotencyStore(new RedisMock(), String, () => false);
    await expect(store.claim('k', 'f', 60_000)).rejects.toBeInstanceOf(UnavailableError);
  });

  it('keeps the first fingerprint, for its time', async () => {
    const redis = new RedisMock();
    const store = new RedisIdempotencyStore(redis, (scope) => `test:${scope}`, up);
    const claims = await Promise.all(
      ['one', 'two', 'three'].map((fingerprint) => store.claim('k', fingerprint, 60_000)),
    );
    expect(claims.filter(({ first }) => first)).toHaveLength(1);
    expect(new Set(claims.map(({ fingerprint }) => fingerprint)).size).toBe(1);
    expect(await redis.pttl('test:k')).toBeGreaterThan(0);
    redis.disconnect();
  });

  it('takes anew what expired between its two steps', async () => {
    let sets = 0;
    const set = (async () => ((sets += 1) > 1 ? 'OK' : null)) as unknown as Redis['set'];
    const get = (async () => null) as unknown as Redis['get'];
    const store = new RedisIdempotencyStore({ set, get }, (scope) => scope, up);
    expect(await store.claim('k', 'f', 1)).toEqual({ first: true, fingerprint: 'f' });
    const never = (async () => null) as unknown as Redis['set'];
    await expect(
      new RedisIdempotencyStore({ set: never, get }, String, up).claim('k', 'f', 1),
    ).rejects.toBeInstanceOf(UnavailableError);
  });
});

describe('canonical JSON', () => {
  it('sorts members at every depth and keeps the order of lists', () => {
    expect(canonicalJson({ b: [{ d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1}]}');
  });
});
