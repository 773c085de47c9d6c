/** The waiting room on a Redis Cluster: its keys are on one node, and when that is lost no number is given twice. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectRedis, type RedisClient } from '../../src/redis/connection.js';
import { RedisKeys } from '../../src/redis/keys.js';
import { WaitingRoomStore, type NewRound } from '../../src/redis/waiting-room-store.js';
import { TestCluster } from '../helpers/cluster.js';
import { silentLogger, until } from '../helpers/engine.js';

const PLACES_MAX = 1_000;
const people = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => Buffer.alloc(12, from + i).toString('base64url'));

describe('the waiting room on a Redis Cluster', () => {
  let cluster: TestCluster;
  let redis: RedisClient;
  let store: WaitingRoomStore;
  const keys = new RedisKeys('room-cluster');

  beforeAll(async () => {
    cluster = await TestCluster.start();
    redis = connectRedis({ url: cluster.url, name: 'room', logger: silentLogger });
    store = new WaitingRoomStore(redis, keys);
  }, 120_000);
  afterAll(async () => {
    redis.disconnect();
    await cluster.stop();
  }, 60_000);

  const begin = (version: string, more: Partial<NewRound> = {}): Promise<boolean> =>
    store.begin({ version, round: 7, firstFree: 0, early: null, state: '{}', keepsPasses: false, ...more });
  const join = (person: string) => store.join({ round: 7, person, placesMax: PLACES_MAX });

  it('gives places, passes, and forgets them', async () => {
    expect((await store.look()).room).toBeNull();
    expect(await begin('')).toBe(true);
    expect(await begin('')).toBe(false);
    const [first = '', ...others] = people(0, 10);
    expect(await join(first)).toEqual({ kind: 'ceiling', next: 0 });
    await store.raiseCeiling(7, 100);
    expect(await join(first)).toEqual({ kind: 'given', number: 0 });
    expect(await join(first)).toEqual({ kind: 'known', number: 0 });
    for (const person of others) expect((await join(person)).kind).toBe('given');
    expect(await store.freeze(7)).toBe(10);
    const pass = await store.pass(7, 0, { passMs: 60_000, isTooLate: false });
    expect(await store.pass(7, 0, { passMs: 60_000, isTooLate: true })).toMatchObject({
      endsAt: pass !== null && pass !== 'stale' ? pass.endsAt : null,
    });
    const look = await store.look({ id: 'me', json: '{"a":1}' });
    expect(look).toMatchObject({
      measures: ['{"a":1}'],
      inside: 1,
      room: { round: 7, next: 10, claimed: 1 },
    });
    expect(await store.step(look.room!.version, '{}', 0)).toBe(true);
    expect(await store.step(look.room!.version, '{}', 0)).toBe(false);
    await store.forget(7);
    expect(await join(first)).toEqual({ kind: 'given', number: 10 });
  });

  it('gives no place on a node that took over until the room was put back', async () => {
    await cluster.killMasterOf(keys.room.state());
    await until(async () => (await store.look()).room !== null, 30_000);
    const { room, run } = await store.look();
    expect(room!.run).not.toBe(run);
    const [late = ''] = people(20, 21);
    expect(await join(late)).toEqual({ kind: 'stale' });
    expect(await begin(room!.version, { firstFree: 100, keepsPasses: true })).toBe(true);
    await store.raiseCeiling(7, 200);
    expect(await join(late)).toEqual({ kind: 'given', number: 100 });
  });
});
