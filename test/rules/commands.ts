/** Any sequence of commands for one ticket, for properties of the rules and of what stands on their events. */
import fc from '../helpers/property.js';
import type { Command, LogPosition, Policy, RemoteAction } from '../../src/rules/index.js';

export const COMMANDS_MAX = 40;
export const TICKET = { matchNumber: 7, category: 3 };
export const POLICY: Policy = {
  holdMs: 1_000,
  paymentAttemptsMax: 3,
  payingMs: 1_500,
  ticketsPerPersonMax: 4,
  ticketsPerReservationMax: 2,
  earlyReservedWindowMs: 60,
  remoteTalliesMax: 5,
  waitingListMax: 2,
  waitingOfferMs: 700,
};

type Wish<C> = C extends Command ? Omit<C, 'id' | 'at'> : never;
const reservationId = fc.constantFrom('r1', 'r2', 'r3', 'r4', 'r5');
/** Those of offers too, which are named by whose turn it was. */
const anyReservationId = fc.constantFrom('r1', 'r2', 'r3', 'r4', 'r5', 'of w1', 'of w2', 'of w3');
const entryId = fc.constantFrom('w1', 'w2', 'w3', 'w4');
const paymentId = fc.constantFrom('p1', 'p2');
const person = fc.constantFrom('ann', 'bob', 'cy');
const quantity = fc.integer({ min: 1, max: 3 });
const attempt = fc.constantFrom({}, { attemptId: 'a1' }, { attemptId: 'a2' }, { attemptId: 'a3' });
const card = fc.constantFrom(
  {},
  { card: 'visa', cardElsewhere: 0 },
  { card: 'amex', cardElsewhere: 0 },
  { card: 'amex', cardElsewhere: 3 },
);
/** A reservation as it may have ended long ago; the rules must not trust more of it than they say. */
const endedReservation = fc
  .tuple(
    fc.record({
      id: reservationId,
      matchNumber: fc.constant(7),
      category: fc.constant(3),
      status: fc.constantFrom('EXPIRED' as const, 'CANCELLED' as const),
      quantity: fc.integer({ min: 1, max: 2 }),
      refundedQuantity: fc.constant(0),
      unitPrice: fc.constantFrom(60, 75),
      currency: fc.constant('USD'),
      email: fc.constant('x@example.org'),
      person,
      createdAt: fc.constant(1),
      updatedAt: fc.constant(1),
      expiresAt: fc.constantFrom(1, 1_000_000),
    }),
    fc.constantFrom({}, { card: 'visa' }, { card: 'amex' }),
    fc.constantFrom({}, { reason: 'declined' as const }, { reason: 'declined' as const }),
    fc.constantFrom({}, { attempts: [{ id: 'a0' }] }, { attempts: [{ id: 'x' }, { id: 'y' }, { id: 'z' }] }),
    // Of sale phases.
    fc.constantFrom({}, {}, { limits: { perPerson: 2 } }, { code: 'c', limits: { perCode: 3 } }),
  )
  .map(([ended, from, why, tries, kept]) => ({ ...ended, ...from, ...why, ...tries, ...kept }));

const position: fc.Arbitrary<LogPosition> = fc.record({
  source: fc.constantFrom('log/0', 'log/1'),
  offset: fc.oneof(
    { weight: 6, arbitrary: fc.nat({ max: 40 }).map(String) },
    { weight: 1, arbitrary: fc.constantFrom('9223372036854775806', '9223372036854775807') },
  ),
  index: fc.nat({ max: 2 }),
});
const positioned = fc.option(position, { nil: undefined }).map((at) => (at ? { position: at } : {}));

/** On both sides of the window in which a RESERVED and a PENDING belong together. */
const recordedAt = fc.constantFrom(1_000, 1_001, 1_059, 1_060, 1_061, 1_120, 1_121, 1_200);
const peerId = fc.constantFrom('north', 'south', 'north/r1');

const remoteWish = fc
  .tuple(
    fc.record({
      type: fc.constant('remote' as const),
      action: fc.constantFrom<RemoteAction>('pending', 'reserved', 'cancelled'),
      clientId: peerId,
      quantity,
      recordedAt,
    }),
    fc.option(fc.constantFrom('r1', 'r2'), { nil: undefined }).map((id) => (id ? { reservationId: id } : {})),
    positioned,
  )
  .map(([message, id, at]) => ({ ...message, ...id, ...at }));

const loadWish = (capacityMin: number): fc.Arbitrary<Wish<Command>> =>
  fc
    .tuple(
      fc.record({
        type: fc.constant('load' as const),
        capacity: fc.integer({ min: capacityMin, max: 12 }),
        price: fc.constantFrom(75, 80),
        currency: fc.constant('USD'),
      }),
      positioned,
    )
    .map(([entry, at]) => ({ ...entry, ...at }));

const holdWish = fc
  .tuple(
    fc.record({
      type: fc.constant('hold' as const),
      reservationId,
      quantity,
      email: fc.constant('x@example.org'),
      person,
      personElsewhere: fc.constantFrom(0, 0, 0, 1, 3),
    }),
    fc.constantFrom({}, {}, { price: 75 }),
    // Of sale phases.
    fc.constantFrom(
      {},
      {},
      {},
      { limits: { perPerson: 2 } },
      { limits: { perReservation: 1, until: 11_500 } },
      { limits: { code: { digest: 'c', ticketsMax: 3 } } },
    ),
  )
  .map(([wish, price, limits]) => ({ ...wish, ...price, ...limits }));

const wish: fc.Arbitrary<Wish<Command>> = fc.oneof(
  { weight: 8, arbitrary: holdWish },
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        fc.record({ type: fc.constant('startPayment' as const), reservationId: anyReservationId, paymentId }),
        attempt,
        card,
      )
      .map(([started, by, from]) => ({ ...started, ...by, ...from })),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('declinePayment' as const),
      reservationId: anyReservationId,
      paymentId,
      reason: fc.constant('card_declined'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.record({
          type: fc.constant('rehold' as const),
          reservation: endedReservation,
          paymentId,
          personElsewhere: fc.constantFrom(0, 0, 1),
          cardElsewhere: fc.constantFrom(0, 0, 3),
        }),
        attempt,
        fc.constantFrom({}, { card: 'visa' }),
      )
      .map(([wanted, by, from]) => ({ ...wanted, ...by, ...from })),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('confirm' as const),
      reservationId: anyReservationId,
      paymentId,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('failPayment' as const),
      reservationId: anyReservationId,
      paymentId,
      reason: fc.constantFrom('cancelled' as const, 'declined' as const, 'expired' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('release' as const), reservationId: anyReservationId }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('expire' as const), reservationId: anyReservationId }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('refund' as const), reservationId: anyReservationId, quantity }),
  },
  { weight: 10, arbitrary: remoteWish },
  { weight: 2, arbitrary: loadWish(0) },
  { weight: 1, arbitrary: fc.constant({ type: 'reopen' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('pause' as const),
      paused: fc.boolean(),
      revision: fc.integer({ min: 1, max: 9 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('decideOrphan' as const),
      /** So many commands before it. */
      orphanId: fc.nat({ max: 12 }).map(String),
      decision: fc.constantFrom('give_back' as const, 'give_back' as const, 'dismiss' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        fc.record({ type: fc.constant('releaseRemote' as const), clientId: peerId, heldSince: recordedAt }),
        fc.constantFrom({}, {}, { reservationId: 'r1' }),
      )
      .map(([wish, id]) => ({ ...wish, ...id })),
  },
  {
    weight: 8,
    arbitrary: fc
      .record({ entryId, quantity, person, personElsewhere: fc.constantFrom(0, 0, 0, 1, 3) })
      .map((asked) => ({
        type: 'joinWaitingList' as const,
        ...asked,
        reservationId: `of ${asked.entryId}`,
        email: 'x@example.org',
      })),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('leaveWaitingList' as const), entryId }) },
  { weight: 1, arbitrary: fc.constant({ type: 'serveWaitingList' as const }) },
);
const closeWish: fc.Arbitrary<Wish<Command>> = fc
  .tuple(
    fc.record({ type: fc.constant('close' as const), endHolds: fc.boolean() }),
    fc.constantFrom({}, { cancelled: true as const }),
  )
  .map(([close, why]) => ({ ...close, ...why }));

/** Time jumps, back too; ids clash. Most sequences open the ticket first, some close it at some point. */
export const commands: fc.Arbitrary<Command[]> = fc
  .tuple(
    fc.option(loadWish(4), { freq: 8, nil: undefined }),
    fc.array(wish, { minLength: 1, maxLength: COMMANDS_MAX, size: 'max' }),
    fc.option(fc.tuple(fc.nat({ max: COMMANDS_MAX }), closeWish), { freq: 2, nil: undefined }),
    fc.array(fc.constantFrom(0, 1, 10, 400, 1_000, 2_600, -700), {
      minLength: COMMANDS_MAX + 2,
      maxLength: COMMANDS_MAX + 2,
    }),
  )
  .map(([first, wishes, closing, jumps]) => {
    const all = [...(first ? [first] : []), ...wishes];
    if (closing) all.splice(Math.min(closing[0], all.length), 0, closing[1]);
    let at = 10_000;
    return all.map((body, i): Command => {
      at += jumps[i] ?? 0;
      const id = `c${i % 30}`;
      if (body.type !== 'decideOrphan') return { ...body, id, at };
      return { ...body, id, at, orphanId: `c${Math.max(0, i - 1 - Number(body.orphanId)) % 30}` };
    });
  });
