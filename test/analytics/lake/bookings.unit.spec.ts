/** What the rows of a ticket changed adds up to its counters, for any sequence of commands. */
import assert from 'node:assert/strict';
import { describe, expect, it } from '@jest/globals';
import fc from '../../helpers/property.js';
import { bookingOf } from '../../../src/analytics/lake/bookings.js';
import { Persons } from '../../../src/analytics/lake/persons.js';
import type { Booking } from '../../../src/analytics/booking.js';
import { priceAfter, type TicketPrice } from '../../../src/operations/sales/facts.js';
import {
  apply,
  decide,
  initialState,
  type Command,
  type TicketEvent,
  type TicketState,
} from '../../../src/rules/index.js';
import { NOON, loaded, refunded, remote, reservationOf, sold } from '../../operations/ledger.js';
import { POLICY, TICKET, commands } from '../../rules/commands.js';

const persons = new Persons('a-secret-of-thirty-two-characters-and-more');
const CONTEXT = { clientId: 'us', personOf: persons.ofBuyer.bind(persons) };

function rowsOf(events: readonly TicketEvent[]): Booking[] {
  let price: TicketPrice = { price: 0, currency: '' };
  return events.flatMap((event, index) => {
    price = priceAfter(event, price);
    const committed = { ticket: TICKET, incarnation: 2, sequence: index + 1, commandId: 'c', event };
    return bookingOf(committed, price, CONTEXT) ?? [];
  });
}

const sum = (rows: readonly Booking[], of: 'heldDelta' | 'soldDelta', isOwn: boolean): number =>
  rows.filter((row) => row.isOwn === isOwn).reduce((total, row) => total + row[of], 0);

function play(all: readonly Command[]): { readonly state: TicketState; readonly events: TicketEvent[] } {
  let state = initialState(TICKET);
  const events: TicketEvent[] = [];
  for (const command of all) {
    const decision = decide(state, command, POLICY);
    events.push(...decision.events);
    state = decision.events.reduce(apply, state);
  }
  return { state, events };
}

describe('rows of bookings', () => {
  it('add up to the counters of their ticket, whatever was asked of it', () => {
    const kinds = new Set<string>();
    fc.assert(
      fc.property(commands, (all) => {
        const { state, events } = play(all);
        const rows = rowsOf(events);
        assert.equal(sum(rows, 'heldDelta', true), state.heldHere);
        assert.equal(sum(rows, 'soldDelta', true), state.soldHere);
        assert.equal(sum(rows, 'heldDelta', false), state.heldElsewhere);
        assert.equal(sum(rows, 'soldDelta', false), state.soldElsewhere);
        assert.equal(new Set(rows.map(({ id }) => id)).size, rows.length);
        for (const { quantity, kind, isOwn, person } of rows) {
          assert.ok(quantity > 0);
          assert.equal(person === null, !isOwn);
          kinds.add(`${kind} ${isOwn}`);
        }
      }),
      { numRuns: 16_000 },
    );
    // What never came up was not checked.
    expect([...kinds].sort()).toEqual(
      ['held', 'refunded', 'released', 'sold'].flatMap((kind) => [`${kind} false`, `${kind} true`]).sort(),
    );
  });

  it('say who, where, when and for how much', () => {
    const of = { email: 'Ann@Example.org', country: 'EC', unitPrice: 75.5, quantity: 2 };
    const rows = rowsOf([
      loaded(NOON),
      sold(NOON + 1, of),
      remote(NOON + 2, 3, 'red'),
      refunded(NOON + 3, 1, of),
    ]);
    expect(rows).toEqual([
      {
        id: '7:3:2:2',
        at: NOON + 1,
        kind: 'sold',
        matchNumber: 7,
        category: 3,
        marketplace: 'us',
        isOwn: true,
        quantity: 2,
        heldDelta: -2,
        soldDelta: 2,
        unitPriceMinor: 7_550,
        currency: 'USD',
        person: persons.ofAddress('ann@example.org'),
        country: 'EC',
      },
      {
        id: '7:3:2:3',
        at: NOON + 2,
        kind: 'sold',
        matchNumber: 7,
        category: 3,
        marketplace: 'red',
        isOwn: false,
        quantity: 3,
        heldDelta: 0,
        soldDelta: 3,
        unitPriceMinor: 7_500,
        currency: 'USD',
        person: null,
        country: null,
      },
      expect.objectContaining({ id: '7:3:2:4', kind: 'refunded', quantity: 1, heldDelta: 0, soldDelta: -1 }),
    ]);
  });

  it('know an account by its id, and everybody by a hash that takes the secret', () => {
    const buyer = reservationOf({ account: 'u-1', email: 'ann@example.org' });
    expect(persons.ofBuyer(buyer)).toBe(persons.ofId('u-1'));
    expect(persons.ofBuyer(reservationOf({ email: 'ANN@example.org' }))).toBe(
      persons.ofAddress('ann@example.org'),
    );
    expect(persons.ofId('u-1')).toMatch(/^[0-9a-f]{24}$/);
    expect(new Persons('another-secret-of-thirty-two-characters').ofId('u-1')).not.toBe(persons.ofId('u-1'));
  });
});
