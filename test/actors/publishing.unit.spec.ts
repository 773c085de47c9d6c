/** Publishing over a log that fences as brokers do: what stands in it, and what a sleeper adds to it. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { comparePositions, formatPosition, parsePosition } from '../../src/actors/position.js';
import { Publishing, type PublishingLane, type PublishingStart } from '../../src/actors/publishing.js';
import type { CommittedEvent, LedgerPosition } from '../../src/archive/port.js';
import { NotPublishedError, type IncomingRecord, type OutgoingRecord } from '../../src/kafka/port.js';
import type { TicketId } from '../../src/rules/index.js';
import { silentLogger } from '../helpers/engine.js';

const one: TicketId = { matchNumber: 1, category: 1 };
const two: TicketId = { matchNumber: 1, category: 2 };
const at = (sequence: number, incarnation = 1): LedgerPosition => ({ incarnation, sequence });
const event = (ticket: TicketId, sequence: number, more: Partial<CommittedEvent> = {}): CommittedEvent => ({
  ticket,
  incarnation: 1,
  sequence,
  commandId: `c${sequence}`,
  event: { type: 'closed', at: 1_000_000 + sequence },
  ...more,
});

/** Records in order, publishers that can be fenced, and what Redis and the archive know of them. */
class Market {
  readonly records: OutgoingRecord[] = [];
  readonly fenced = new Set<string>();
  readonly registered = new Set<string>();
  /** Owner and publisher of each ticket. */
  readonly tickets = new Map<string, { owner: string; publisher: string | null; published: string }>();
  readonly readBacks: number[] = [];
  /** Runs inside a publication, before anything is written. */
  before: () => Promise<void> = () => Promise.resolve();
  /** Runs when everything is written, before it is confirmed. */
  after: () => Promise<void> = () => Promise.resolve();
  /** Runs when a publisher has been fenced. */
  onFence: () => void = () => undefined;
  #publishers = 0;

  process(): Publishing {
    return new Publishing({
      log: {
        openPublisher: () => {
          const id = `p${(this.#publishers += 1)}`;
          return Promise.resolve({
            id,
            publish: async (records) => {
              await this.before();
              if (this.fenced.has(id)) throw new Error('fenced');
              this.records.push(...records);
              await this.after();
            },
          });
        },
        fence: async (id) => {
          this.fenced.add(id);
          this.onFence();
          return Promise.resolve();
        },
        readBack: async (_topic, since, onRecord) => {
          this.readBacks.push(since);
          for (const record of this.records) onRecord(record as unknown as IncomingRecord);
        },
      },
      archive: {
        events: (_ticket, after) => this.#ledgerAfter(after),
        savePublisher: async (id) => void this.registered.add(id),
        removePublisher: async (id) => void this.registered.delete(id),
        publishers: async () => [...this.registered],
      },
      store: {
        setPublisher: async (ticket, owner, publisher, published) => {
          const known = this.tickets.get(`${ticket.category}`);
          if (known && known.owner !== owner) return false;
          this.tickets.set(`${ticket.category}`, { owner, publisher, published: formatPosition(published) });
          return true;
        },
      },
      encode: (of) => {
        const value = `${of.ticket.category}/${formatPosition(of)}`;
        return of.commandId === 'silent' ? [] : [{ topic: 'sales', value, headers: { id: value } }];
      },
      identify: ({ headers }) => {
        const [category, position] = (headers['id'] ?? '').split('/');
        return { ticket: { matchNumber: 1, category: Number(category) }, ...parsePosition(position) };
      },
      topic: 'sales',
      logger: silentLogger,
    });
  }

  /** A new owner of a ticket, with what Redis tells it. */
  lane(
    ticket: TicketId,
    owner: string,
    events: readonly CommittedEvent[],
    start: Partial<PublishingStart> = {},
  ) {
    const known = this.tickets.get(`${ticket.category}`);
    const publisher = known?.publisher ?? null;
    this.tickets.set(`${ticket.category}`, { publisher, published: known?.published ?? '1-0', owner });
    return {
      ticket,
      owner,
      toPublish: [...events],
      published: parsePosition(known?.published ?? '1-0'),
      missing: null,
      start: { publisher, uncertain: false, ...start },
      session: null,
      closed: false,
    } satisfies PublishingLane as PublishingLane;
  }

  /** What an archive would have of one ticket. */
  ledger: readonly CommittedEvent[] = [];
  async *#ledgerAfter(after: LedgerPosition | null): AsyncIterable<CommittedEvent> {
    for (const one of this.ledger) {
      await Promise.resolve();
      if (!after || comparePositions(one, after) > 0) yield one;
    }
  }

  get values(): string[] {
    return this.records.map(({ value }) => value);
  }
}

/** Until nothing is left, as the relay does. */
async function publishAll(publishing: Publishing, ...lanes: PublishingLane[]): Promise<void> {
  while ((await publishing.publish(lanes, 100)).length > 0);
}

describe('publishing', () => {
  let market: Market;
  beforeEach(() => {
    market = new Market();
  });

  it('does not repeat what an earlier owner of the same process published when the next begins with silence', async () => {
    const publishing = market.process();
    const silent = event(one, 1, { commandId: 'silent' });
    await publishAll(publishing, market.lane(one, 'a', [silent, event(one, 2)]));
    // The cursor of the first was not written: the next begins at the same place.
    market.tickets.set('1', { owner: 'a', publisher: 'p1', published: '1-0' });
    await publishAll(publishing, market.lane(one, 'b', [silent, event(one, 2), event(one, 3)]));
    expect(market.values).toEqual(['1/1-2', '1/1-3']);
  });

  it('does not repeat what comes to a lane only after its publishing was taken over', async () => {
    await publishAll(market.process(), market.lane(one, 'a', [event(one, 1), event(one, 2), event(one, 3)]));
    market.tickets.set('1', { owner: 'a', publisher: 'p1', published: '1-0' });
    const publishing = market.process();
    // A backlog is archived anew part by part.
    const lane = market.lane(one, 'b', [event(one, 1)]);
    await publishAll(publishing, lane);
    lane.toPublish.push(event(one, 4));
    lane.toPublish.unshift(event(one, 2), event(one, 3));
    await publishAll(publishing, lane);
    expect(market.values).toEqual(['1/1-1', '1/1-2', '1/1-3', '1/1-4']);
  });

  it('names its publisher in the archive and in each ticket before it writes', async () => {
    const publishing = market.process();
    market.before = async () => {
      expect([...market.registered]).toEqual(['p1']);
      expect(market.tickets.get('1')).toMatchObject({ publisher: 'p1' });
    };
    await publishAll(publishing, market.lane(one, 'a', [event(one, 1), event(one, 2)]));
    expect(market.values).toEqual(['1/1-1', '1/1-2']);
    expect(market.readBacks).toEqual([]);
    expect.assertions(4);
  });

  it('of what a dead owner had written before it could note it, goes on behind that', async () => {
    const dead = market.process();
    market.after = () => new Promise(() => undefined);
    void dead.publish([market.lane(one, 'a', [event(one, 1), event(one, 2)])], 100);
    await new Promise((resolve) => setImmediate(resolve));
    market.after = () => Promise.resolve();
    const lane = market.lane(one, 'b', [event(one, 1), event(one, 2), event(one, 3)]);
    await publishAll(market.process(), lane);
    expect(market.values).toEqual(['1/1-1', '1/1-2', '1/1-3']);
    expect(lane.published).toEqual(at(3));
    // From a while before the oldest event in doubt.
    expect(market.readBacks).toEqual([1_000_001 - 5 * 60_000]);
    expect([...market.fenced]).toEqual(['p1']);
    expect([...market.registered]).toEqual(['p2']);
  });

  it('an owner that sleeps before it writes adds nothing when it wakes', async () => {
    let wake = (): void => undefined;
    market.before = () => new Promise((resolve) => (wake = resolve));
    const sleeper = market.process();
    const lane = market.lane(one, 'a', [event(one, 1)]);
    const asleep = sleeper.publish([lane], 100);
    await new Promise((resolve) => setImmediate(resolve));
    market.before = () => Promise.resolve();
    await publishAll(market.process(), market.lane(one, 'b', [event(one, 1), event(one, 2)]));
    wake();
    await expect(asleep).rejects.toThrow('fenced');
    expect(market.values).toEqual(['1/1-1', '1/1-2']);
    // Tried again, it finds that the ticket is not its own any more.
    await publishAll(sleeper, lane);
    expect(lane.closed).toBe(true);
    expect(market.values).toEqual(['1/1-1', '1/1-2']);
  });

  it('a fenced process goes on with the tickets it still has, under another name, without a repeat', async () => {
    const publishing = market.process();
    const lost = market.lane(one, 'a', [event(one, 1)]);
    const kept = market.lane(two, 'a', [event(two, 1)]);
    await publishAll(publishing, lost, kept);
    await publishAll(market.process(), market.lane(one, 'b', [event(one, 2)]));
    kept.toPublish.push(event(two, 2));
    await expect(publishing.publish([lost, kept], 100)).rejects.toThrow('fenced');
    await publishAll(publishing, lost, kept);
    expect(market.values).toEqual(['1/1-1', '2/1-1', '1/1-2', '2/1-2']);
  });

  it('after a failure that leaves open what was written, looks, and writes what is missing', async () => {
    const publishing = market.process();
    const lane = market.lane(one, 'a', [event(one, 1), event(one, 2)]);
    market.after = () => Promise.reject(new Error('the connection was lost'));
    await expect(publishing.publish([lane], 100)).rejects.toThrow('lost');
    market.after = () => Promise.resolve();
    await publishAll(publishing, lane);
    expect(market.values).toEqual(['1/1-1', '1/1-2']);
    market.before = () => Promise.reject(new Error('the connection was lost'));
    lane.toPublish.push(event(one, 3));
    await expect(publishing.publish([lane], 100)).rejects.toThrow('lost');
    market.before = () => Promise.resolve();
    await publishAll(publishing, lane);
    expect(market.values).toEqual(['1/1-1', '1/1-2', '1/1-3']);
    expect([...market.fenced]).toEqual(['p1', 'p2']);
  });

  it('goes on with the same publisher when nothing can have been written', async () => {
    const publishing = market.process();
    const lane = market.lane(one, 'a', [event(one, 1)]);
    market.before = () => Promise.reject(new NotPublishedError('full'));
    await expect(publishing.publish([lane], 100)).rejects.toThrow('full');
    market.before = () => Promise.resolve();
    await publishAll(publishing, lane);
    expect([market.values, [...market.fenced]]).toEqual([['1/1-1'], []]);
  });

  it('fences everyone the archive knows when Redis may have forgotten who it was', async () => {
    market.before = () => new Promise(() => undefined);
    void market.process().publish([market.lane(one, 'a', [event(one, 1)])], 100);
    await new Promise((resolve) => setImmediate(resolve));
    market.before = () => Promise.resolve();
    market.tickets.clear();
    const publishing = market.process();
    await publishAll(publishing, market.lane(two, 'b', [event(two, 1)]));
    await publishAll(publishing, market.lane(one, 'b', [event(one, 1)], { uncertain: true }));
    expect([...market.fenced]).toEqual(['p1']);
    expect(market.values).toEqual(['2/1-1', '1/1-1']);
  });

  it('takes from the ledger what was archived before its owner came, and not published', async () => {
    const publishing = market.process();
    market.ledger = [event(one, 1), event(one, 2), event(one, 3), event(one, 4)];
    const lane = market.lane(one, 'a', [event(one, 4)]);
    lane.published = at(1);
    lane.missing = at(3);
    await publishAll(publishing, lane);
    expect(market.values).toEqual(['1/1-2', '1/1-3', '1/1-4']);
    const idle = market.lane(two, 'a', []);
    idle.missing = at(0, 2);
    market.ledger = [];
    await publishAll(publishing, idle);
    expect([idle.missing, idle.published]).toEqual([null, at(0, 2)]);
  });

  it('knows an event that was archived anew by its former place', async () => {
    await publishAll(market.process(), market.lane(one, 'a', [event(one, 1), event(one, 2)]));
    const anew = [
      event(one, 1, { incarnation: 2, formerly: at(2) }),
      event(one, 2, { incarnation: 2, formerly: at(3) }),
    ];
    await publishAll(market.process(), market.lane(one, 'b', anew, { uncertain: true }));
    expect(market.values).toEqual(['1/1-1', '1/1-2', '1/2-2']);
  });

  it('the same process that takes a ticket again knows what it published', async () => {
    const publishing = market.process();
    await publishAll(publishing, market.lane(one, 'a', [event(one, 1)]));
    await publishAll(publishing, market.lane(one, 'b', [event(one, 1), event(one, 2)]));
    expect([market.values, market.readBacks, [...market.fenced]]).toEqual([['1/1-1', '1/1-2'], [], []]);
  });

  it('also when the ticket was lost while its events were on their way', async () => {
    const publishing = market.process();
    let confirm = (): void => undefined;
    market.after = () => new Promise((resolve) => (confirm = resolve));
    const lost = market.lane(one, 'a', [event(one, 1)]);
    const onItsWay = publishing.publish([lost], 100);
    await new Promise((resolve) => setImmediate(resolve));
    lost.closed = true;
    lost.toPublish.length = 0;
    confirm();
    await onItsWay;
    market.after = () => Promise.resolve();
    await publishAll(publishing, lost, market.lane(one, 'b', [event(one, 1), event(one, 2)]));
    expect(market.values).toEqual(['1/1-1', '1/1-2']);
  });

  it('takes nothing over for an owner that gives its ticket up meanwhile: what is in the log was not read for it', async () => {
    const publishing = market.process();
    const first = market.lane(one, 'a', [event(one, 1)]);
    market.after = () => Promise.reject(new Error('the answer was lost'));
    await expect(publishing.publish([first], 100)).rejects.toThrow('lost');
    market.after = () => Promise.resolve();
    market.onFence = () => {
      first.closed = true;
      first.toPublish.length = 0;
    };
    await publishAll(publishing, first);
    // The same process has the ticket again.
    await publishAll(publishing, market.lane(one, 'b', [event(one, 1), event(one, 2)]));
    expect(market.values).toEqual(['1/1-1', '1/1-2']);
  });

  it('a ticket that is left with nothing on its way has nobody to be fenced', async () => {
    const publishing = market.process();
    const lane = market.lane(one, 'a', [event(one, 1)]);
    await publishAll(publishing, lane);
    await publishing.leave(lane);
    expect(market.tickets.get('1')).toEqual({ owner: 'a', publisher: null, published: '1-1' });
    await publishAll(market.process(), market.lane(one, 'b', [event(one, 2)]));
    expect([...market.fenced]).toEqual([]);
    expect(market.values).toEqual(['1/1-1', '1/1-2']);
  });

  it('events that concern nobody else need no publisher', async () => {
    const lane = market.lane(one, 'a', [event(one, 1, { commandId: 'silent' })]);
    await publishAll(market.process(), lane);
    expect([lane.published, market.registered.size]).toEqual([at(1), 0]);
  });

  it('is forgotten by the archive when it has ended in good order', async () => {
    const publishing = market.process();
    await publishAll(publishing, market.lane(one, 'a', [event(one, 1)]));
    await publishing.stop();
    expect(market.registered.size).toBe(0);
  });

  it('bounds a group by its size', async () => {
    const publishing = market.process();
    const lane = market.lane(
      one,
      'a',
      Array.from({ length: 2_000 }, (_, i) => event(one, i + 1)),
    );
    const groups: number[] = [];
    market.after = async () => void groups.push(market.records.length);
    await publishAll(publishing, lane);
    expect(groups.length).toBeGreaterThan(2);
    expect(market.values).toHaveLength(2_000);
  });
});
