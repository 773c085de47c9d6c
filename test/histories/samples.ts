/** Histories that must be accepted, and histories that must not. One line each: who, from when to when, what was told. */
import type { History, Operation } from './linearizable.js';
import type { Call, Result } from './model.js';

const op = (calledAt: number, answeredAt: number | null, call: Call, result: Result | null): Operation => ({
  ...{ call, calledAt, answeredAt, result },
});
const hold = (from: number, to: number | null, id: string, kind: HoldKind, quantity = 1): Operation =>
  op(from, to, { op: 'hold', id, quantity }, to === null ? null : { kind });
type HoldKind = 'held' | 'sold_out' | 'unavailable';
const confirm = (from: number, to: number | null, id: string, kind: 'sold' | 'gone' = 'sold'): Operation =>
  op(from, to, { op: 'confirm', id }, to === null ? null : { kind });
const release = (
  from: number,
  to: number | null,
  id: string,
  kind: 'released' | 'gone' = 'released',
): Operation => op(from, to, { op: 'release', id }, to === null ? null : { kind });
const expire = (from: number, to: number, id: string): Operation =>
  op(from, to, { op: 'expire', id }, { kind: 'done' });
const read = (from: number, to: number, pending: number, available: number): Operation =>
  op(from, to, { op: 'read' }, { kind: 'counters', pending, available });

interface Sample {
  readonly what: string;
  readonly history: History;
}
const sample = (what: string, capacity: number, ...operations: readonly Operation[]): Sample => ({
  what,
  history: { capacity, operations },
});

export const GOOD_HISTORIES: readonly Sample[] = [
  sample('nothing', 1),
  sample('one after another', 1, hold(0, 1, 'a', 'held'), confirm(2, 3, 'a'), hold(4, 5, 'b', 'sold_out')),
  sample(
    'two at once for the last: either may win',
    1,
    hold(0, 9, 'a', 'unavailable'),
    hold(1, 5, 'b', 'held'),
  ),
  sample(
    'refused before the release that is under way, granted after it',
    1,
    hold(0, 1, 'a', 'held'),
    release(2, 9, 'a'),
    hold(3, 4, 'b', 'unavailable'),
    hold(5, 6, 'c', 'held'),
  ),
  sample(
    'an unknown hold that happened: it explains the refusal',
    1,
    hold(0, null, 'a', 'held'),
    hold(5, 6, 'b', 'unavailable'),
  ),
  sample('an unknown hold that never happened', 1, hold(0, null, 'a', 'held'), hold(5, 6, 'b', 'held')),
  sample(
    'an unknown hold that happened long after it was asked for',
    1,
    hold(0, null, 'a', 'held'),
    hold(5, 6, 'b', 'held'),
    release(7, 8, 'b'),
    hold(9, 10, 'c', 'unavailable'),
  ),
  sample(
    'an unknown hold, asked again under its id',
    1,
    hold(0, null, 'a', 'held'),
    hold(5, 6, 'a', 'held'),
    read(7, 8, 0, 1),
  ),
  sample(
    'an expiry in its interval',
    1,
    hold(0, 1, 'a', 'held'),
    expire(5, 9, 'a'),
    hold(3, 4, 'b', 'unavailable'),
    hold(6, 7, 'c', 'held'),
    confirm(10, 11, 'a', 'gone'),
  ),
  sample(
    'an unknown confirm that was in time',
    1,
    hold(0, 1, 'a', 'held'),
    confirm(2, null, 'a'),
    expire(5, 6, 'a'),
    hold(7, 8, 'b', 'sold_out'),
  ),
  sample(
    'a read between the commits of two that overlap it',
    3,
    hold(0, 9, 'a', 'held'),
    hold(0, 9, 'b', 'held', 2),
    read(1, 2, 1, 3),
  ),
];

export const BAD_HISTORIES: readonly Sample[] = [
  sample('a stale read after a hold', 2, hold(0, 1, 'a', 'held'), read(2, 3, 2, 2)),
  sample('reads that go back in time', 1, hold(0, 9, 'a', 'held'), read(1, 2, 0, 1), read(3, 4, 1, 1)),
  sample('a lost hold', 1, hold(0, 1, 'a', 'held'), confirm(2, 3, 'a', 'gone')),
  sample('the last ticket granted twice', 1, hold(0, 5, 'a', 'held'), hold(1, 6, 'b', 'held')),
  sample('more than there is in one hold', 1, hold(0, 1, 'a', 'held', 2)),
  sample(
    'sold after it was answered to be sold out, with nothing given back',
    1,
    hold(0, 1, 'a', 'held'),
    confirm(2, 3, 'a'),
    hold(4, 5, 'b', 'sold_out'),
    hold(6, 7, 'c', 'held'),
  ),
  sample('refused though nothing is held', 1, hold(0, 1, 'a', 'unavailable')),
  sample('sold out while it is only held', 1, hold(0, 1, 'a', 'held'), hold(2, 3, 'b', 'sold_out')),
  sample(
    'capacity given back twice',
    2,
    hold(0, 1, 'a', 'held'),
    hold(2, 3, 'b', 'held'),
    release(4, 5, 'a'),
    hold(6, 7, 'c', 'held'),
    hold(8, 9, 'd', 'held'),
  ),
  sample('released twice', 1, hold(0, 1, 'a', 'held'), release(2, 3, 'a'), release(4, 5, 'a')),
  sample(
    'given back by expiry and by release',
    1,
    hold(0, 1, 'a', 'held'),
    expire(2, 3, 'a'),
    release(4, 5, 'a'),
  ),
  sample('confirmed after its expiry', 1, hold(0, 1, 'a', 'held'), expire(2, 3, 'a'), confirm(4, 5, 'a')),
  sample('confirmed after its release', 1, hold(0, 1, 'a', 'held'), release(2, 3, 'a'), confirm(4, 5, 'a')),
  sample('released after its sale', 1, hold(0, 1, 'a', 'held'), confirm(2, 3, 'a'), release(4, 5, 'a')),
  sample('sold and still held', 2, hold(0, 1, 'a', 'held'), confirm(2, 3, 'a'), read(4, 5, 0, 1)),
  sample('a sale of what was never held', 1, confirm(0, 1, 'a')),
  sample('an effect before it was asked for', 1, hold(0, 1, 'b', 'unavailable'), hold(2, null, 'a', 'held')),
  sample(
    'an unknown hold that both happened and did not',
    1,
    hold(0, null, 'a', 'held'),
    hold(1, 2, 'b', 'unavailable'),
    hold(3, 4, 'c', 'held'),
  ),
  sample(
    'a hold that expired before its time',
    1,
    hold(0, 1, 'a', 'held'),
    hold(2, 3, 'b', 'held'),
    expire(5, 9, 'a'),
  ),
];
