import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { UnavailableError } from '../../src/http/problem.js';
import { ReadModel, SharedBarrier, type ReadModelChange } from '../../src/http/read-model.js';
import type { SaleView } from '../../src/phases/phase.js';
import type { TicketId } from '../../src/rules/index.js';
import { ManualClock, Market, someMatch } from './fakes.js';

const T11 = { matchNumber: 1, category: 1 };
const WAIT_MS = 1_000;
const PEER = { type: 'remote', clientId: 'peer', recordedAt: 0, action: 'pending' } as const;

let clock: ManualClock;
let market: Market;
let model: ReadModel;
beforeEach(async () => {
  clock = new ManualClock();
  market = new Market(clock);
  market.open(someMatch(1), 20);
  model = new ReadModel({
    counters: market.counters,
    catalog: market.catalog,
    clock,
    logger: pino({ level: 'silent' }),
    waitMs: WAIT_MS,
  });
  await model.start();
});

const pendingShown = async (): Promise<number | undefined> =>
  (await model.fresh()).matches[0]?.view.availability.category1.pending;

/** Lets everything that can go on without a timer go on. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a shared barrier', () => {
  it('is shared only by those who came before it started', async () => {
    const passes: (() => void)[] = [];
    const barrier = new SharedBarrier(() => new Promise((resolve) => passes.push(resolve)));
    const order: string[] = [];
    const waiting = ['a', 'b', 'c'].map((who) => barrier.wait().then(() => order.push(who)));
    expect(passes).toHaveLength(1);
    passes[0]?.();
    await waiting[0];
    await settle();
    // b and c came while the first was under way: they share the second.
    expect(order).toEqual(['a']);
    expect(passes).toHaveLength(2);
    passes[1]?.();
    await Promise.all(waiting);
    void barrier.wait();
    expect(passes).toHaveLength(3);
  });

  it('goes on after one that failed', async () => {
    let passes = 0;
    const barrier = new SharedBarrier(async () => {
      passes += 1;
      if (passes === 1) throw new Error('away');
    });
    const [first, second] = [barrier.wait(), barrier.wait()];
    await expect(first).rejects.toThrow('away');
    await second;
    await barrier.wait();
  });
});

describe('the listing', () => {
  it('is serialized once until something changes', async () => {
    const first = await model.fresh();
    expect(await model.fresh()).toBe(first);
    market.do(T11, { ...PEER, quantity: 1 });
    const second = await model.fresh();
    expect(second.json).not.toBe(first.json);
    expect(JSON.parse(second.json)).toEqual({ matches: second.matches.map(({ view }) => view) });
  });

  it('shares barriers among concurrent reads', async () => {
    const before = market.barriers;
    await Promise.all(Array.from({ length: 100 }, () => model.fresh()));
    expect(market.barriers - before).toBe(2);
  });

  it('ignores what is older than what it shows', async () => {
    const old = market.countersOf(T11);
    market.do(T11, { ...PEER, quantity: 5 });
    const stale = new Market(clock);
    stale.open(someMatch(1), 20);
    let tell: ((counters: typeof old) => void) | undefined;
    const counters = {
      ...market.counters,
      subscribe: (onChange: typeof tell) => ((tell = onChange), () => undefined),
    };
    const other = new ReadModel({
      catalog: market.catalog,
      counters,
      clock,
      logger: pino({ level: 'silent' }),
      waitMs: WAIT_MS,
    });
    await other.start();
    tell?.(old);
    expect(other.current().matches[0]?.view.availability.category1.pending).toBe(15);
    // A rebuilt ticket begins its versions anew, in a newer incarnation.
    tell?.({ ...old, incarnation: 2, version: 0, pending: 3 });
    tell?.({ ...old, incarnation: 1, version: 99, pending: 7 });
    expect(other.current().matches[0]?.view.availability.category1.pending).toBe(3);
  });
});

describe('a reset', () => {
  it('is read again before anybody is answered, and keeps what was heard meanwhile', async () => {
    let open: () => void = () => undefined;
    market.readGate = new Promise((resolve) => (open = resolve));
    market.reset();
    const asked = pendingShown();
    market.do(T11, { ...PEER, quantity: 4 });
    await settle();
    open();
    expect(await asked).toBe(16);
  });

  it('is answered 503 when it takes too long, and is tried until it is done', async () => {
    const read = market.counters.read;
    Object.assign(market.counters, { read: () => Promise.reject(new Error('Redis is away')) });
    market.reset();
    const asked = pendingShown();
    const refused = expect(asked).rejects.toBeInstanceOf(UnavailableError);
    await settle();
    Object.assign(market.counters, { read });
    clock.advance(WAIT_MS);
    await refused;
    await settle();
    expect(await pendingShown()).toBe(20);
  });

  it('tells listeners that anything may have changed', async () => {
    const changes: ReadModelChange['kind'][] = [];
    const stop = model.onChange(({ kind }) => changes.push(kind));
    market.do(T11, { ...PEER, quantity: 1 });
    market.reset();
    await model.fresh();
    await settle();
    stop();
    market.do(T11, { ...PEER, quantity: 1 });
    expect(changes).toEqual(['ticket', 'listing']);
  });
});

describe('a sale in phases', () => {
  const OPENS_MS = 60_000;
  const stand = { opensAt: 0, closesAt: 0 };
  const changed = new Set<() => void>();
  const sales = {
    saleOf: ({ matchNumber, category }: TicketId, at: number): SaleView | null => {
      if (matchNumber !== 1 || category !== 1) return null;
      if (at < stand.opensAt) return { state: 'not_yet' };
      return { state: at < stand.closesAt ? 'open' : 'closed' };
    },
    nextChange: (after: number) => {
      const at = [stand.opensAt, stand.closesAt].find((time) => time > after);
      return at === undefined ? null : { at, tickets: [T11] };
    },
    subscribe: (onChange: () => void) => {
      changed.add(onChange);
      return () => changed.delete(onChange);
    },
  };
  const stateOf = (of: ReadModel): string | undefined =>
    of.current().matches[0]?.view.availability.category1.sale?.state;
  let phased: ReadModel;
  let heard: string[];
  beforeEach(async () => {
    stand.opensAt = clock.now() + OPENS_MS;
    stand.closesAt = stand.opensAt + OPENS_MS;
    market.open(someMatch(2), 20);
    phased = new ReadModel({
      counters: market.counters,
      catalog: market.catalog,
      sales,
      clock,
      logger: pino({ level: 'silent' }),
      waitMs: WAIT_MS,
    });
    await phased.start();
    heard = [];
    phased.onChange((change) =>
      heard.push(
        change.kind === 'ticket' ? `${change.counters.matchNumber}:${change.counters.category}` : 'listing',
      ),
    );
  });

  afterEach(() => phased.stop());

  it('shows what holds, from the millisecond on, and tells listeners of that ticket only', () => {
    const before = phased.current();
    clock.advance(OPENS_MS - 1);
    expect(phased.current()).toBe(before);
    expect(stateOf(phased)).toBe('not_yet');
    clock.advance(1);
    expect(stateOf(phased)).toBe('open');
    expect(phased.current().etag).not.toBe(before.etag);
    clock.advance(OPENS_MS);
    expect(stateOf(phased)).toBe('closed');
    expect(heard).toEqual(['1:1', '1:1']);
  });

  it('shows it also where the timer is late, and where several moments were missed', () => {
    const late = clock.schedule.bind(clock);
    clock.schedule = (_ms, task) => late(1_000_000, task);
    for (const change of changed) change();
    clock.advance(OPENS_MS);
    expect(stateOf(phased)).toBe('open');
    clock.advance(OPENS_MS);
    expect(stateOf(phased)).toBe('closed');
  });

  it('waits for what is further off than a timer can be', () => {
    stand.opensAt = clock.now() + 40 * 24 * 60 * 60_000;
    stand.closesAt = stand.opensAt + OPENS_MS;
    for (const change of changed) change();
    const waits: number[] = [];
    const schedule = clock.schedule.bind(clock);
    clock.schedule = (ms, task) => {
      waits.push(ms);
      return schedule(ms, task);
    };
    for (let day = 0; day < 40; day += 1) clock.advance(24 * 60 * 60_000);
    expect(Math.max(...waits)).toBeLessThan(2 ** 31);
    expect(heard).toEqual(['listing', '1:1']);
    expect(stateOf(phased)).toBe('open');
  });

  it('shows what operators changed, and stops with the model', async () => {
    stand.opensAt = clock.now();
    for (const change of changed) change();
    expect(stateOf(phased)).toBe('open');
    expect(heard).toEqual(['listing']);
    await phased.stop();
    expect(changed.size).toBe(0);
    clock.advance(OPENS_MS);
    expect(heard).toEqual(['listing']);
  });
});

describe('a match', () => {
  it('is known once it is in the catalog', async () => {
    expect(await model.knows(T11)).toBe(true);
    expect(await model.knows({ matchNumber: 2, category: 1 })).toBe(false);
    market.open(someMatch(2), 1);
    expect(await model.knows({ matchNumber: 2, category: 1 })).toBe(true);
  });
});

describe('stopping', () => {
  it('ends subscriptions', async () => {
    await model.stop();
    market.do(T11, { ...PEER, quantity: 5 });
    expect(model.current().matches[0]?.view.availability.category1.pending).toBe(20);
  });
});
