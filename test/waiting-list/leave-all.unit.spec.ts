/** Whoever is erased waits nowhere afterwards, or is told that it is not done. */
import { describe, expect, it } from '@jest/globals';
import { UnavailableError } from '../../src/http/problem.js';
import type { FoundEntry } from '../../src/redis/waiting-lists.js';
import { leaveWaitingLists, type LeaveAllOptions } from '../../src/waiting-list/leave-all.js';

const ticket = { matchNumber: 7, category: 2 };
const ANN = { id: 'a1', email: 'ann@example.org' };
const answered = (kind: string) => ({ kind: 'answered', result: { kind } });

/** A place in line that each command leaves as `answers` says; the last answer stays. */
function world({
  answers = ['left_waiting_list'],
  isBehind = false,
  isCut = false,
  hasPlace = true,
  account = ANN.id,
}: {
  readonly answers?: readonly string[];
  readonly isBehind?: boolean;
  readonly isCut?: boolean;
  readonly hasPlace?: boolean;
  readonly account?: string;
} = {}) {
  let isWaiting = hasPlace;
  let asked = 0;
  const options = {
    lists: {
      ofPerson: () => Promise.resolve(isWaiting ? [{ ticket, entryId: 'w' }] : []),
      find: () => Promise.resolve({ kind: 'waiting', position: 1, entry: { account } } as FoundEntry),
    },
    store: {
      pulse: () =>
        Promise.resolve(
          isCut ? [] : [{ ticket, waiting: 0, active: 0, dueAt: isBehind ? null : 0, isOut: true }],
        ),
    },
    tickets: [ticket],
    gateway: {
      submit: () => {
        const kind = answers[Math.min(asked, answers.length - 1)]!;
        asked += 1;
        if (kind === 'left_waiting_list') isWaiting = false;
        return Promise.resolve(answered(kind));
      },
    },
    clock: {
      // Pauses are over at once, and nothing takes too long.
      schedule: (ms: number, callback: () => void) => {
        if (ms < 1_000) callback();
        return () => undefined;
      },
    },
  } as unknown as LeaveAllOptions;
  return { options, isWaiting: () => isWaiting, asked: () => asked };
}

describe('leaving all waiting lists', () => {
  it('gives a place up, and is done where there is none', async () => {
    const one = world();
    await leaveWaitingLists(one.options, ANN);
    expect([one.isWaiting(), one.asked()]).toEqual([false, 1]);
    const none = world({ hasPlace: false });
    await leaveWaitingLists(none.options, ANN);
    expect(none.asked()).toBe(0);
  });

  it.each(['being_offered', 'deadline_passed', 'outbox_full', 'failed', 'not_waiting'])(
    'asks again for a place that stays when the answer was %s',
    async (kind) => {
      const one = world({ answers: [kind, kind, 'left_waiting_list'] });
      await leaveWaitingLists(one.options, ANN);
      expect([one.isWaiting(), one.asked()]).toEqual([false, 3]);
    },
  );

  it('says so when a place remains', async () => {
    const one = world({ answers: ['being_offered'] });
    await expect(leaveWaitingLists(one.options, ANN)).rejects.toThrow(UnavailableError);
    expect(one.isWaiting()).toBe(true);
  });

  it.each([
    ['a Redis that lost what it knew of a ticket', { isBehind: true }],
    ['a node of Redis that does not answer', { isCut: true }],
  ])('does not take the word of %s', async (_what, state) => {
    const one = world({ ...state, hasPlace: false });
    await expect(leaveWaitingLists(one.options, ANN)).rejects.toThrow(UnavailableError);
  });

  it('leaves the place of a guest with the same mailbox', async () => {
    const one = world({ account: 'other' });
    await leaveWaitingLists(one.options, ANN);
    expect([one.isWaiting(), one.asked()]).toEqual([true, 0]);
  });
});
