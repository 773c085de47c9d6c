import { describe, expect, it } from '@jest/globals';
import type { LiveMatch, LiveTicket } from '../src/api/types';
import { AvailabilityFeed, HIDDEN_MS_MAX, SILENCE_MS_MAX } from '../src/live/feed';

const TICKET = { matchNumber: 1, category: 1, available: 1, pending: 1, price: 75, status: 'available' };
const event = (name: string, data: unknown): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
const SNAPSHOT = event('snapshot', { tickets: [TICKET] });

/** Everything that was begun is done: nothing here waits for a clock. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

interface Connection {
  readonly send: (text: string) => Promise<void>;
  readonly end: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** Each connection is answered in turn: with a stream, a full server, or not at all. */
function bench(answers: ('stream' | 'full' | 'lost')[] = []) {
  const connections: Connection[] = [];
  const timers: { readonly ms: number; readonly run: () => void; isOff: boolean }[] = [];
  const heard: (readonly LiveTicket[])[] = [];
  const told: (readonly LiveMatch[])[] = [];
  let now = 1_000;
  const feed = new AvailabilityFeed({
    url: '/stream',
    fetch: async (_url, init) => {
      const answer = answers.shift() ?? 'stream';
      if (answer === 'lost') throw new TypeError('lost');
      if (answer === 'full') return new Response(null, { status: 503, headers: { 'Retry-After': '7' } });
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const writer = writable.getWriter();
      connections.push({
        signal: init?.signal as AbortSignal,
        send: async (text) => {
          writer.write(new TextEncoder().encode(text)).catch(() => undefined);
          await settled();
        },
        end: async () => {
          writer.close().catch(() => undefined);
          await settled();
        },
      });
      return new Response(readable);
    },
    now: () => now,
    random: () => 0,
    onTickets: (tickets) => void heard.push(tickets),
    onMatches: (matches) => void told.push(matches),
    schedule: (ms, run) => {
      const timer = { ms, run, isOff: false };
      timers.push(timer);
      return () => {
        timer.isOff = true;
      };
    },
  });
  return {
    feed,
    connections,
    heard,
    told,
    at: (ms: number): void => {
      now = ms;
    },
    /** Runs the timer with this time that is still on. */
    fire: async (ms: number): Promise<void> => {
      const timer = timers.find((one) => !one.isOff && one.ms === ms);
      if (!timer) throw new Error(`no timer of ${ms} ms`);
      timer.isOff = true;
      timer.run();
      await settled();
    },
    open: async (): Promise<Connection> => {
      feed.start();
      await settled();
      await connections[0]?.send(SNAPSHOT);
      return connections[0]!;
    },
  };
}

describe('the feed of availability', () => {
  it('is live from the snapshot on and hands on every change', async () => {
    const { feed, connections, heard } = bench();
    feed.start();
    await settled();
    expect(feed.state.kind).toBe('connecting');
    await connections[0]?.send(SNAPSHOT);
    expect(feed.state.kind).toBe('live');
    const change = event('availability', { ...TICKET, pending: 0 });
    await connections[0]?.send(change.slice(0, 20));
    await connections[0]?.send(change.slice(20));
    expect(heard.map(([ticket]) => ticket?.pending)).toEqual([1, 0]);
    feed.stop();
    expect(connections[0]?.signal.aborted).toBe(true);
  });

  it('hands on what a snapshot says of matches, and takes one that says nothing', async () => {
    const { heard, told, open } = bench();
    const connection = await open();
    const match = { matchNumber: 1, dateUtc: '2022-12-01T10:00:00Z', location: 'Lusail Stadium' };
    await connection.send(event('snapshot', { tickets: [TICKET], matches: [match] }));
    expect(told).toEqual([[], [match]]);
    expect(heard).toHaveLength(2);
  });

  it('says since when it is old, and waits longer each time', async () => {
    const { feed, connections, fire, at, open } = bench(['stream', 'lost', 'lost']);
    at(5_000);
    const first = await open();
    at(9_000);
    await first.end();
    expect(feed.state).toEqual({ kind: 'reconnecting', lastHeardAt: 5_000 });
    await fire(250);
    await fire(500);
    await fire(1_000);
    expect(feed.state).toEqual({ kind: 'reconnecting', lastHeardAt: 5_000 });
    await connections[1]?.send(SNAPSHOT);
    expect(feed.state.kind).toBe('live');
    feed.stop();
  });

  it('takes silence for a lost connection; a heartbeat is none', async () => {
    const { feed, fire, at, open } = bench();
    const first = await open();
    at(20_000);
    await first.send(': heartbeat\n\n');
    await fire(SILENCE_MS_MAX);
    expect(feed.state).toEqual({ kind: 'reconnecting', lastHeardAt: 20_000 });
    expect(first.signal.aborted).toBe(true);
    feed.stop();
  });

  it('leaves a full server alone for as long as it asks', async () => {
    const { feed, fire, connections } = bench(['full']);
    feed.start();
    await settled();
    await fire(7_000);
    expect(connections).toHaveLength(1);
    feed.stop();
  });

  it('gives the connection back when nobody looks, and comes at once when somebody does', async () => {
    const { feed, connections, fire, open } = bench();
    const first = await open();
    feed.visible(false);
    await fire(HIDDEN_MS_MAX);
    expect([feed.state.kind, first.signal.aborted]).toEqual(['reconnecting', true]);
    feed.visible(true);
    await settled();
    expect(connections).toHaveLength(2);
    feed.stop();
  });

  it('believes the browser that the network is gone or back', async () => {
    const { feed, connections, open } = bench();
    await open();
    feed.offline();
    expect(feed.state.kind).toBe('reconnecting');
    feed.wake();
    await settled();
    expect(connections).toHaveLength(2);
    feed.stop();
  });
});
