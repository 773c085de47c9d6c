/** Live counters, the parts of the system, and what can be done with addresses and accounts. */
import { describe, expect, it } from '@jest/globals';
import { formattersOf } from '../../src/i18n/format';
import { isAddress } from '../../src/operator/blocks/rules';
import { figuresOf, minorPerUnit } from '../../src/operator/figures';
import type { LiveTicketState } from '../../src/operator/live/types';
import { filtersOf, NOBODY, partsOf, searchOf, shownOf, sumsOf } from '../../src/operator/live/view';
import { BODIES, CHANGES, changesOf, isGrave } from '../../src/operator/staff/changes';
import type { StaffAccount } from '../../src/operator/staff/types';
import type { SystemState } from '../../src/operator/system/types';
import { LIMITS, PARTS, verdictsOf, type Part } from '../../src/operator/system/verdicts';

const TICKET: LiveTicketState = {
  matchNumber: 1,
  category: 1,
  capacity: 20,
  available: 10,
  pending: 7,
  price: 75,
  currency: 'usd',
  closed: false,
  paused: false,
  cancelled: false,
  soldHere: 6,
  soldElsewhere: 4,
  heldHere: 2,
  heldElsewhere: 1,
  oversubscribed: 0,
  owner: 'worker-1',
  waiting: 0,
  active: 0,
  outbox: 0,
};
const OVER: LiveTicketState = {
  ...TICKET,
  matchNumber: 2,
  heldElsewhere: 11,
  pending: -3,
  oversubscribed: 3,
  owner: null,
};

describe('live counters', () => {
  it('are narrowed by what the address says', () => {
    const shown = (search: string): readonly number[] =>
      shownOf([TICKET, OVER], filtersOf(new URLSearchParams(search))).map(({ matchNumber }) => matchNumber);
    expect(shown('')).toEqual([1, 2]);
    expect(shown('match=2')).toEqual([2]);
    expect(shown('owner=worker-1')).toEqual([1]);
    expect(shown(`owner=${NOBODY}`)).toEqual([2]);
    expect(shown('oversubscribed=1')).toEqual([2]);
    expect(shown('match=1&oversubscribed=1')).toEqual([]);
    expect(shown('match=one')).toEqual([1, 2]);
    const filters = { match: '2', owner: 'worker-1', isOversubscribed: true };
    expect(filtersOf(new URLSearchParams(searchOf(filters)))).toEqual(filters);
  });

  it('add up, and a deficit takes nothing from others', () => {
    expect(sumsOf([TICKET, OVER])).toMatchObject({
      capacity: 40,
      ours: 16,
      elsewhere: 20,
      free: 7,
      oversubscribed: 3,
      oversubscribedTickets: 1,
    });
  });

  it('call a ticket neglected only when there is work and nobody does it', () => {
    const neglected = (ticket: Partial<LiveTicketState>): number =>
      sumsOf([{ ...TICKET, ...ticket }]).neglected;
    expect(neglected({ owner: null })).toBe(0);
    expect(neglected({ waiting: 3 })).toBe(0);
    expect(neglected({ owner: null, waiting: 3 })).toBe(1);
    expect(neglected({ owner: null, outbox: 1 })).toBe(1);
  });

  it('fill a bar to its end, and never beyond', () => {
    expect(partsOf(TICKET, 100)).toEqual({ ours: 40, elsewhere: 25, free: 35 });
    const { ours, elsewhere, free } = partsOf(OVER, 100);
    expect([ours + elsewhere, free]).toEqual([100, 0]);
    expect(
      partsOf({ ...TICKET, capacity: 0, soldHere: 0, heldHere: 0, soldElsewhere: 0, heldElsewhere: 0 }, 100),
    ).toEqual({ ours: 0, elsewhere: 0, free: 0 });
  });
});

const AT = '2022-11-20T16:00:00.000Z';
const FINE: SystemState = {
  at: AT,
  workers: [{ id: 'w', tickets: 192 }],
  consumers: [{ id: 'c', at: AT, lag: [{ source: 'sales/0', records: 2 }], waiting: 0 }],
  deadLetters: { open: 0 },
  mails: { due: 3, oldestSeconds: 5 },
  payments: { due: 2, stuck: 0 },
  queues: { waiting: 4, active: 1 },
  outbox: { entries: 9 },
};
const [consumer] = FINE.consumers;
const silentSince = new Date(Date.parse(AT) - LIMITS.consumerSilenceMs - 1).toISOString();

describe('verdicts', () => {
  const looks = (system: Partial<SystemState>): Part[] => {
    const verdicts = verdictsOf({ ...FINE, ...system });
    return PARTS.filter((part) => verdicts[part] === 'look');
  };

  it('leave in peace what does its work', () => {
    expect(looks({})).toEqual([]);
    expect(verdictsOf({ ...FINE, consumers: [] }).consumers).toBe('unknown');
  });

  it.each<[Part, Partial<SystemState>]>([
    ['workers', { workers: [] }],
    ['consumers', { consumers: [{ ...consumer!, at: silentSince }] }],
    [
      'consumers',
      { consumers: [{ ...consumer!, lag: [{ source: 'sales/0', records: LIMITS.lagRecords + 1 }] }] },
    ],
    ['deadLetters', { deadLetters: { open: 1 } }],
    ['payments', { payments: { due: 1, stuck: 1 } }],
    ['mails', { mails: { due: 1, oldestSeconds: LIMITS.mailSeconds + 1 } }],
    ['queues', { queues: { waiting: LIMITS.jobsWaiting + 1, active: 1 } }],
    ['outbox', { outbox: { entries: LIMITS.outboxEntries + 1 } }],
  ])('call somebody to %s, and to nothing else', (part, system) => {
    expect(looks(system)).toEqual([part]);
  });
});

describe('an address to block', () => {
  it.each(['192.0.2.7', '192.0.2.0/24', '2001:db8::/32', ' ::1 ', '::ffff:192.0.2.1'])(
    '%j may be one',
    (text) => {
      expect(isAddress(text)).toBe(true);
    },
  );
  it.each(['', 'example.org', '192.0.2', '192.0.2.0/24/8', '192.0.2.0/x', 'fan'])('%j is none', (text) => {
    expect(isAddress(text)).toBe(false);
  });
});

describe('changes of an account', () => {
  const account: StaffAccount = {
    id: 'a',
    email: 'a@example.org',
    name: 'A',
    roles: ['buyer'],
    emailConfirmed: true,
    secondFactor: false,
    createdAt: AT,
  };

  it('are those that change something', () => {
    expect(changesOf(account)).toEqual(['makeOperator', 'makeSteward', 'disable']);
    const other = { ...account, roles: ['buyer', 'operator', 'steward'], disabledAt: AT, secondFactor: true };
    expect(changesOf(other)).toEqual(['takeOperator', 'takeSteward', 'enable', 'resetSecondFactor']);
    expect(changesOf({ ...account, deletedAt: AT })).toEqual([]);
  });

  it('are confirmed by the address where they give power or take an account away', () => {
    expect(CHANGES.filter(isGrave)).toEqual(['makeOperator', 'disable', 'resetSecondFactor']);
  });

  it('are sent one at a time', () => {
    for (const change of CHANGES) expect(Object.keys(BODIES[change])).toHaveLength(1);
  });
});

describe('figures', () => {
  const english = figuresOf(formattersOf('en-GB'), 'en');

  it('know what a currency calls its smallest unit', () => {
    expect([minorPerUnit('usd'), minorPerUnit('JPY'), minorPerUnit('KWD')]).toEqual([100, 1, 1_000]);
    expect([english.minor(7_550, 'usd'), english.minor(-75, 'usd'), english.minor(75, 'jpy')]).toEqual([
      '$75.50',
      '-$0.75',
      '¥75',
    ]);
  });

  it('tell a span by its largest unit', () => {
    expect([59, 90, 7_200, 200_000].map(english.span)).toEqual([
      '59 seconds',
      '2 minutes',
      '2 hours',
      '2 days',
    ]);
  });
});
