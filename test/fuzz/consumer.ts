/**
 * The shipped consumer and decoders between a log of hostile records and the real rules, in this process. Between them
 * come good sales of one peer, each of its own ticket count; at the end every one of those took effect once, every bad
 * record lies in the dead letters as it came, and the consumer has read to the end.
 */
import type { Clock } from '../../src/actors/ports.js';
import type { DeadLetter } from '../../src/archive/port.js';
import type { OrderedGateway, Submission, SubmissionResult } from '../../src/http/ports.js';
import { SalesConsumer, type HandledKind } from '../../src/kafka/consumer.js';
import type { DeadLetters } from '../../src/kafka/dead-letters.js';
import type { IncomingRecord, Log, Places, Subscription } from '../../src/kafka/port.js';
import { decodeMasterList, decodeSalesMessage } from '../../src/kafka/wire.js';
import {
  apply,
  decide,
  initialState,
  type Command,
  type TicketId,
  type TicketState,
} from '../../src/rules/index.js';
import { recordOf } from './records.js';
import { told } from '../helpers/told.js';

const SALES = 'sales';
const LISTS = 'lists';
const BATCH_RECORDS = 50;
/** After so many hostile ones a good one comes. */
const GOOD_EVERY = 10;
/** Of the good ones: no hostile record names it. */
const GOOD_MATCH = 9_000;
const CAPACITY = 1_000_000;
const POLICY = {
  holdMs: 600_000,
  paymentAttemptsMax: 3,
  payingMs: 900_000,
  ticketsPerPersonMax: 4,
  ticketsPerReservationMax: 2,
  earlyReservedWindowMs: 60_000,
  remoteTalliesMax: 10_000_000,
};

/** The real rules, over all tickets that were opened. */
class Tickets implements OrderedGateway {
  readonly states = new Map<string, TicketState>();

  state({ matchNumber, category }: TicketId): TicketState {
    return this.states.get(`${matchNumber}:${category}`) ?? initialState({ matchNumber, category });
  }

  submit({ ticket, id, body }: Submission): Promise<SubmissionResult> {
    const state = this.state(ticket);
    const { events, outcome } = decide(state, { ...body, id, at: 1 } as Command, POLICY);
    this.states.set(`${ticket.matchNumber}:${ticket.category}`, events.reduce(apply, state));
    return Promise.resolve({ kind: 'answered', result: told(outcome) });
  }

  submitInOrder(submissions: readonly Submission[]): Promise<readonly SubmissionResult[]> {
    return Promise.all(submissions.map((submission) => this.submit(submission)));
  }

  async open(matchNumber: number, capacity: number): Promise<void> {
    for (const category of [1, 2, 3]) {
      const body = { type: 'load', capacity, price: 75, currency: 'USD' } as const;
      await this.submit({
        ticket: { matchNumber, category },
        id: `load/${matchNumber}:${category}`,
        body,
        keepMs: 1,
      });
    }
  }
}

/** Hands its records over in batches, each again until it was handled; counts those that had to come again. */
class RecordLog implements Pick<Log, 'subscribe'> {
  retries = 0;
  constructor(readonly records: readonly IncomingRecord[]) {}

  subscribe(
    _topics: readonly string[],
    handler: (records: readonly IncomingRecord[]) => Promise<void>,
  ): Promise<Subscription> {
    this.#handler = handler;
    const handled = (): Places => new Map();
    return Promise.resolve({
      handled,
      commit: (places) => Promise.resolve(places),
      rewind: () => Promise.resolve(),
      lag: () => new Map<string, number>(),
      isJoined: () => true,
      stop: () => Promise.resolve(),
    });
  }

  #handler: (records: readonly IncomingRecord[]) => Promise<void> = () => Promise.resolve();

  async drain(): Promise<void> {
    for (const topic of [LISTS, SALES]) {
      const own = this.records.filter((record) => record.topic === topic);
      for (let at = 0; at < own.length; at += BATCH_RECORDS) {
        const batch = own.slice(at, at + BATCH_RECORDS);
        try {
          await this.#handler(batch);
        } catch {
          this.retries += 1;
        }
      }
    }
  }
}

export interface ConsumerReport {
  readonly records: number;
  readonly handled: ReadonlyMap<HandledKind, number>;
  readonly deadLetters: number;
  readonly faults: readonly string[];
}

const silent = { info: () => undefined, warn: () => undefined };
/** Nothing here waits for time: what would be late is left. */
const still: Clock = { now: () => 1_669_000_000_000, schedule: () => () => undefined };

export async function fuzzConsumer(seed: number, from: number, to: number): Promise<ConsumerReport> {
  const records: IncomingRecord[] = [];
  const good: IncomingRecord[] = [];
  const add = (
    topic: string,
    value: Buffer | null,
    headers: Readonly<Record<string, string>>,
  ): IncomingRecord => {
    const record = {
      source: `c/${topic}/0`,
      topic,
      offset: String(records.length),
      timestamp: 1,
      value,
      headers,
    };
    records.push(record);
    return record;
  };
  for (let number = from; number < to; number += 1) {
    const { value, headers, isList } = recordOf(seed, number);
    add(isList ? LISTS : SALES, value, headers);
    if ((number - from) % GOOD_EVERY === 0)
      good.push(add(SALES, goodSale(), { clientId: 'good', reservationId: `r${number}` }));
  }
  const tickets = new Tickets();
  await tickets.open(GOOD_MATCH, CAPACITY);
  for (let match = 1; match <= 40; match += 1) await tickets.open(match, CAPACITY);
  const letters = new Map<string, DeadLetter>();
  const deadLetters: DeadLetters = {
    add: (letter) => {
      if (!letters.has(letter.id)) letters.set(letter.id, letter);
      return Promise.resolve();
    },
    settled: (id) => {
      letters.delete(id);
      return Promise.resolve();
    },
    archivedAll: () => Promise.resolve(true),
  };
  const handled = new Map<HandledKind, number>();
  const log = new RecordLog(records);
  const consumer = new SalesConsumer({
    log,
    gateway: tickets,
    togetherMax: 100,
    loader: {
      load: async (entries) => {
        for (const { matchNumber, availability } of entries)
          await tickets.open(matchNumber, availability.category1.available);
      },
    },
    deadLetters,
    clock: still,
    logger: silent,
    clientId: 'ticktak',
    masterlistTopic: LISTS,
    salesTopic: SALES,
    keepMs: 1,
    isOpen: (ticket) => Promise.resolve(tickets.states.has(`${ticket.matchNumber}:${ticket.category}`)),
    waitMs: 1,
    waitingMax: 1_000,
    tookEffect: () => Promise.resolve(false),
    durability: {
      begin: () =>
        Promise.resolve({
          incarnationOf: () => Promise.resolve(1),
          check: () => Promise.resolve('durable'),
        }),
    },
    onHandled: (kind) => void handled.set(kind, (handled.get(kind) ?? 0) + 1),
  });
  await consumer.start();
  await log.drain();
  // Handed over once more, as after a crash: nothing may change.
  const before = tickets.state({ matchNumber: GOOD_MATCH, category: 1 });
  await log.drain();
  await consumer.stop();
  const after = tickets.state({ matchNumber: GOOD_MATCH, category: 1 });
  const faults = [
    ...(log.retries > 0 ? [`${log.retries} batches could not be handled`] : []),
    ...(before.heldElsewhere === good.length
      ? []
      : [`${before.heldElsewhere} of ${good.length} good sales took effect`]),
    ...(after.heldElsewhere === before.heldElsewhere ? [] : ['good sales took effect again']),
    ...records.flatMap((record) => unaccounted(record, letters, seed)),
    ...[...tickets.states.values()].flatMap(sumFault),
  ];
  return { records: records.length, handled, deadLetters: letters.size, faults };
}

const goodSale = (): Buffer =>
  Buffer.from(
    JSON.stringify({
      meta: { action: 'TICKET_PENDING' },
      body: { matchNumber: GOOD_MATCH, tickets: { category: 1, quantity: 1, price: 75 } },
    }),
  );

/** A record that cannot be read is to be found as it came. */
function unaccounted(
  record: IncomingRecord,
  letters: ReadonlyMap<string, DeadLetter>,
  seed: number,
): string[] {
  const decoded = record.topic === LISTS ? decodeMasterList(record) : decodeSalesMessage(record);
  if (decoded.kind !== 'malformed') return [];
  const letter = letters.get(`${record.source}/${record.offset}`);
  const isWhole = letter?.raw === (record.value?.toString('base64') ?? '');
  return isWhole ? [] : [`record ${record.offset} of seed ${seed} is not in the dead letters as it came`];
}

function sumFault(state: TicketState): string[] {
  const numbers = [state.heldElsewhere, state.soldElsewhere, state.capacity];
  const isSane = numbers.every((number) => Number.isSafeInteger(number) && number >= 0);
  return isSane ? [] : [`counters that are none: ${numbers.join()}`];
}
