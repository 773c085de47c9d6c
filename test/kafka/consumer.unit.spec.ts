/** The consumer between fakes at its ports; behind the gateway are the real rules, so that effects can be counted. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from '../helpers/property.js';
import type { CommittedEvent, DeadLetter } from '../../src/archive/port.js';
import type { MatchEntry } from '../../src/catalog/match.js';
import type {
  CatalogLoader,
  ListOrigin,
  OrderedGateway,
  Submission,
  SubmissionResult,
} from '../../src/http/ports.js';
import {
  BatchUnsettledError,
  CHECKPOINT_MS,
  OUTCOME_KEEP_MS,
  REWIND_DELAY_MS,
  SalesConsumer,
  TICKETS_AT_ONCE,
  WAITING_CHECK_MS,
  type ConsumerOptions,
  type HandledKind,
} from '../../src/kafka/consumer.js';
import { letterOf, recordOf, type DeadLetters } from '../../src/kafka/dead-letters.js';
import { InProcessFeed } from '../../src/kafka/feed.js';
import type { IncomingRecord, Places } from '../../src/kafka/port.js';
import { encodeSale } from '../../src/kafka/wire.js';
import {
  apply,
  decide,
  initialState,
  type Command,
  type Policy,
  type TicketId,
  type TicketState,
  type Told,
} from '../../src/rules/index.js';
import { ManualClock, quiet, until } from './fakes.js';
import { told } from '../helpers/told.js';

const SALES = 'sales';
const LISTS = 'lists';
const SOURCE = 'cluster/sales/0';
const KEEP_MS = 24 * 3_600_000;
const WAIT_MS = 600_000;
const TOGETHER = 3;
const POLICY: Policy = {
  holdMs: 600_000,
  paymentAttemptsMax: 3,
  payingMs: 900_000,
  ticketsPerPersonMax: 4,
  ticketsPerReservationMax: 2,
  earlyReservedWindowMs: 60_000,
  remoteTalliesMax: 100,
};

/** Had no effect, and may have one yet. */
const UNDONE = new Set(['deadline_passed', 'incarnation_passed', 'not_open', 'outbox_full']);

/** Tickets behind a gateway: the real rules, and a record of outcomes by id. */
class Tickets implements OrderedGateway {
  readonly states = new Map<string, TicketState>();
  readonly recorded = new Map<string, Told>();
  readonly submissions: Submission[] = [];
  /** Commands that caused an event, for good. */
  readonly archived = new Set<string>();
  inFlight = 0;
  inFlightMax = 0;
  /** That all tickets are in. */
  incarnation = 1;
  /** Answers instead of the rules; null leaves it to them. */
  instead: (submission: Submission) => SubmissionResult | null = () => null;
  /** Held up until it resolves. */
  before: (submission: Submission) => Promise<void> = () => Promise.resolve();

  async submit(submission: Submission): Promise<SubmissionResult> {
    this.submissions.push(submission);
    this.inFlight += 1;
    this.inFlightMax = Math.max(this.inFlightMax, this.inFlight);
    await this.before(submission);
    this.inFlight -= 1;
    const answer = this.instead(submission);
    if (answer) return answer;
    const { incarnation = this.incarnation } = submission;
    // As the actor does, unrecorded.
    if (incarnation !== this.incarnation) return { kind: 'answered', result: { kind: 'incarnation_passed' } };
    return { kind: 'answered', result: this.decide(submission) };
  }

  /** Submitted together: how many each time. */
  readonly together: number[] = [];
  async submitInOrder(submissions: readonly Submission[]): Promise<readonly SubmissionResult[]> {
    this.together.push(submissions.length);
    const results: SubmissionResult[] = [];
    let undone: SubmissionResult | null = null;
    for (const submission of submissions) {
      const result: SubmissionResult = undone ?? (await this.submit(submission));
      results.push(result);
      // As in one job: nothing takes effect behind what has none yet.
      if (result.kind !== 'answered' || UNDONE.has(result.result.kind)) undone = result;
    }
    return results;
  }

  /** All tickets are lost and rebuilt with their capacity, but without what others told. */
  loseMessages(...matchNumbers: readonly number[]): void {
    this.states.clear();
    this.recorded.clear();
    this.archived.clear();
    for (const matchNumber of matchNumbers) this.open(matchNumber);
    this.incarnation += 1;
  }

  decide({ ticket, id, body }: Submission): Told {
    const known = this.recorded.get(id);
    if (known) return known;
    const state = this.state(ticket.matchNumber, ticket.category);
    const command = { ...body, id, at: 1 } as Command;
    const decision = decide(state, command, POLICY);
    const { events } = decision;
    const outcome = told(decision.outcome);
    this.states.set(`${ticket.matchNumber}:${ticket.category}`, events.reduce(apply, state));
    if (events.length > 0) this.archived.add(`${ticket.matchNumber}:${ticket.category} ${id}`);
    // As the actor does: it may take effect yet.
    if (outcome.kind !== 'not_open') this.recorded.set(id, outcome);
    return outcome;
  }

  tookEffect({ matchNumber, category }: TicketId, id: string): boolean {
    return this.archived.has(`${matchNumber}:${category} ${id}`);
  }
  state(matchNumber: number, category: number): TicketState {
    return this.states.get(`${matchNumber}:${category}`) ?? initialState({ matchNumber, category });
  }
  open(matchNumber: number): void {
    for (const category of [1, 2, 3]) {
      const body = { type: 'load', capacity: 100, price: 75, currency: 'USD' } as const;
      this.decide({
        ticket: { matchNumber, category },
        id: `load/${matchNumber}:${category}`,
        body,
        keepMs: 1,
      });
    }
  }
  /** [held, sold] elsewhere. */
  elsewhere(matchNumber: number, category = 1): number[] {
    const { heldElsewhere, soldElsewhere } = this.state(matchNumber, category);
    return [heldElsewhere, soldElsewhere];
  }
}

class Letters implements DeadLetters {
  readonly letters = new Map<string, DeadLetter>();
  readonly settledIds: string[] = [];
  fails = false;

  async add(letter: DeadLetter): Promise<void> {
    if (this.fails) throw new Error('the archive is away');
    if (!this.letters.has(letter.id)) this.letters.set(letter.id, letter);
  }
  async settled(id: string): Promise<void> {
    this.settledIds.push(id);
  }
  async archivedAll(): Promise<boolean> {
    return !this.fails;
  }
  get ids(): string[] {
    return [...this.letters.keys()];
  }
}

class Lists implements CatalogLoader {
  readonly loads: { matchNumbers: number[]; source: string }[] = [];
  during: () => Promise<void> = () => Promise.resolve();
  readonly #tickets: Tickets;

  constructor(tickets: Tickets) {
    this.#tickets = tickets;
  }
  async load(entries: readonly MatchEntry[], origin: ListOrigin): Promise<void> {
    await this.during();
    this.loads.push({
      matchNumbers: entries.map((entry) => entry.matchNumber),
      source: `${origin.source}/${origin.offset}`,
    });
    for (const { matchNumber } of entries) this.#tickets.open(matchNumber);
  }
}

function setUp(over: Partial<ConsumerOptions> = {}) {
  const clock = new ManualClock();
  const tickets = new Tickets();
  const letters = new Letters();
  const loader = new Lists(tickets);
  const handled: HandledKind[] = [];
  const warnings: unknown[] = [];
  let handler = (_records: readonly IncomingRecord[]): Promise<void> => Promise.resolve();
  const subscribed: string[] = [];
  let unsubscribed = 0;
  let rewinds = 0;
  let places: Places = new Map();
  const commits: Record<string, string>[] = [];
  const elsewhere = new Set<string>();
  const durability = {
    answer: 'durable' as 'durable' | 'pending' | 'lost',
    begun: 0,
    incarnation: 1 as number | null,
    during: () => Promise.resolve(),
  };
  let rewindsFail = false;
  const consumer = new SalesConsumer({
    log: {
      subscribe: async (topics, given) => {
        subscribed.push(...topics);
        handler = given;
        return {
          handled: () => places,
          commit: async (asked) => {
            const committed = [...asked].filter(([source]) => !elsewhere.has(source));
            commits.push(Object.fromEntries(committed));
            return new Map(committed);
          },
          rewind: async () => {
            if (rewindsFail) throw new Error('the brokers are away');
            rewinds += 1;
          },
          lag: () => new Map([[SOURCE, 3]]),
          isJoined: () => true,
          stop: async () => void (unsubscribed += 1),
        };
      },
    },
    gateway: tickets,
    loader,
    deadLetters: letters,
    clock,
    logger: { info: () => undefined, warn: (...given: unknown[]) => void warnings.push(given) },
    clientId: 'ticktak',
    masterlistTopic: LISTS,
    salesTopic: SALES,
    togetherMax: TOGETHER,
    keepMs: KEEP_MS,
    isOpen: async ({ matchNumber, category }) => tickets.state(matchNumber, category).opened,
    tookEffect: async (ticket, commandId) => tickets.tookEffect(ticket, commandId),
    durability: {
      begin: async () => {
        durability.begun += 1;
        return {
          incarnationOf: async () => durability.incarnation,
          check: async () => {
            await durability.during();
            return durability.answer;
          },
        };
      },
    },
    waitMs: WAIT_MS,
    waitingMax: 5,
    onHandled: (kind) => void handled.push(kind),
    ...over,
  });
  return {
    clock,
    tickets,
    letters,
    loader,
    handled,
    warnings,
    subscribed,
    consumer,
    durability,
    commits,
    /** Sources that others have read since. */
    elsewhere,
    rewinds: () => rewinds,
    failRewinds: (fail: boolean) => void (rewindsFail = fail),
    /** Timers that are set, but for the one of the next checkpoint. */
    timers: () => clock.delays.filter((delayMs) => delayMs !== CHECKPOINT_MS),
    handledUpTo: (given: Readonly<Record<string, string>>) => (places = new Map(Object.entries(given))),
    deliver: (...records: IncomingRecord[]) => handler(records),
    unsubscribed: () => unsubscribed,
  };
}
type World = ReturnType<typeof setUp>;

interface Sale {
  readonly matchNumber?: number;
  readonly action?: string;
  readonly quantity?: number;
  readonly category?: number;
  readonly tickets?: unknown;
  readonly clientId?: string;
  readonly reservationId?: string;
  readonly source?: string;
}
function sale(offset: number, given: Sale = {}): IncomingRecord {
  const { matchNumber = 1, action = 'TICKET_PENDING', quantity = 1, category = 1 } = given;
  const tickets = given.tickets ?? { category, quantity, price: 75 };
  return {
    source: given.source ?? SOURCE,
    topic: SALES,
    offset: String(offset),
    timestamp: 1_000 + offset,
    value: Buffer.from(JSON.stringify({ meta: { action }, body: { matchNumber, tickets } })),
    headers: {
      clientId: given.clientId ?? 'north',
      ...(given.reservationId !== undefined && { reservationId: given.reservationId }),
    },
  };
}
const garbage = (offset: number, topic = SALES): IncomingRecord => ({
  ...sale(offset),
  source: `cluster/${topic}/0`,
  topic,
  value: Buffer.from([0xff, 0x00]),
});
function list(offset: number, ...matchNumbers: number[]): IncomingRecord {
  const category = { available: 100, pending: 0, price: 75 };
  const entries = matchNumbers.map((matchNumber) => ({
    matchNumber,
    roundNumber: 1,
    dateUtc: '2022-11-20T16:00:00Z',
    location: 'Al Bayt Stadium',
    availability: { category1: category, category2: category, category3: { ...category, price: 80 } },
    homeTeam: 'Qatar',
    awayTeam: 'Ecuador',
    group: 'A',
  }));
  const value = Buffer.from(JSON.stringify(entries));
  return {
    source: 'cluster/lists/0',
    topic: LISTS,
    offset: String(offset),
    timestamp: 1,
    value,
    headers: {},
  };
}
const OVERLOADED: SubmissionResult = { kind: 'overloaded', retryAfterMs: 1_000 };

let world: World;
beforeEach(async () => {
  world = setUp();
  world.tickets.open(1);
  world.tickets.open(2);
  await world.consumer.start();
});

describe('a sales message', () => {
  it('becomes a command with its place in the log as id and position', async () => {
    await world.deliver(sale(41, { quantity: 2, reservationId: 'r-1' }));
    expect(world.tickets.submissions).toEqual([
      {
        ticket: { matchNumber: 1, category: 1 },
        id: `${SOURCE}/41/0`,
        keepMs: OUTCOME_KEEP_MS,
        incarnation: 1,
        body: {
          type: 'remote',
          action: 'pending',
          clientId: 'north',
          quantity: 2,
          reservationId: 'r-1',
          recordedAt: 1_041,
          position: { source: SOURCE, offset: '41', index: 0 },
        },
      },
    ]);
    expect(world.subscribed).toEqual([LISTS, SALES]);
    expect(world.handled).toEqual(['applied']);
  });

  it('takes effect once per ticket in it, in order', async () => {
    const tickets = [
      { category: 1, quantity: 1 },
      { category: 2, quantity: 2 },
      { category: 1, quantity: 3 },
    ];
    await world.deliver(sale(1, { tickets }));
    expect(world.tickets.elsewhere(1, 1)).toEqual([4, 0]);
    expect(world.tickets.elsewhere(1, 2)).toEqual([2, 0]);
    const ids = world.tickets.submissions.filter(({ ticket }) => ticket.category === 1).map(({ id }) => id);
    expect(ids).toEqual([`${SOURCE}/1/0`, `${SOURCE}/1/2`]);
  });

  it('handed over again changes nothing, also when its outcome is forgotten', async () => {
    const batch = [sale(1), sale(2, { action: 'TICKET_RESERVED' }), sale(3, { action: 'TICKET_CANCELLED' })];
    await world.deliver(...batch);
    await world.deliver(...batch);
    world.tickets.recorded.clear();
    await world.deliver(...batch);
    expect(world.tickets.elsewhere(1)).toEqual([0, 1]);
    expect(world.handled.slice(0, 3)).toEqual(['applied', 'applied', 'orphaned']);
    expect(world.handled.slice(6)).toEqual(['repeated', 'repeated', 'repeated']);
    expect(world.letters.ids).toEqual([]);
  });

  it('of our own is skipped', async () => {
    await world.deliver(sale(1, { clientId: 'ticktak' }), sale(2));
    expect(world.tickets.submissions.map(({ id }) => id)).toEqual([`${SOURCE}/2/0`]);
    expect(world.handled).toEqual(['own', 'applied']);
  });

  it('that is malformed goes to the dead letters with its bytes, and stops nothing', async () => {
    const bad = garbage(1);
    await world.deliver(bad, sale(2));
    expect(world.tickets.elsewhere(1)).toEqual([1, 0]);
    expect(world.handled).toEqual(['malformed', 'applied']);
    const letter = world.letters.letters.get(`${SOURCE}/1`)!;
    expect(letter).toMatchObject({
      source: SOURCE,
      reason: expect.stringMatching(/JSON/),
      receivedAt: world.clock.now(),
    });
    expect(Buffer.from(letter.raw, 'base64')).toEqual(bad.value);
    expect(letter.headers).toMatchObject({
      clientId: 'north',
      'x-original-topic': SALES,
      'x-original-offset': '1',
    });
  });

  it.each<[string, SubmissionResult]>([
    ['remote_limit', { kind: 'answered', result: { kind: 'remote_limit', limit: 1 } }],
    ['failed', { kind: 'answered', result: { kind: 'failed' } }],
    ['closed', { kind: 'answered', result: { kind: 'closed' } }],
  ])('refused as %s goes to the dead letters, and stops nothing', async (reason, answer) => {
    world.tickets.instead = ({ id }) => (id.endsWith('/1/0') ? answer : null);
    await world.deliver(sale(1), sale(2));
    expect([...world.letters.letters.values()]).toMatchObject([{ id: `${SOURCE}/1/0`, reason }]);
    expect(world.tickets.elsewhere(1)).toEqual([1, 0]);
    expect(world.handled).toEqual(['refused', 'applied']);
  });
});

describe('a message that cannot be settled now', () => {
  it.each<[string, SubmissionResult]>([
    ['overloaded', OVERLOADED],
    ['unknown', { kind: 'unknown' }],
    ['deadline passed', { kind: 'answered', result: { kind: 'deadline_passed' } }],
    ['outbox full', { kind: 'answered', result: { kind: 'outbox_full' } }],
  ])('%s: the batch comes again, and each effect happens once', async (_name, answer) => {
    const batch = [sale(1), sale(2), sale(3), sale(4, { matchNumber: 2 })];
    world.tickets.instead = ({ id }) => (id === `${SOURCE}/2/0` ? answer : null);
    await expect(world.deliver(...batch)).rejects.toBeInstanceOf(BatchUnsettledError);
    expect(world.tickets.elsewhere(1)).toEqual([1, 0]);
    expect(world.tickets.elsewhere(2)).toEqual([1, 0]);
    world.tickets.instead = () => null;
    await world.deliver(...batch);
    expect(world.tickets.elsewhere(1)).toEqual([3, 0]);
    expect(world.tickets.elsewhere(2)).toEqual([1, 0]);
    expect(world.letters.ids).toEqual([]);
  });

  it('holds back the later ones of its ticket: their positions would make it a repeat', async () => {
    world.tickets.instead = ({ id }) => (id.includes('/1/') ? OVERLOADED : null);
    await expect(world.deliver(sale(1), sale(2))).rejects.toMatchObject({ retriable: true });
    expect(world.tickets.submissions).toHaveLength(1);
    expect(world.warnings).toHaveLength(1);
    expect(world.handled).toEqual(['retry']);
  });

  it('unknown, although it took effect: told as such when asked again', async () => {
    world.tickets.instead = (submission) => {
      world.tickets.decide(submission);
      return { kind: 'unknown' };
    };
    await expect(world.deliver(sale(1))).rejects.toThrow();
    world.tickets.instead = () => null;
    await world.deliver(sale(1));
    expect(world.tickets.elsewhere(1)).toEqual([1, 0]);
  });

  it('a gateway that throws, dead letters that cannot be kept, a check that fails: the batch comes again', async () => {
    world.tickets.before = () => Promise.reject(new Error('gone'));
    await expect(world.deliver(sale(1))).rejects.toBeInstanceOf(BatchUnsettledError);
    world.tickets.before = () => Promise.resolve();
    world.letters.fails = true;
    await expect(world.deliver(garbage(2))).rejects.toThrow('archive');
    await expect(world.deliver(sale(3, { matchNumber: 9 }))).rejects.toBeInstanceOf(BatchUnsettledError);
    const broken = setUp({ isOpen: () => Promise.reject(new Error('no Redis')) });
    await broken.consumer.start();
    await expect(broken.deliver(sale(1))).rejects.toBeInstanceOf(BatchUnsettledError);
  });
});

describe('a batch', () => {
  it('resolves only when everything in it is settled', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    world.tickets.before = ({ ticket }) => (ticket.matchNumber === 2 ? gate : Promise.resolve());
    let isDone = false;
    const done = world.deliver(sale(1), sale(2, { matchNumber: 2 })).then(() => {
      isDone = true;
    });
    await quiet();
    expect(isDone).toBe(false);
    release();
    await done;
    expect(world.tickets.elsewhere(2)).toEqual([1, 0]);
  });

  it('submits the messages of a ticket together, as many as may go', async () => {
    const many = Array.from({ length: 2 * TOGETHER + 1 }, (_, i) => sale(i));
    await world.deliver(...many, sale(50, { category: 2 }));
    expect(world.tickets.together.sort()).toEqual([1, 1, TOGETHER, TOGETHER]);
    expect([world.tickets.elsewhere(1), world.tickets.elsewhere(1, 2)]).toEqual([
      [2 * TOGETHER + 1, 0],
      [1, 0],
    ]);
  });

  it('goes on with no message of a ticket behind one that has to come again', async () => {
    const many = Array.from({ length: 3 * TOGETHER }, (_, i) => sale(i));
    world.tickets.instead = ({ id }) => (id === `${SOURCE}/${TOGETHER}/0` ? OVERLOADED : null);
    await expect(world.deliver(...many)).rejects.toThrow(BatchUnsettledError);
    expect([world.tickets.together, world.tickets.elsewhere(1)]).toEqual([
      [TOGETHER, TOGETHER],
      [TOGETHER, 0],
    ]);
    world.tickets.instead = () => null;
    await world.deliver(...many);
    expect(world.tickets.elsewhere(1)).toEqual([3 * TOGETHER, 0]);
  });

  it('works on several tickets at once, on one in order', async () => {
    const inOrder = new Map<string, string[]>();
    const busy = new Set<string>();
    world.tickets.before = async ({ ticket, id }) => {
      const name = JSON.stringify(ticket);
      expect(busy.has(name)).toBe(false);
      busy.add(name);
      inOrder.set(name, [...(inOrder.get(name) ?? []), id]);
      await new Promise((resolve) => setImmediate(resolve));
      busy.delete(name);
    };
    for (let matchNumber = 1; matchNumber <= 100; matchNumber += 1) world.tickets.open(matchNumber);
    const records = Array.from({ length: 900 }, (_, i) =>
      sale(i, { matchNumber: (i % 100) + 1, category: (i % 3) + 1 }),
    );
    await world.deliver(...records);
    expect(world.tickets.inFlightMax).toBe(TICKETS_AT_ONCE);
    for (const ids of inOrder.values()) {
      const offsets = ids.map((id) => Number(id.split('/').at(-2)));
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    }
  });

  it('any failures in any order: every message takes effect exactly once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })), { maxLength: 12 }),
        fc.infiniteStream(fc.constantFrom('no', 'no', 'before', 'after', 'crash')),
        async (messages, failures) => {
          const one = setUp();
          one.tickets.open(1);
          one.tickets.open(2);
          await one.consumer.start();
          let left = 40;
          one.tickets.instead = (submission) => {
            const failure = left-- > 0 ? failures.next().value : 'no';
            if (failure === 'crash') one.tickets.recorded.clear();
            if (failure === 'after') one.tickets.decide(submission);
            return failure === 'no' || failure === 'crash' ? null : { kind: 'unknown' };
          };
          const batch = messages.map(([matchNumber, quantity], i) => sale(i, { matchNumber, quantity }));
          for (let i = 0; i < 60; i += 1) await one.deliver(...batch).catch(() => undefined);
          for (const matchNumber of [1, 2]) {
            const sum = messages.filter(([n]) => n === matchNumber).reduce((total, [, n]) => total + n, 0);
            expect(one.tickets.elsewhere(matchNumber)).toEqual([sum, 0]);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('a master list', () => {
  it('is loaded, with its place as source, and what strict peers would drop is said', async () => {
    await world.deliver(list(3, 5, 6));
    expect(world.loader.loads).toEqual([{ matchNumbers: [5, 6], source: 'cluster/lists/0/3' }]);
    expect(world.warnings.flat().filter((one) => String(one).includes('strict'))).toHaveLength(2);
    expect(world.handled).toEqual(['master_list']);
  });

  it('that is malformed goes to the dead letters', async () => {
    await world.deliver(garbage(3, LISTS), list(4, 5));
    expect(world.letters.ids).toEqual(['cluster/lists/0/3']);
    expect(world.loader.loads).toHaveLength(1);
  });

  it('that cannot be loaded now comes again', async () => {
    world.loader.during = () => Promise.reject(new Error('no worker'));
    await expect(world.deliver(list(3, 5))).rejects.toThrow('no worker');
    world.loader.during = () => Promise.resolve();
    await world.deliver(list(3, 5));
    expect(world.loader.loads).toHaveLength(1);
  });
});

describe('a sale of a ticket that was open and is not rebuilt yet', () => {
  beforeEach(async () => {
    await world.deliver(sale(1));
    world.tickets.states.clear();
    world.tickets.recorded.clear();
    world.tickets.submissions.length = 0;
    await world.deliver(sale(2, { quantity: 2 }));
  });

  it('waits instead of being refused, and those after it wait behind it', async () => {
    await world.deliver(sale(3, { action: 'TICKET_RESERVED', quantity: 2 }));
    expect(world.handled).toEqual(['applied', 'waiting', 'waiting']);
    expect(world.letters.ids).toEqual([`${SOURCE}/2/0`, `${SOURCE}/3/0`]);
    world.tickets.open(1);
    world.clock.advance(WAITING_CHECK_MS);
    await until(() => world.consumer.waiting === 0);
    expect(world.tickets.elsewhere(1)).toEqual([0, 2]);
    expect(world.letters.settledIds).toEqual(world.letters.ids);
  });

  it('waits on when the ticket is lost again before it is tried, and so does the next one', async () => {
    world.tickets.open(1);
    world.tickets.instead = () => ({ kind: 'answered', result: { kind: 'not_open' } });
    await world.deliver(sale(3));
    expect(world.consumer.waiting).toBe(2);
    world.tickets.instead = () => null;
    await world.deliver(sale(4));
    expect(world.consumer.waiting).toBe(0);
    expect(world.tickets.elsewhere(1)).toEqual([4, 0]);
  });

  it.each([false, true])(
    'is left to the dead letters after its time (known as open: %s)',
    async (isKnown) => {
      if (isKnown) world.tickets.open(1);
      world.tickets.instead = () => ({ kind: 'answered', result: { kind: 'not_open' } });
      world.clock.advance(WAIT_MS);
      await until(() => world.consumer.waiting === 0);
      world.tickets.instead = () => null;
      world.tickets.open(1);
      expect(await world.consumer.redrive(world.letters.letters.get(`${SOURCE}/2/0`)!)).toEqual({
        kind: 'settled',
      });
      expect(world.tickets.elsewhere(1)).toEqual([2, 0]);
    },
  );
});

describe('a sale before its master-list entry', () => {
  const early = [
    sale(1, { matchNumber: 7, quantity: 2 }),
    sale(2, { matchNumber: 7, action: 'TICKET_RESERVED', quantity: 2 }),
    sale(3, { matchNumber: 7, action: 'TICKET_CANCELLED', quantity: 1 }),
  ];

  it('lies in the dead letters, asks nothing of the ticket, and holds up nothing', async () => {
    await world.deliver(...early, sale(4));
    expect(world.letters.ids).toEqual([1, 2, 3].map((offset) => `${SOURCE}/${offset}/0`));
    expect(new Set([...world.letters.letters.values()].map(({ reason }) => reason))).toEqual(
      new Set(['not_open']),
    );
    expect(world.tickets.submissions.map(({ id }) => id)).toEqual([`${SOURCE}/4/0`]);
    expect(world.consumer.waiting).toBe(3);
    expect(world.handled.sort()).toEqual(['applied', 'waiting', 'waiting', 'waiting']);
  });

  it('takes effect when the list comes, in order, and its letter is settled', async () => {
    await world.deliver(...early);
    await world.deliver(list(0, 7));
    expect(world.tickets.elsewhere(7)).toEqual([0, 2]);
    expect(world.handled.slice(3)).toEqual(['applied', 'applied', 'orphaned', 'master_list']);
    expect(world.letters.settledIds).toEqual(world.letters.ids);
    expect(world.consumer.waiting).toBe(0);
    await world.deliver(...early);
    world.tickets.recorded.clear();
    await world.deliver(...early);
    expect(world.tickets.elsewhere(7)).toEqual([0, 2]);
  });

  it('takes effect when another process loaded the list', async () => {
    await world.deliver(...early);
    world.tickets.open(7);
    world.clock.advance(WAITING_CHECK_MS);
    await until(() => world.consumer.waiting === 0);
    expect(world.tickets.elsewhere(7)).toEqual([0, 2]);
    await quiet();
    expect(world.timers()).toEqual([]);
  });

  it('goes before the next message of its ticket, also when nobody has looked yet', async () => {
    await world.deliver(...early.slice(0, 2));
    world.tickets.open(7);
    await world.deliver(early[2]!);
    expect(world.tickets.submissions.map(({ id }) => id)).toEqual([1, 2, 3].map((n) => `${SOURCE}/${n}/0`));
  });

  it('is not overtaken while it cannot be settled', async () => {
    await world.deliver(early[0]!);
    world.tickets.open(7);
    world.tickets.instead = () => OVERLOADED;
    await expect(world.deliver(early[1]!)).rejects.toBeInstanceOf(BatchUnsettledError);
    expect(world.consumer.waiting).toBe(1);
    world.tickets.instead = () => null;
    await world.deliver(early[1]!);
    expect(world.tickets.elsewhere(7)).toEqual([0, 2]);
  });

  it('waits while the list is being loaded, although its match is known already', async () => {
    let isKnown = false;
    const one = setUp({ isOpen: async () => isKnown });
    await one.consumer.start();
    one.loader.during = async () => {
      isKnown = true;
      await one.deliver(early[0]!);
      expect(one.consumer.waiting).toBe(1);
    };
    await one.deliver(list(0, 7));
    expect(one.tickets.elsewhere(7)).toEqual([2, 0]);
  });

  it('takes effect late when whoever has the partition now was ahead of it', async () => {
    await world.deliver(early[0]!);
    world.tickets.open(7);
    const body = {
      type: 'remote',
      action: 'pending',
      clientId: 'south',
      quantity: 5,
      recordedAt: 1,
    } as const;
    const position = { source: SOURCE, offset: '9', index: 0 };
    world.tickets.decide({
      ticket: { matchNumber: 7, category: 1 },
      id: 'x',
      body: { ...body, position },
      keepMs: 1,
    });
    world.clock.advance(WAITING_CHECK_MS);
    await until(() => world.consumer.waiting === 0);
    expect(world.tickets.elsewhere(7)).toEqual([7, 0]);
    expect(world.tickets.submissions.at(-1)).toMatchObject({ id: `${SOURCE}/1/0/late`, keepMs: KEEP_MS });
    expect(world.tickets.submissions.at(-1)!.body).not.toHaveProperty('position');
    await world.deliver(early[0]!);
    expect(world.tickets.elsewhere(7)).toEqual([7, 0]);
  });

  it('is left to the dead letters after its time', async () => {
    await world.deliver(early[0]!);
    world.clock.advance(WAIT_MS - 1);
    await quiet();
    expect(world.consumer.waiting).toBe(1);
    world.clock.advance(WAITING_CHECK_MS);
    await until(() => world.consumer.waiting === 0);
    expect(world.tickets.submissions).toEqual([]);
    await world.deliver(list(0, 7));
    expect(world.tickets.elsewhere(7)).toEqual([0, 0]);
    expect(await world.consumer.redrive(world.letters.letters.get(`${SOURCE}/1/0`)!)).toEqual({
      kind: 'settled',
    });
    expect(world.tickets.elsewhere(7)).toEqual([2, 0]);
  });

  it('waits once, however often it is handed over, and not more than the limit do', async () => {
    const six = Array.from({ length: 6 }, (_, i) => sale(i, { matchNumber: 7 }));
    await world.deliver(...six);
    await world.deliver(...six);
    expect(world.consumer.waiting).toBe(5);
    expect(world.letters.ids).toHaveLength(6);
    expect(world.handled.filter((kind) => kind === 'refused')).toHaveLength(2);
    await world.deliver(list(0, 7));
    expect(world.tickets.elsewhere(7)).toEqual([5, 0]);
  });

  it('is refused for good by its ticket: stays in the dead letters, the next one goes on', async () => {
    await world.deliver(early[0]!, early[1]!);
    world.tickets.instead = ({ id }) =>
      id === `${SOURCE}/1/0` ? { kind: 'answered', result: { kind: 'remote_limit', limit: 1 } } : null;
    await world.deliver(list(0, 7));
    expect(world.letters.settledIds).toEqual([`${SOURCE}/2/0`]);
    expect(world.tickets.elsewhere(7)).toEqual([0, 2]);
  });

  it('is tried again when something fails on the way', async () => {
    await world.deliver(early[0]!);
    world.tickets.open(7);
    world.tickets.before = () => Promise.reject(new Error('gone'));
    world.clock.advance(WAITING_CHECK_MS);
    await until(() => world.warnings.length > 0);
    await until(() => world.timers().length === 1);
    world.tickets.before = () => Promise.resolve();
    world.clock.advance(WAITING_CHECK_MS);
    await until(() => world.consumer.waiting === 0);
    expect(world.tickets.elsewhere(7)).toEqual([2, 0]);
  });
});

describe('re-driving a dead letter', () => {
  const letterFor = (record: IncomingRecord, index?: number): DeadLetter =>
    JSON.parse(JSON.stringify(letterOf(record, 'some reason', 5, index))) as DeadLetter;

  it('that later ones of its partition overtook goes without its position, once', async () => {
    await world.deliver(sale(9));
    const letter = letterFor(sale(3, { quantity: 2 }), 0);
    expect(await world.consumer.redrive(letter)).toEqual({ kind: 'settled' });
    expect(await world.consumer.redrive(letter)).toEqual({ kind: 'settled' });
    expect(world.tickets.elsewhere(1)).toEqual([3, 0]);
    const late = world.tickets.submissions.filter(({ id }) => id.endsWith('/late'));
    expect(late).toMatchObject([{ id: `${SOURCE}/3/0/late`, keepMs: KEEP_MS }]);
    expect(late[0]?.body).toMatchObject({ clientId: 'north', recordedAt: 1_003 });
    expect(late[0]?.body).not.toHaveProperty('position');
  });

  it('goes at its position while it can: read again from the log it changes nothing, whatever was forgotten', async () => {
    world.tickets.instead = () => ({ kind: 'answered', result: { kind: 'remote_limit', limit: 1 } });
    await world.deliver(sale(3, { quantity: 2 }));
    world.tickets.instead = () => null;
    const [letter] = [...world.letters.letters.values()];
    expect(await world.consumer.redrive(letter!)).toEqual({ kind: 'settled' });
    world.tickets.recorded.clear();
    await world.deliver(sale(3, { quantity: 2 }));
    expect(world.tickets.elsewhere(1)).toEqual([2, 0]);
  });

  it('takes only the ticket the letter is about; a letter about a whole message takes all', async () => {
    const tickets = [
      { category: 1, quantity: 1 },
      { category: 2, quantity: 1 },
    ];
    await world.consumer.redrive(letterFor(sale(3, { tickets }), 1));
    expect([world.tickets.elsewhere(1, 1), world.tickets.elsewhere(1, 2)]).toEqual([
      [0, 0],
      [1, 0],
    ]);
    await world.consumer.redrive(letterFor(sale(3, { tickets })));
    expect([world.tickets.elsewhere(1, 1), world.tickets.elsewhere(1, 2)]).toEqual([
      [1, 0],
      [1, 0],
    ]);
  });

  it.each<[string, () => DeadLetter, RegExp]>([
    ['still malformed', () => letterFor(garbage(1)), /JSON/],
    ['a master list still malformed', () => letterFor(garbage(1, LISTS)), /JSON/],
    ['still no such ticket', () => letterFor(sale(1, { matchNumber: 9 }), 0), /not_open/],
    ['not from a log', () => ({ ...letterFor(sale(1)), headers: {} }), /not a message/],
  ])('%s: says so', async (_name, letter, reason) => {
    expect(await world.consumer.redrive(letter())).toEqual({
      kind: 'refused',
      reason: expect.stringMatching(reason),
    });
    expect(world.tickets.submissions).toEqual([]);
  });

  it.each<[string, SubmissionResult]>([
    ['overloaded', OVERLOADED],
    ['unknown', { kind: 'unknown' }],
    ['remote_limit', { kind: 'answered', result: { kind: 'remote_limit', limit: 1 } }],
  ])('%s: says so, and it can be tried again', async (reason, answer) => {
    world.tickets.instead = () => answer;
    expect(await world.consumer.redrive(letterFor(sale(1), 0))).toEqual({ kind: 'refused', reason });
    world.tickets.instead = () => null;
    expect(await world.consumer.redrive(letterFor(sale(1), 0))).toEqual({ kind: 'settled' });
  });

  it('a gateway that throws is a reason too', async () => {
    world.tickets.before = () => Promise.reject(new Error('gone'));
    expect(await world.consumer.redrive(letterFor(sale(1), 0))).toMatchObject({ reason: /gone/ });
  });

  it('loads a master list', async () => {
    expect(await world.consumer.redrive(letterFor(list(3, 5)))).toEqual({ kind: 'settled' });
    expect(world.loader.loads).toEqual([{ matchNumbers: [5], source: 'cluster/lists/0/3' }]);
    world.loader.during = () => Promise.reject(new Error('no worker'));
    expect(await world.consumer.redrive(letterFor(list(4, 6)))).toMatchObject({ kind: 'refused' });
  });

  it('our own has taken effect before', async () => {
    expect(await world.consumer.redrive(letterFor(sale(1, { clientId: 'ticktak' })))).toEqual({
      kind: 'settled',
    });
    expect(world.tickets.submissions).toEqual([]);
  });

  it('a sender cannot choose what is re-driven', () => {
    const forged = { ...sale(3), headers: { 'x-original-index': '1', 'x-original-topic': LISTS } };
    expect(recordOf(letterFor(forged))).toMatchObject({
      index: undefined,
      record: { topic: SALES, offset: '3' },
    });
    expect(recordOf(letterFor(forged, 2))?.index).toBe(2);
    expect(letterFor({ ...sale(3), value: null }).raw).toBe('');
  });
});

it('over the in-process feed: what another marketplace publishes takes effect, what we publish does not', async () => {
  const feed = new InProcessFeed({ clock: new ManualClock() });
  const one = setUp({ log: feed });
  await feed.start();
  await one.consumer.start();
  const held = (category: number): CommittedEvent => ({
    ticket: { matchNumber: 7, category },
    incarnation: 1,
    sequence: 1,
    commandId: 'c',
    event: {
      type: 'held',
      at: 1,
      reservation: {
        id: 'r-1',
        matchNumber: 7,
        category,
        status: 'PENDING',
        quantity: 3,
        refundedQuantity: 0,
        unitPrice: 75,
        currency: 'USD',
        email: 'ann@example.org',
        person: 'ann',
        createdAt: 1,
        updatedAt: 1,
        expiresAt: 2,
      },
    },
  });
  const ours = { clientId: 'ticktak', topic: SALES, clientIdInValue: false };
  await feed.publish(encodeSale(held(1), { ...ours, clientId: 'north' }));
  await feed.publish(encodeSale(held(2), ours));
  await feed.publish([{ topic: LISTS, value: String(list(0, 7).value), headers: {} }]);
  await until(() => one.tickets.elsewhere(7, 1)[0] === 3);
  await one.consumer.stop();
  await feed.stop();
  expect(one.tickets.elsewhere(7, 2)).toEqual([0, 0]);
  expect(one.tickets.state(7, 1).remote.get('north/r-1')?.held).toBe(3);
});

describe('stop', () => {
  it('ends the subscription and the timers; what waits stays in the dead letters', async () => {
    await world.deliver(sale(1, { matchNumber: 7 }));
    expect(world.timers()).toEqual([WAITING_CHECK_MS]);
    await world.consumer.stop();
    expect(world.unsubscribed()).toBe(1);
    expect(world.timers()).toEqual([]);
    expect(world.letters.ids).toHaveLength(1);
    await world.consumer.stop();
    expect(world.unsubscribed()).toBe(1);
  });
});

describe('places', () => {
  const checkpoint = async (): Promise<void> => {
    world.clock.advance(CHECKPOINT_MS);
    await quiet();
  };

  it('are committed when everything before them is archived, and only when they moved', async () => {
    world.handledUpTo({ [SOURCE]: '7' });
    world.durability.answer = 'pending';
    await checkpoint();
    expect(world.commits).toEqual([]);
    world.durability.answer = 'durable';
    await checkpoint();
    await checkpoint();
    expect(world.commits).toEqual([{ [SOURCE]: '7' }]);
    world.handledUpTo({ [SOURCE]: '9' });
    await checkpoint();
    expect(world.commits).toEqual([{ [SOURCE]: '7' }, { [SOURCE]: '9' }]);
  });

  it('are not committed but read again when Redis has lost something since, noticed by nobody else', async () => {
    expect(world.durability.begun).toBe(1);
    world.handledUpTo({ [SOURCE]: '7' });
    world.durability.answer = 'lost';
    await checkpoint();
    expect([world.commits, world.rewinds(), world.durability.begun]).toEqual([[], 1, 2]);
  });

  it('are not committed when reading went back meanwhile, or has to and could not yet', async () => {
    world.handledUpTo({ [SOURCE]: '7' });
    world.durability.during = () => world.consumer.rewind();
    await checkpoint();
    expect([world.commits, world.rewinds()]).toEqual([[], 1]);
    world.durability.during = () => Promise.resolve();
    world.failRewinds(true);
    await expect(world.consumer.rewind()).rejects.toThrow('brokers');
    await checkpoint();
    expect(world.commits).toEqual([]);
    world.failRewinds(false);
    await world.consumer.rewind();
    await checkpoint();
    expect(world.commits).toEqual([{ [SOURCE]: '7' }]);
  });

  it('are not committed while a dead letter is not archived', async () => {
    world.handledUpTo({ [SOURCE]: '7' });
    world.letters.fails = true;
    await checkpoint();
    expect(world.commits).toEqual([]);
    world.letters.fails = false;
    await checkpoint();
    expect(world.commits).toHaveLength(1);
  });

  it('stay at the first message that waits for its master list, and move on when it took effect', async () => {
    await world.deliver(sale(1), sale(2, { matchNumber: 7 }), sale(3, { matchNumber: 8 }), sale(4));
    world.handledUpTo({ [SOURCE]: '5', other: '3' });
    await checkpoint();
    expect(world.commits).toEqual([{ [SOURCE]: '2', other: '3' }]);
    await world.deliver(list(0, 7));
    await checkpoint();
    expect(world.commits.at(-1)).toEqual({ [SOURCE]: '3', other: '3' });
    await world.deliver(list(1, 8));
    await checkpoint();
    expect(world.commits.at(-1)).toEqual({ [SOURCE]: '5', other: '3' });
  });

  it('are committed when a partition comes back that was read elsewhere when they should have been', async () => {
    world.handledUpTo({ [SOURCE]: '7' });
    world.elsewhere.add(SOURCE);
    await checkpoint();
    expect(world.commits).toEqual([{}]);
    world.elsewhere.clear();
    await checkpoint();
    await checkpoint();
    expect(world.commits).toEqual([{}, { [SOURCE]: '7' }]);
  });

  it('are committed once more at the end', async () => {
    world.handledUpTo({ [SOURCE]: '7' });
    await world.consumer.stop();
    expect(world.commits).toEqual([{ [SOURCE]: '7' }]);
  });

  it('a rewind reads again, and asks anew which tickets are open', async () => {
    await world.deliver(sale(1));
    world.tickets.states.clear();
    await world.consumer.rewind();
    expect(world.rewinds()).toBe(1);
    await world.deliver(sale(1));
    expect(world.consumer.waiting).toBe(1);
  });

  it('what is behind is told by source', () => {
    expect(world.consumer.lag()).toEqual(new Map([[SOURCE, 3]]));
  });
});

describe('reading that has to go back', () => {
  /** Redis loses what was told and the tickets are rebuilt; readings that begin from now on know it. */
  const lose = (...matchNumbers: readonly number[]): void => {
    world.tickets.loseMessages(1, ...matchNumbers);
    world.durability.incarnation = world.tickets.incarnation;
  };
  const goBack = async (): Promise<void> => {
    world.clock.advance(REWIND_DELAY_MS);
    await quiet();
  };
  /** Of a reading that has begun before the loss. */
  const knowFormer = (): void => void (world.durability.incarnation = world.tickets.incarnation - 1);

  it('lets no message of a rebuilt ticket overtake those that were lost', async () => {
    await world.deliver(sale(1), sale(2, { quantity: 2 }));
    lose();
    knowFormer();
    await expect(world.deliver(sale(3))).rejects.toThrow(BatchUnsettledError);
    expect(world.tickets.elsewhere(1)).toEqual([0, 0]);
    // Nothing more is asked of anybody until then, though nobody else has noticed.
    world.tickets.submissions.length = 0;
    await expect(world.deliver(sale(3))).rejects.toThrow('read again');
    expect(world.tickets.submissions).toEqual([]);
    world.durability.incarnation = world.tickets.incarnation;
    await goBack();
    expect(world.rewinds()).toBe(1);
    await world.deliver(sale(1), sale(2, { quantity: 2 }), sale(3));
    expect(world.tickets.elsewhere(1)).toEqual([4, 0]);
  });

  it('does so once for all that was noticed meanwhile, again and again until it could', async () => {
    world.failRewinds(true);
    for (let i = 0; i < 5; i += 1) world.consumer.lost();
    await goBack();
    expect([world.rewinds(), world.warnings.length]).toEqual([0, 1]);
    await expect(world.deliver(sale(1))).rejects.toThrow('read again');
    world.failRewinds(false);
    await goBack();
    expect(world.rewinds()).toBe(1);
    await goBack();
    expect(world.rewinds()).toBe(1);
    await world.deliver(sale(1));
    expect(world.tickets.elsewhere(1)).toEqual([1, 0]);
  });

  it('a batch at hand stays with the reading in which it came', async () => {
    world.tickets.before = async ({ id }) => {
      if (id !== `${SOURCE}/1/0`) return;
      world.tickets.before = () => Promise.resolve();
      lose();
      await world.consumer.rewind();
    };
    await expect(world.deliver(sale(1), sale(2))).rejects.toThrow(BatchUnsettledError);
    expect(world.tickets.submissions.map(({ incarnation }) => incarnation)).toEqual([1]);
    // It was noticed by a reading that has gone: the one that began since need not go back once more.
    await goBack();
    expect(world.rewinds()).toBe(1);
    await world.deliver(sale(1), sale(2));
    expect(world.tickets.elsewhere(1)).toEqual([2, 0]);
  });

  it('one that began while another was going back goes back once more', async () => {
    world.durability.during = () => world.consumer.rewind();
    const first = world.consumer.rewind();
    await quiet();
    const second = world.consumer.rewind();
    await Promise.all([first, second]);
    expect(world.rewinds()).toBe(2);
    const [third, fourth] = [world.consumer.rewind(), world.consumer.rewind()];
    await Promise.all([third, fourth]);
    expect(world.rewinds()).toBe(3);
  });

  it('what waited before is not tried before it is read again; its letter is settled then', async () => {
    await world.deliver(sale(2, { matchNumber: 7 }));
    world.handledUpTo({ [SOURCE]: '3' });
    await world.consumer.rewind();
    world.tickets.open(7);
    world.clock.advance(WAITING_CHECK_MS);
    await quiet();
    expect([world.tickets.submissions, world.consumer.waiting]).toEqual([[], 1]);
    await world.deliver(sale(1, { matchNumber: 7, quantity: 2 }), sale(2, { matchNumber: 7 }));
    expect(world.tickets.elsewhere(7)).toEqual([3, 0]);
    expect(world.tickets.submissions.map(({ id }) => id)).toEqual([`${SOURCE}/1/0`, `${SOURCE}/2/0`]);
    expect([world.consumer.waiting, world.letters.settledIds]).toEqual([0, [`${SOURCE}/2/0`]]);
  });

  it('what waits again does so in the order in which it is read again, for no longer than before', async () => {
    await world.deliver(sale(2, { matchNumber: 7 }));
    world.handledUpTo({ [SOURCE]: '3' });
    world.clock.advance(WAIT_MS - 1_000);
    await quiet();
    await world.consumer.rewind();
    await world.deliver(sale(1, { matchNumber: 7 }), sale(2, { matchNumber: 7 }));
    expect(world.consumer.waiting).toBe(2);
    world.clock.advance(1_000);
    await quiet();
    expect(world.consumer.waiting).toBe(1);
    await world.deliver(sale(2, { matchNumber: 7 }), list(0, 7));
    await quiet();
    expect(world.tickets.submissions.map(({ id }) => id)).toEqual([`${SOURCE}/1/0`, `${SOURCE}/2/0`]);
  });

  it('what waited before holds no place back, because others may have settled it', async () => {
    await world.deliver(sale(1, { matchNumber: 7 }));
    world.handledUpTo({ [SOURCE]: '1' });
    await world.consumer.rewind();
    expect(world.consumer.waiting).toBe(1);
    world.handledUpTo({ [SOURCE]: '5' });
    world.clock.advance(CHECKPOINT_MS);
    await quiet();
    expect(world.commits).toEqual([{ [SOURCE]: '5' }]);
  });

  it('what waits of a partition that others read now is left to them', async () => {
    await world.deliver(sale(1, { matchNumber: 7 }), sale(1, { matchNumber: 8, source: 'cluster/sales/1' }));
    expect(world.consumer.waiting).toBe(2);
    world.handledUpTo({ [SOURCE]: '2' });
    await world.consumer.rewind();
    expect(world.consumer.waiting).toBe(1);
  });

  it('lets nothing overtake what was waiting, and is left to others while it is tried', async () => {
    await world.deliver(sale(1, { matchNumber: 7 }), sale(2, { matchNumber: 7 }));
    world.handledUpTo({ 'cluster/sales/1': '0' });
    world.tickets.open(7);
    world.tickets.before = async ({ id }) => {
      if (id === `${SOURCE}/1/0`) await world.consumer.rewind();
    };
    await expect(world.deliver(sale(3, { matchNumber: 7 }))).rejects.toThrow(BatchUnsettledError);
    expect(world.tickets.submissions.map(({ id }) => id)).toEqual([`${SOURCE}/1/0`]);
  });

  it('a message that another consumer has settled meanwhile is no dead letter any more after its time', async () => {
    await world.deliver(sale(1, { matchNumber: 7 }), sale(2, { matchNumber: 7 }));
    world.handledUpTo({ [SOURCE]: '3' });
    await world.consumer.rewind();
    world.tickets.archived.add(`7:1 ${SOURCE}/1/0`);
    world.clock.advance(WAIT_MS);
    await quiet();
    expect([world.consumer.waiting, world.letters.settledIds]).toEqual([0, [`${SOURCE}/1/0`]]);
  });

  it('a ticket that Redis knows nothing of is waited for', async () => {
    await world.deliver(sale(1));
    lose();
    world.durability.incarnation = null;
    await world.deliver(sale(2));
    expect(world.tickets.submissions.map(({ id }) => id)).toEqual([`${SOURCE}/1/0`]);
    expect(world.handled).toEqual(['applied', 'waiting']);
  });
});

describe('a letter whose message took effect', () => {
  it('changes nothing when it is re-driven, also when no outcome is on record any more', async () => {
    await world.deliver(sale(1, { matchNumber: 7, quantity: 2 }));
    const [letter] = [...world.letters.letters.values()];
    await world.deliver(list(0, 7));
    await quiet();
    expect(world.tickets.elsewhere(7)).toEqual([2, 0]);
    world.tickets.recorded.clear();
    expect(await world.consumer.redrive(letter!)).toEqual({ kind: 'settled' });
    expect(world.tickets.elsewhere(7)).toEqual([2, 0]);
  });
});
