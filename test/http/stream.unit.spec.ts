import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Response } from 'express';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { createMetrics } from '../../src/http/metrics.js';
import { ReadModel } from '../../src/http/read-model.js';
import { AvailabilityStream } from '../../src/http/stream.js';
import { ManualClock, Market, someMatch } from './fakes.js';

const FLUSH_MS = 50;
const HEARTBEAT_MS = 15_000;
const PEER = { type: 'remote', clientId: 'peer', recordedAt: 0, action: 'pending' } as const;

/** A connection that is full when the test says so. */
class FakeResponse extends EventEmitter {
  readonly chunks: string[] = [];
  full = false;
  destroyed = false;
  ended = false;
  writeHead(): void {
    // Headers are looked at over HTTP.
  }
  write(chunk: string): boolean {
    this.chunks.push(chunk);
    return !this.full;
  }
  end(): void {
    this.ended = true;
    this.emit('close');
  }
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
  /** Events written since the last look: kind and pending count. */
  take(): string[] {
    const text = this.chunks.splice(0).join('');
    return [...text.matchAll(/event: (\w+)\ndata: (.*)/g)].map(([, event, data]) => {
      const { matchNumber, pending } = JSON.parse(data ?? '') as { matchNumber?: number; pending?: number };
      return event === 'snapshot' ? 'snapshot' : `${matchNumber}:${pending}`;
    });
  }
}

let clock: ManualClock;
let market: Market;
let stream: AvailabilityStream;
beforeEach(async () => {
  clock = new ManualClock();
  market = new Market(clock);
  for (const matchNumber of [1, 2]) market.open(someMatch(matchNumber), 20);
  const { counters, catalog } = market;
  const model = new ReadModel({ counters, catalog, clock, logger: pino({ level: 'silent' }), waitMs: 1_000 });
  await model.start();
  const limits = { clientsMax: 3, flushMs: FLUSH_MS, heartbeatMs: HEARTBEAT_MS, retryMs: 1 };
  stream = new AvailabilityStream({ model, clock, metrics: createMetrics(new Registry()), ...limits });
});

async function client(): Promise<FakeResponse> {
  const response = new FakeResponse();
  expect(await stream.open(response as unknown as Response)).toBe(true);
  return response;
}

const pend = (matchNumber: number): unknown =>
  market.do({ matchNumber, category: 1 }, { ...PEER, quantity: 1 });

describe('a slow client', () => {
  it('gets the newest state of each ticket once it can take it, and delays nobody', async () => {
    const [slow, quick] = [await client(), await client()];
    slow.take();
    quick.take();
    slow.full = true;
    for (const matchNumber of [1, 2, 1, 1]) {
      pend(matchNumber);
      clock.advance(FLUSH_MS);
    }
    expect(quick.take()).toEqual(['1:19', '2:19', '1:18', '1:17']);
    // The write that filled it got through; what came after waits, one state a ticket.
    expect(slow.take()).toEqual(['1:19']);
    slow.full = false;
    slow.emit('drain');
    expect(slow.take()).toEqual(['2:19', '1:17']);
    pend(2);
    clock.advance(FLUSH_MS);
    expect(slow.take()).toEqual(['2:18']);
  });

  it('gets a snapshot instead when other matches are listed meanwhile', async () => {
    const slow = await client();
    slow.full = true;
    pend(1);
    clock.advance(FLUSH_MS);
    slow.take();
    market.open(someMatch(3), 20);
    await new Promise(setImmediate);
    clock.advance(FLUSH_MS);
    pend(1);
    clock.advance(FLUSH_MS);
    slow.full = false;
    slow.emit('drain');
    expect(slow.take()).toEqual(['snapshot']);
  });

  it('is given up when it stays full', async () => {
    const gone = await client();
    gone.full = true;
    pend(1);
    clock.advance(FLUSH_MS);
    for (let beat = 0; beat < 4; beat += 1) clock.advance(HEARTBEAT_MS);
    expect(gone.destroyed).toBe(true);
  });
});

describe('many changes at once', () => {
  it('are sent together, the newest of each ticket', async () => {
    const one = await client();
    one.take();
    for (const matchNumber of [1, 2, 1]) pend(matchNumber);
    expect(one.take()).toEqual([]);
    clock.advance(FLUSH_MS);
    expect(one.take()).toEqual(['1:18', '2:19']);
  });
});

describe('what operators tell', () => {
  /** Of match 1, as the newest snapshot has it. */
  const told = ({ chunks }: FakeResponse): unknown => {
    const snapshots = [
      ...chunks
        .splice(0)
        .join('')
        .matchAll(/event: snapshot\ndata: (.*)/g),
    ];
    const { matches } = JSON.parse(snapshots.at(-1)?.[1] ?? '{}') as { matches?: { matchNumber: number }[] };
    return matches?.find(({ matchNumber }) => matchNumber === 1);
  };

  it('comes with the first snapshot, and at once when it changes', async () => {
    const { dateUtc, location } = someMatch(1);
    const one = await client();
    expect(told(one)).toEqual({ matchNumber: 1, dateUtc, location });

    const moved = { dateUtc: '2022-12-01T16:00:00Z', location: 'Elsewhere' };
    const rescheduled = { ...moved, previousDateUtc: dateUtc, previousLocation: location, refundUntil: 0 };
    market.notices = { pauses: [], matches: new Map([[1, { rescheduled }]]) };
    market.open({ ...someMatch(1), ...moved }, 20);
    await new Promise(setImmediate);
    clock.advance(FLUSH_MS);
    const notice = {
      kind: 'rescheduled',
      previousDateUtc: dateUtc,
      previousLocation: location,
      refundUntil: '1970-01-01T00:00:00.000Z',
    };
    expect(told(one)).toEqual({ matchNumber: 1, ...moved, notice });
  });
});

describe('places', () => {
  it('are limited also for those who are still joining, and given back', async () => {
    const responses = Array.from({ length: 4 }, () => new FakeResponse());
    const taken = await Promise.all(
      responses.map((response) => stream.open(response as unknown as Response)),
    );
    expect(taken).toEqual([true, true, true, false]);
    responses[0]?.destroy();
    await client();
    stream.close();
    expect(responses[1]?.ended).toBe(true);
    expect(await stream.open(new FakeResponse() as unknown as Response)).toBe(false);
    expect(clock.timers).toBe(0);
  });
});
