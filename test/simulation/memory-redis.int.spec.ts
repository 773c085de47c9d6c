/** The Redis of the simulation against a real one: the same seeded conversations, the same answers. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Commit } from '../../src/actors/ports.js';
import { apply, decide, initialState } from '../../src/rules/index.js';
import { until } from '../helpers/engine.js';
import { PROPERTY_SEED } from '../helpers/seed.js';
import { POLICY } from '../rules/commands.js';
import { Conversation, TICKETS } from './conversation.js';
import { Twins } from './twins.js';
import { told } from '../helpers/told.js';

const CONVERSATIONS = 24;
const STEPS = 500;
/** A busy machine takes several times as long as a quiet one. */
const TEST_MS = 120_000;
/** Ends while the test waits for it. */
const SHORT_MS = 50;

const [ticket = { matchNumber: 7, category: 3 }] = TICKETS;

describe('the Redis in memory', () => {
  let twins: Twins | null = null;
  afterEach(async () => {
    await twins?.stop();
    twins = null;
  });

  const start = async (name: string, leaseMs?: number): Promise<Twins> => {
    twins = new Twins(name, `t-${randomUUID().slice(0, 8)}`, TICKETS, leaseMs);
    await twins.start();
    return twins;
  };

  it(
    'answers as a real one',
    async () => {
      const commits = new Map<string, number>();
      for (let i = 0; i < CONVERSATIONS; i += 1) {
        const seed = PROPERTY_SEED + i;
        const both = await start(`PROPERTY_SEED=${seed}`);
        const conversation = new Conversation(both, seed);
        await conversation.run(STEPS);
        for (const [kind, count] of conversation.commits) commits.set(kind, (commits.get(kind) ?? 0) + count);
        await both.stop();
        twins = null;
      }
      // A comparison of nothing would prove nothing.
      expect(commits.get('committed')).toBeGreaterThan(2_000);
      for (const kind of ['repeat', 'guard', 'fenced', 'behind', 'refused']) {
        expect([kind, (commits.get(kind) ?? 0) > 10]).toEqual([kind, true]);
      }
    },
    TEST_MS,
  );

  it('forgets an outcome when its time is over, and takes its id again', async () => {
    const { stores, ask, runId } = bound(await start('outcomes'));
    const load = { type: 'load', id: 'x', at: 1, capacity: 5, price: 75, currency: 'USD' } as const;
    const before = initialState(ticket);
    const { events, outcome } = decide(before, load, POLICY);
    const commit = (side: 'real' | 'memory', version: number): Commit => ({
      commitId: `c${version}`,
      owner: 'w/1',
      version,
      runId: runId(side),
      incarnation: 1,
      before,
      after: events.reduce(apply, before),
      events: [],
      records: [{ id: 'x', keepMs: SHORT_MS, outcome: { result: told(outcome) } }],
      replies: new Map(),
      guards: new Map(),
      dueAt: 0,
      replace: null,
    });
    const send = (version: number) =>
      ask(
        `commit ${version}`,
        () => stores.real.commit(ticket, commit('real', version)),
        () => stores.memory.commit(ticket, commit('memory', version)),
      );
    await ask(
      'claim',
      () => stores.real.claim(ticket, 'w/1'),
      () => stores.memory.claim(ticket, 'w/1'),
    );
    expect((await send(0))?.memory).toEqual({ kind: 'committed' });
    for (const store of [stores.real, stores.memory])
      await until(async () => (await store.recall(ticket, ['x'])).size === 0);
    expect((await send(1))?.memory).toEqual({ kind: 'committed' });
  });

  it('gives a lease away when its time is over', async () => {
    const both = await start('leases', SHORT_MS);
    const [mine, theirs] = both.leases;
    for (const side of ['real', 'memory'] as const) {
      const lease = await mine?.[side].acquire(ticket);
      expect(lease).not.toBeNull();
      await until(async () => (await theirs?.[side].acquire(ticket)) !== null);
      expect(await lease?.extend()).toBe(false);
    }
  });
});

const bound = (twins: Twins) => ({
  stores: twins.stores,
  ask: twins.ask.bind(twins),
  runId: twins.runId.bind(twins),
});
