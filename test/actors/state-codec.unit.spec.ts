/** Snapshots: whatever state the rules can make reads back as it was. */
import { describe, expect, it } from '@jest/globals';
import fc from '../helpers/property.js';
import {
  decodeState,
  encodeState,
  NewerSchemaError,
  SCHEMA_VERSION,
  stateVersionOf,
} from '../../src/actors/state-codec.js';
import { apply, decide, initialState, type Command, type TicketState } from '../../src/rules/index.js';
import { TEST_POLICY } from '../helpers/engine.js';

const ticket = { matchNumber: 3, category: 2 };
const reservationId = fc.constantFrom('r1', 'r2', 'r3', 'r4', 'r5');
const paymentId = fc.constantFrom('p1', 'p2');
const quantity = fc.integer({ min: 1, max: 3 });
const at = fc.integer({ min: 1, max: 2_000_000 });
const id = fc.uuid();
const position = fc.option(
  fc.record({ source: fc.constantFrom('a/0', 'a/1'), offset: fc.nat().map(String), index: fc.nat(2) }),
  { nil: undefined },
);

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record(
    {
      type: fc.constant('hold' as const),
      id,
      at,
      reservationId,
      quantity,
      email: fc.emailAddress(),
      person: fc.string(),
      personElsewhere: fc.constant(0),
      account: fc.constant('a1'),
      country: fc.constantFrom('QA', 'EC'),
    },
    { requiredKeys: ['type', 'id', 'at', 'reservationId', 'quantity', 'email', 'person', 'personElsewhere'] },
  ),
  fc.record({ type: fc.constant('startPayment' as const), id, at, reservationId, paymentId }),
  fc.record({ type: fc.constant('confirm' as const), id, at, reservationId, paymentId }),
  fc.record({ type: fc.constant('release' as const), id, at, reservationId }),
  fc.record({ type: fc.constant('refund' as const), id, at, reservationId, quantity }),
  fc
    .record({
      type: fc.constant('remote' as const),
      id,
      at,
      action: fc.constantFrom('pending' as const, 'reserved' as const, 'cancelled' as const),
      clientId: fc.constantFrom('peer', 'other/peer', '%'),
      quantity,
      recordedAt: at,
      position,
      reservationId: fc.option(reservationId, { nil: undefined }),
    })
    .map(({ position: where, reservationId: of, ...rest }) => ({
      ...rest,
      ...(where && { position: where }),
      ...(of !== undefined && { reservationId: of }),
    })),
  fc.record({
    type: fc.constant('load' as const),
    id,
    at,
    capacity: fc.integer({ min: 0, max: 20 }),
    price: fc.constantFrom(75, 125, 195),
    currency: fc.constant('USD'),
  }),
  fc.record({ type: fc.constant('close' as const), id, at, endHolds: fc.boolean() }),
  fc.record({
    type: fc.constant('close' as const),
    id,
    at,
    endHolds: fc.boolean(),
    cancelled: fc.constant(true),
  }),
  fc.record({ type: fc.constant('reopen' as const), id, at }),
  fc.record({ type: fc.constant('pause' as const), id, at, paused: fc.boolean(), revision: quantity }),
);

const load: Command = { type: 'load', id: 'l', at: 1, capacity: 12, price: 75, currency: 'USD' };

function reached(commands: readonly Command[]): TicketState {
  let state = initialState(ticket);
  for (const one of [load, ...commands]) {
    for (const event of decide(state, one, TEST_POLICY).events) state = apply(state, event);
  }
  return state;
}

/** Immutable maps compared by what is in them. */
const plain = (state: TicketState): unknown => ({
  ...state,
  reservations: state.reservations.toJSON(),
  persons: state.persons.toJSON(),
  remote: state.remote.toJSON(),
  orphans: state.orphans.toJSON(),
  positions: state.positions.toJSON(),
});

describe('a state as plain JSON', () => {
  it('reads back as it was, and goes on as it would have', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), command, (commands, next) => {
        const state = reached(commands);
        const stored: unknown = JSON.parse(JSON.stringify(encodeState(state)));
        const read = decodeState(ticket, SCHEMA_VERSION, stored);
        expect(plain(read)).toEqual(plain(state));
        expect(decide(read, next, TEST_POLICY)).toEqual(decide(state, next, TEST_POLICY));
      }),
    );
  });

  it('says the newer version while a reservation says what an older worker would forget, and no longer', () => {
    const base = { id: 'c', at: 1 };
    const held = (limits?: object, reservationId = 'r'): Command => ({
      ...base,
      type: 'hold',
      reservationId,
      quantity: 1,
      email: '',
      person: reservationId,
      personElsewhere: 0,
      ...(limits && { limits }),
    });
    const read = (...commands: Command[]): TicketState => {
      const state = reached(commands);
      const stored: unknown = JSON.parse(JSON.stringify(encodeState(state)));
      expect(plain(decodeState(ticket, SCHEMA_VERSION, stored))).toEqual(plain(state));
      return state;
    };
    const release: Command = { ...base, type: 'release', reservationId: 'r' };
    expect(stateVersionOf(read(held()))).toBe(3);
    expect(stateVersionOf(read(held({ until: 2 })))).toBe(3);
    for (const limits of [{ perPerson: 1 }, { code: { digest: 'd', ticketsMax: 1 } }]) {
      expect(stateVersionOf(read(held(limits)))).toBe(5);
      expect(stateVersionOf(read(held(limits), held(undefined, 'other')))).toBe(5);
      expect(stateVersionOf(read(held(limits), release))).toBe(3);
    }
    const event = { type: 'held', at: 1, reservation: read(held()).reservations.get('r')! } as const;
    const offer = { entryId: 'w', joinedAt: 1 };
    const offered = apply(reached([]), { ...event, reservation: { ...event.reservation, offer } });
    expect(stateVersionOf(offered)).toBe(5);
  });

  it('of the version before reads: nothing was paused or cancelled then, and orphans were not kept', () => {
    const {
      cancelled: _c,
      paused: _p,
      pauseRevision: _r,
      orphans: _o,
      ...older
    } = encodeState(reached([])) as Record<string, unknown>;
    const read = decodeState(ticket, 2, JSON.parse(JSON.stringify(older)));
    expect(plain(read)).toEqual(plain(reached([])));
  });

  it('of a newer version is refused with what to do', () => {
    expect(() => decodeState(ticket, SCHEMA_VERSION + 1, {})).toThrow(NewerSchemaError);
    expect(() => decodeState(ticket, SCHEMA_VERSION + 1, {})).toThrow('start the newer version');
  });

  it('that is none is refused', () => {
    for (const bad of [null, {}, { ...(encodeState(reached([])) as object), capacity: 'many' }]) {
      expect(() => decodeState(ticket, SCHEMA_VERSION, bad)).toThrow();
    }
  });
});
