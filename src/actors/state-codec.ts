/** A ticket's state as plain JSON: the format of snapshots. Derived parts are left out and computed again. */
import { Map as ImmutableMap } from 'immutable';
import { z } from 'zod';
import {
  initialState,
  isKnownEvent,
  personsOf,
  waitingListOf,
  type Orphan,
  type RemoteTally,
  type Reservation,
  type TicketEvent,
  type TicketId,
  type TicketState,
  type WaitingEntry,
} from '../rules/index.js';

/** The newest version of anything stored that this code knows: states, jobs, ledgers. */
export const SCHEMA_VERSION = 5;

/**
 * Version of a ticket's state, as it is written into Redis and snapshots: 4 added nothing to it. What is written says
 * the oldest version that reads it rightly, so that workers of two versions can stand side by side for a deploy.
 */
export const STATE_VERSION = 3;

/** From this one on a state has a waiting list: a worker that does not know of it would forget who waits. */
const WAITING_STATE_VERSION = 5;

/** The version that what is written of a state says. */
export function stateVersionOf({ waiting }: TicketState): number {
  return waiting.entries.isEmpty() ? STATE_VERSION : WAITING_STATE_VERSION;
}

/** Stored data was written by a newer version; guessing what it means could sell a ticket twice. */
export class NewerSchemaError extends Error {
  override readonly name = 'NewerSchemaError';
  /** `found`: its version; null where only a newer one can have written it. */
  constructor(what: string, found: number | null) {
    const is = found === null ? 'is of a newer schema version' : `has schema version ${found}`;
    super(`${what} ${is}, this ticktak knows ${SCHEMA_VERSION}: start the newer version instead.`);
  }
}

/** Throws for a fact of a ledger that a newer version wrote: what it does to a ticket is not known here. */
export function refuseNewerEvent({ matchNumber, category }: TicketId, event: TicketEvent): void {
  const { type } = event;
  if (!isKnownEvent(event))
    throw new NewerSchemaError(`A fact "${type}" of ticket ${matchNumber}:${category}`, null);
}

export const reservationSchema = z.object({
  id: z.string(),
  matchNumber: z.number(),
  category: z.number(),
  status: z.enum(['PENDING', 'PAYING', 'RESERVED', 'CANCELLED', 'EXPIRED', 'REFUNDED']),
  quantity: z.number(),
  refundedQuantity: z.number(),
  unitPrice: z.number(),
  currency: z.string(),
  email: z.string(),
  person: z.string(),
  account: z.string().exactOptional(),
  country: z.string().exactOptional(),
  createdAt: z.number(),
  updatedAt: z.number(),
  expiresAt: z.number(),
  paymentId: z.string().exactOptional(),
  payingUntil: z.number().exactOptional(),
  attempts: z
    .array(z.object({ id: z.string(), declined: z.string().exactOptional() }))
    .readonly()
    .exactOptional(),
  card: z.string().exactOptional(),
  reason: z.enum(['cancelled', 'declined', 'expired', 'paid', 'refunded']).exactOptional(),
  offer: z.object({ entryId: z.string(), joinedAt: z.number() }).exactOptional(),
}) satisfies z.ZodType<Reservation>;

const waitingSchema = z.object({
  id: z.string(),
  reservationId: z.string(),
  quantity: z.number(),
  email: z.string(),
  person: z.string(),
  account: z.string().exactOptional(),
  country: z.string().exactOptional(),
  joinedAt: z.number(),
  place: z.number(),
}) satisfies z.ZodType<WaitingEntry>;

const tallySchema = z.object({
  held: z.number(),
  sold: z.number(),
  early: z.array(z.object({ at: z.number(), quantity: z.number() })),
  cancelledEarly: z.number(),
  heldSince: z.number(),
}) satisfies z.ZodType<RemoteTally>;

const orphanSchema = z.object({
  clientId: z.string(),
  kind: z.enum(['orphan', 'suspected_refund']),
  quantity: z.number(),
  recordedAt: z.number(),
}) satisfies z.ZodType<Orphan>;

const positionSchema = z.object({ offset: z.string(), index: z.number() });

const scalarsSchema = z.object({
  opened: z.boolean(),
  closed: z.boolean(),
  // Not known before version 3.
  cancelled: z.boolean().default(false),
  paused: z.boolean().default(false),
  pauseRevision: z.number().default(0),
  capacity: z.number(),
  price: z.number(),
  currency: z.string(),
  soldHere: z.number(),
  soldElsewhere: z.number(),
  heldHere: z.number(),
  heldElsewhere: z.number(),
});

const stateSchema = scalarsSchema.extend({
  reservations: z.array(reservationSchema),
  remote: z.array(z.tuple([z.string(), tallySchema])),
  orphans: z.array(z.tuple([z.string(), orphanSchema])).default([]),
  positions: z.array(z.tuple([z.string(), positionSchema])),
  waiting: z.array(waitingSchema).default([]),
});

/** The numbers and flags of a state. */
export type Scalars = z.infer<typeof scalarsSchema>;

export function scalarsOf(state: TicketState): Scalars {
  const { opened, closed, cancelled, paused, pauseRevision, capacity, price, currency } = state;
  const { soldHere, soldElsewhere, heldHere, heldElsewhere } = state;
  return {
    opened,
    closed,
    cancelled,
    paused,
    pauseRevision,
    capacity,
    price,
    currency,
    soldHere,
    soldElsewhere,
    heldHere,
    heldElsewhere,
  };
}

/** Puts a state together from its parts; `persons` follows from the live reservations. */
export function assembleState(
  ticket: TicketId,
  parts: z.input<typeof scalarsSchema> & {
    readonly reservations: Iterable<Reservation>;
    readonly remote: Iterable<[string, RemoteTally]>;
    readonly orphans: Iterable<[string, Orphan]>;
    readonly positions: Iterable<[string, { readonly offset: string; readonly index: number }]>;
    readonly waiting: Iterable<WaitingEntry>;
  },
): TicketState {
  const persons = new Map<string, number>();
  const reservations: [string, Reservation][] = [];
  for (const reservation of parts.reservations) {
    reservations.push([reservation.id, reservation]);
    for (const key of personsOf(reservation)) {
      persons.set(key, (persons.get(key) ?? 0) + reservation.quantity);
    }
  }
  return {
    ...initialState(ticket),
    ...scalarsSchema.parse(parts),
    reservations: ImmutableMap(reservations),
    persons: ImmutableMap(persons),
    remote: ImmutableMap(parts.remote),
    orphans: ImmutableMap(parts.orphans),
    positions: ImmutableMap(parts.positions),
    waiting: waitingListOf(parts.waiting),
  };
}

export function encodeState(state: TicketState): unknown {
  return {
    ...scalarsOf(state),
    reservations: [...state.reservations.values()],
    remote: [...state.remote.entries()],
    orphans: [...state.orphans.entries()],
    positions: [...state.positions.entries()],
    ...(!state.waiting.entries.isEmpty() && { waiting: [...state.waiting.entries.values()] }),
  };
}

/** Throws on anything that is not a state of a version we know. */
export function decodeState(ticket: TicketId, schema: number, value: unknown): TicketState {
  if (schema > SCHEMA_VERSION) throw new NewerSchemaError('A ticket snapshot', schema);
  return assembleState(ticket, stateSchema.parse(value));
}
