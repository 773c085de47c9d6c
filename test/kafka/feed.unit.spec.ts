/** The in-process feed against the promises of the log's port. */
import { describe, expect, it } from '@jest/globals';
import {
  FEED_RETRY_MS_MAX,
  FEED_RETRY_MS_MIN,
  FeedFullError,
  FeedStoppedError,
  InProcessFeed,
} from '../../src/kafka/feed.js';
import type { IncomingRecord, OutgoingRecord } from '../../src/kafka/port.js';
import { ManualClock, quiet, until } from './fakes.js';

const out = (value: string, topic = 'sales'): OutgoingRecord => ({
  topic,
  key: 'k',
  value,
  headers: { h: value },
});
const outs = (from: number, to: number): OutgoingRecord[] =>
  Array.from({ length: to - from }, (_, i) => out(String(from + i)));
const text = (record: IncomingRecord): string => record.value?.toString() ?? '';

/** A subscriber that notes what it gets, and does as it is told with each batch. */
class Subscriber {
  readonly batches: string[][] = [];
  readonly records: IncomingRecord[] = [];
  answer: () => Promise<void> = () => Promise.resolve();

  readonly handler = (records: readonly IncomingRecord[]): Promise<void> => {
    this.batches.push(records.map(text));
    this.records.push(...records);
    return this.answer();
  };
  get values(): string[] {
    return this.records.map(text);
  }
}

function latch(): { readonly opened: Promise<void>; open: () => void; fail: () => void } {
  const { promise, resolve, reject } = withResolvers();
  return { opened: promise, open: resolve, fail: () => reject(new Error('no')) };
}
function withResolvers(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let resolve = (): void => undefined;
  let reject = (_error: Error): void => undefined;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

async function started(
  options: { recordsMax?: number; batchRecordsMax?: number; random?: () => number } = {},
) {
  const clock = new ManualClock();
  const feed = new InProcessFeed({ clock, ...options });
  await feed.start();
  return { clock, feed };
}

describe('delivery', () => {
  it('hands records over in order, with offset, time, source and headers', async () => {
    const { clock, feed } = await started();
    const subscriber = new Subscriber();
    await feed.subscribe(['sales'], subscriber.handler);
    await feed.publish([out('a'), out('b')]);
    clock.advance(7);
    await feed.publish([out('c')]);
    await until(() => subscriber.records.length === 3);
    expect(subscriber.values).toEqual(['a', 'b', 'c']);
    expect(subscriber.records.map((record) => record.offset)).toEqual(['0', '1', '2']);
    const [first, , third] = subscriber.records;
    expect(third!.timestamp - first!.timestamp).toBe(7);
    expect(first).toMatchObject({ topic: 'sales', headers: { h: 'a' } });
    expect(first!.source).toMatch(/^in-process\/[0-9a-f-]{36}\/sales\/0$/);
  });

  it('has another source in every process', async () => {
    const sources = await Promise.all(
      [1, 2].map(async () => {
        const { feed } = await started();
        const subscriber = new Subscriber();
        await feed.subscribe(['sales'], subscriber.handler);
        await feed.publish([out('a')]);
        await until(() => subscriber.records.length === 1);
        return subscriber.records[0]!.source;
      }),
    );
    expect(sources[0]).not.toBe(sources[1]);
  });

  it('starts a new subscriber from the beginning, whoever read before', async () => {
    const { feed } = await started();
    const [early, late] = [new Subscriber(), new Subscriber()];
    await feed.subscribe(['sales'], early.handler);
    await feed.publish(outs(0, 3));
    await until(() => early.records.length === 3);
    await feed.subscribe(['sales'], late.handler);
    await until(() => late.records.length === 3);
    expect(late.values).toEqual(early.values);
  });

  it('hands over at most a batch at once, the next only after it', async () => {
    const { feed } = await started({ batchRecordsMax: 2 });
    const subscriber = new Subscriber();
    const gate = latch();
    subscriber.answer = () => gate.opened;
    await feed.subscribe(['sales'], subscriber.handler);
    await feed.publish(outs(0, 5));
    await quiet();
    expect(subscriber.batches).toEqual([['0', '1']]);
    gate.open();
    await until(() => subscriber.records.length === 5);
    expect(subscriber.batches).toEqual([['0', '1'], ['2', '3'], ['4']]);
  });

  it('keeps topics apart: one that is stuck does not hold up another', async () => {
    const { feed } = await started();
    const subscriber = new Subscriber();
    subscriber.answer = () =>
      subscriber.records.at(-1)?.topic === 'sales' ? new Promise(() => undefined) : Promise.resolve();
    await feed.subscribe(['sales', 'lists'], subscriber.handler);
    await feed.publish([out('stuck'), out('l1', 'lists')]);
    await feed.publish([out('l2', 'lists'), out('other', 'third')]);
    await until(() => subscriber.records.length === 3);
    expect(subscriber.values.sort()).toEqual(['l1', 'l2', 'stuck']);
  });

  it('never calls a handler inside publish', async () => {
    const { feed } = await started();
    const subscriber = new Subscriber();
    await feed.subscribe(['sales'], subscriber.handler);
    const published = feed.publish([out('a')]);
    expect(subscriber.records).toEqual([]);
    await published;
    await until(() => subscriber.records.length === 1);
  });
});

describe('a handler that rejects', () => {
  it('gets the same batch again until it resolves, later and later up to a limit, with jitter', async () => {
    const chances = [0, 1, 0.5];
    let calls = 0;
    const { clock, feed } = await started({ random: () => chances[calls++ % chances.length]! });
    const subscriber = new Subscriber();
    let failures = 12;
    subscriber.answer = () => (failures-- > 0 ? Promise.reject(new Error('not now')) : Promise.resolve());
    await feed.subscribe(['sales'], subscriber.handler);
    await feed.publish([out('a'), out('b')]);

    const delays: number[] = [];
    for (let i = 0; i < 12; i += 1) {
      await until(() => clock.delays.length === 1);
      delays.push(clock.delays[0]!);
      clock.advance(FEED_RETRY_MS_MAX);
    }
    await until(() => subscriber.batches.length === 13);
    expect(subscriber.batches.every((batch) => batch.join() === 'a,b')).toBe(true);
    delays.forEach((delay, i) => {
      const full = Math.min(FEED_RETRY_MS_MAX, FEED_RETRY_MS_MIN * 2 ** i);
      expect(delay).toBe(full * (0.5 + chances[i % chances.length]! / 2));
    });

    await feed.publish([out('c')]);
    await until(() => subscriber.batches.length === 14);
    expect(subscriber.batches.at(-1)).toEqual(['c']);
    expect(clock.delays).toEqual([]);
  });

  it('may also throw', async () => {
    const { clock, feed } = await started();
    const subscriber = new Subscriber();
    subscriber.answer = () => {
      subscriber.answer = () => Promise.resolve();
      throw new Error('at once');
    };
    await feed.subscribe(['sales'], subscriber.handler);
    await feed.publish([out('a')]);
    await until(() => clock.delays.length === 1);
    clock.advance(FEED_RETRY_MS_MAX);
    await until(() => subscriber.batches.length === 2);
    expect(subscriber.batches).toEqual([['a'], ['a']]);
  });
});

describe('what is kept', () => {
  it('takes no more memory than it is long', async () => {
    const { feed } = await started();
    const subscriber = new Subscriber();
    await feed.publish([out('a'), out('ab'), out('\u00e9'.repeat(100))]);
    await feed.subscribe(['sales'], subscriber.handler);
    await until(() => subscriber.records.length === 3);
    expect(subscriber.records.map(({ value }) => value?.buffer.byteLength)).toEqual([1, 2, 200]);
    expect(subscriber.values.at(-1)).toBe('\u00e9'.repeat(100));
  });

  it('is bounded: the oldest go, once every subscriber has passed them', async () => {
    const { feed } = await started({ recordsMax: 4 });
    const reader = new Subscriber();
    await feed.subscribe(['sales'], reader.handler);
    for (let i = 0; i < 10; i += 1) {
      await feed.publish([out(String(i))]);
      await until(() => reader.records.length === i + 1);
    }
    const late = new Subscriber();
    await feed.subscribe(['sales'], late.handler);
    await until(() => late.records.length === 4);
    expect(late.values).toEqual(['6', '7', '8', '9']);
    expect(late.records.map((record) => record.offset)).toEqual(['6', '7', '8', '9']);
  });

  it('is bounded without subscribers too', async () => {
    const { feed } = await started({ recordsMax: 4 });
    await feed.publish(outs(0, 9));
    const late = new Subscriber();
    await feed.subscribe(['sales'], late.handler);
    await until(() => late.records.length === 4);
    expect(late.values).toEqual(['5', '6', '7', '8']);
  });

  it('is never lost to a subscriber that is behind: publishing is refused, all or nothing', async () => {
    const { feed } = await started({ recordsMax: 4, batchRecordsMax: 1 });
    const slow = new Subscriber();
    const gate = latch();
    slow.answer = () => gate.opened;
    await feed.subscribe(['sales'], slow.handler);
    await feed.publish(outs(0, 3));
    await expect(feed.publish([out('x', 'lists'), ...outs(3, 5)])).rejects.toBeInstanceOf(FeedFullError);
    await feed.publish([out('3')]);
    await expect(feed.publish([out('4')])).rejects.toMatchObject({ retriable: true });
    await feed.publish([out('y', 'lists')]);

    gate.open();
    await until(() => slow.records.length === 4);
    await quiet();
    await feed.publish(outs(4, 6));
    const lists = new Subscriber();
    await feed.subscribe(['lists'], lists.handler);
    await until(() => slow.records.length === 6 && lists.records.length === 1);
    expect(slow.values).toEqual(['0', '1', '2', '3', '4', '5']);
    expect(lists.values).toEqual(['y']);
  });

  it('a group of more than the limit passes when nobody is behind', async () => {
    const { feed } = await started({ recordsMax: 4 });
    const subscriber = new Subscriber();
    await feed.subscribe(['sales'], subscriber.handler);
    await feed.publish(outs(0, 9));
    await until(() => subscriber.records.length === 9);
    expect(subscriber.values).toHaveLength(9);
  });

  it('a subscriber that ended holds up nobody', async () => {
    const { feed } = await started({ recordsMax: 2 });
    const stuck = new Subscriber();
    const gate = latch();
    stuck.answer = () => gate.opened;
    const subscription = await feed.subscribe(['sales'], stuck.handler);
    await feed.publish(outs(0, 2));
    await until(() => stuck.batches.length === 1);
    const ended = subscription.stop();
    gate.open();
    await ended;
    await feed.publish(outs(2, 5));
    await quiet();
    expect(stuck.values).toEqual(['0', '1']);
  });
});

describe('start and stop', () => {
  it('takes and hands over nothing before the start', async () => {
    const feed = new InProcessFeed({ clock: new ManualClock() });
    const subscriber = new Subscriber();
    await feed.subscribe(['sales'], subscriber.handler);
    await expect(feed.publish([out('a')])).rejects.toBeInstanceOf(FeedStoppedError);
    await feed.start();
    await feed.publish([out('b')]);
    await until(() => subscriber.records.length === 1);
    expect(subscriber.values).toEqual(['b']);
  });

  it('stops after the batch at hand and goes on there at the next start', async () => {
    const { feed } = await started({ batchRecordsMax: 1 });
    const subscriber = new Subscriber();
    const gate = latch();
    subscriber.answer = () => gate.opened;
    await feed.subscribe(['sales'], subscriber.handler);
    await feed.publish(outs(0, 3));
    await until(() => subscriber.batches.length === 1);
    let isStopped = false;
    const stopped = feed.stop().then(() => {
      isStopped = true;
    });
    await quiet();
    expect(isStopped).toBe(false);
    gate.open();
    await stopped;
    await quiet();
    expect(subscriber.values).toEqual(['0']);
    await expect(feed.publish([out('x')])).rejects.toBeInstanceOf(FeedStoppedError);
    await feed.start();
    await until(() => subscriber.records.length === 3);
    expect(subscriber.values).toEqual(['0', '1', '2']);
  });

  it('does not wait for a retry when stopping, and hands the batch over again after the next start', async () => {
    const { clock, feed } = await started();
    const subscriber = new Subscriber();
    subscriber.answer = () => Promise.reject(new Error('not now'));
    await feed.subscribe(['sales'], subscriber.handler);
    await feed.publish([out('a')]);
    await until(() => clock.delays.length === 1);
    await feed.stop();
    expect(clock.delays).toEqual([]);
    subscriber.answer = () => Promise.resolve();
    await feed.start();
    await until(() => subscriber.batches.length === 2);
    expect(subscriber.values).toEqual(['a', 'a']);
  });

  it('a stop while the handler fails ends without a pause', async () => {
    const { clock, feed } = await started();
    const subscriber = new Subscriber();
    const gate = latch();
    subscriber.answer = () => gate.opened;
    await feed.subscribe(['sales'], subscriber.handler);
    await feed.publish([out('a')]);
    await until(() => subscriber.batches.length === 1);
    const stopped = feed.stop();
    gate.fail();
    await stopped;
    expect(clock.delays).toEqual([]);
  });

  it('an ended subscription gets nothing more, also out of a pause', async () => {
    const { clock, feed } = await started();
    const subscriber = new Subscriber();
    subscriber.answer = () => Promise.reject(new Error('not now'));
    const subscription = await feed.subscribe(['sales', 'lists'], subscriber.handler);
    await feed.publish([out('a')]);
    await until(() => clock.delays.length === 1);
    await subscription.stop();
    await feed.publish([out('b'), out('c', 'lists')]);
    await quiet();
    expect(subscriber.batches).toEqual([['a']]);
  });
});
