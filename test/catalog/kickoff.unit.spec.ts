/** Sales follow the dates of matches: closed at kick-off, open again where it was moved to a time still to come. */
import { setImmediate as others } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { KickoffCloser } from '../../src/catalog/kickoff.js';
import { ticketsOf } from '../../src/catalog/match.js';
import { NO_NOTICES, type Notices } from '../../src/catalog/notices.js';
import { Market, ManualClock, someMatch } from '../http/fakes.js';

const HOUR_MS = 3_600_000;
const ticket = { matchNumber: 1, category: 2 };

let clock: ManualClock;
let market: Market;
let notices: Notices;
let closer: KickoffCloser;

/** Plays at so many milliseconds from now. */
const playAt = (ms: number): void => {
  market.open({ ...someMatch(1), dateUtc: new Date(clock.now() + ms).toISOString() }, 20);
};
const closedOf = (): boolean[] => ticketsOf(1).map((one) => market.countersOf(one).closed);
const heldAs = (id: string): string => {
  const email = `${id}@b.co`;
  return market.do(ticket, { type: 'hold', reservationId: id, quantity: 1, email, person: email }).kind;
};

/** The look that is under way has ended: the next one is planned. */
async function looked(): Promise<void> {
  while (clock.timers === 0) await others();
}
async function look(): Promise<void> {
  clock.advance(30_000);
  await looked();
}

beforeEach(async () => {
  clock = new ManualClock();
  market = new Market(clock);
  notices = NO_NOTICES;
  playAt(HOUR_MS);
  const catalog = {
    matches: () => market.catalog.matches(),
    get notices() {
      return notices;
    },
  };
  const counters = market.counters.read.bind(market.counters);
  closer = new KickoffCloser({
    catalog,
    gateway: market,
    counters,
    clock,
    logger: pino({ level: 'silent' }),
  });
  closer.start();
  await looked();
});
afterEach(() => closer.stop());

it('closes at kick-off, and tells nobody again what stands', async () => {
  expect(closedOf()).toEqual([false, false, false]);
  clock.advance(HOUR_MS);
  await looked();
  expect(closedOf()).toEqual([true, true, true]);
  await look();
  expect(market.submissions.map(({ body }) => body.type)).toEqual(['close', 'close', 'close']);
});

it('opens what was moved to a later time after its kick-off, and closes it again then', async () => {
  clock.advance(HOUR_MS);
  await looked();
  expect(heldAs('early')).toBe('closed');
  playAt(HOUR_MS);
  await look();
  expect(closedOf()).toEqual([false, false, false]);
  expect(heldAs('moved')).toBe('held');
  clock.advance(HOUR_MS);
  await looked();
  expect(heldAs('late')).toBe('closed');
});

it('closes also where the old date came back', async () => {
  const begun = { ...someMatch(1), dateUtc: new Date(clock.now()).toISOString() };
  market.open(begun, 20);
  await look();
  playAt(HOUR_MS);
  await look();
  expect(closedOf()).toEqual([false, false, false]);
  market.open(begun, 20);
  await look();
  expect(closedOf()).toEqual([true, true, true]);
});

it('leaves what was cancelled closed, also when its actors have not heard of it yet', async () => {
  clock.advance(HOUR_MS);
  await looked();
  playAt(HOUR_MS);
  notices = { pauses: [], matches: new Map([[1, { cancelled: {} }]]) };
  await look();
  expect(closedOf()).toEqual([true, true, true]);
  notices = NO_NOTICES;
  for (const one of ticketsOf(1)) market.do(one, { type: 'close', endHolds: true, cancelled: true });
  await look();
  expect(closedOf()).toEqual([true, true, true]);
});

it('goes on with what got no answer', async () => {
  market.intercept = () => ({ kind: 'overloaded', retryAfterMs: 1 });
  clock.advance(HOUR_MS);
  await looked();
  market.intercept = () => undefined;
  expect(closedOf()).toEqual([false, false, false]);
  await look();
  expect(closedOf()).toEqual([true, true, true]);
});
