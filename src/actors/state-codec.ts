/** A ticket's state as plain JSON: the format of snapshots. Derived parts are left out and computed again. */
import { Map as ImmutableMap } from 'immutable';
import { z } from 'zod';
import {
  initialState,
  isBeyondVersion3,
  isKnownEvent,
  personsOf,
  waitingListOf,
  type Asked,
  type OrderedSale,
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
 * Version of a ticket's state, as it is written into Redis and snapshots. What is written says the oldest version that
 * reads it rightly, so that workers of two versions can stand side by side for a deploy: 4 added nothing to it, 5 the
 * sale in the order of the log, the waiting list, and what it and the phases of a sale say of a reservation, which an
 * older worker would forget.
 */
export function stateVersionOf({
  ordered,
  waiting,
  beyondVersion3 = 0,
}: Pick<TicketState, 'ordered'> & Partial<Pick<TicketState, 'waiting' | 'beyondVersion3'>>): number {
  return ordered || (waiting && !waiting.entries.isEmpty()) || beyondVersion3 > 0 ? 5 : 3;
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

const keptLimits = z.object({ perPerson: z.number().exactOptional(), perCode: z.number().exactOptional() });

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
  code: z.string().exactOptional(),
  limits: keptLimits.exactOptional(),
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
  code: z.string().exactOptional(),
  limits: keptLimits.exactOptional(),
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

const askedSchema = z.object({
  reservation: reservationSchema,
  commandId: z.string(),
  again: z.literal(true).exactOptional(),
  isEndFixed: z.literal(true).exactOptional(),
}) satisfies z.ZodType<Asked>;

const orderedSchema = z.object({
  capacity: z.number(),
  taken: z.number(),
  asked: z.number(),
}) satisfies z.ZodType<OrderedSale>;

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
  // Not known before version 5.
  ordered: orderedSchema.nullable().default(null),
});

const stateSchema = scalarsSchema.extend({
  reservations: z.array(reservationSchema),
  remote: z.array(z.tuple([z.string(), tallySchema])),
  orphans: z.array(z.tuple([z.string(), orphanSchema])).default([]),
  positions: z.array(z.tuple([z.string(), positionSchema])),
  waiting: z.array(waitingSchema).default([]),
  asked: z.array(z.tuple([z.string(), askedSchema])).default([]),
  logged: z.array(z.tuple([z.string(), tallySchema])).default([]),
});

/** The numbers and flags of a state. */
export type Scalars = z.infer<typeof scalarsSchema>;

export function scalarsOf(state: TicketState): Scalars {
  const { opened, closed, cancelled, paused, pauseRevision, capacity, price, currency } = state;
  const { soldHere, soldElsewhere, heldHere, heldElsewhere, ordered } = state;
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
    ordered,
  };
}

/** Puts a state together from its parts; `persons` follows from what is held, bought and asked for. */
export function assembleState(
  ticket: TicketId,
  parts: z.input<typeof scalarsSchema> & {
    readonly reservations: Iterable<Reservation>;
    readonly remote: Iterable<[string, RemoteTally]>;
    readonly orphans: Iterable<[string, Orphan]>;
    readonly positions: Iterable<[string, { readonly offset: string; readonly index: number }]>;
    readonly asked: Iterable<[string, Asked]>;
    readonly logged: Iterable<[string, RemoteTally]>;
    readonly waiting: Iterable<WaitingEntry>;
  },
): TicketState {
  const persons = new Map<string, number>();
  const count = (reservation: Reservation): void => {
    for (const key of personsOf(reservation)) {
      persons.set(key, (persons.get(key) ?? 0) + reservation.quantity);
    }
  };
  const reservations: [string, Reservation][] = [];
  let beyondVersion3 = 0;
  for (const reservation of parts.reservations) {
    reservations.push([reservation.id, reservation]);
    if (isBeyondVersion3(reservation)) beyondVersion3 += 1;
    count(reservation);
  }
  const asked = ImmutableMap(parts.asked);
  for (const { reservation } of asked.values()) count(reservation);
  return {
    ...initialState(ticket),
    ...scalarsSchema.parse(parts),
    reservations: ImmutableMap(reservations),
    persons: ImmutableMap(persons),
    remote: ImmutableMap(parts.remote),
    orphans: ImmutableMap(parts.orphans),
    positions: ImmutableMap(parts.positions),
    asked,
    logged: ImmutableMap(parts.logged),
    waiting: waitingListOf(parts.waiting, (id) => asked.has(id)),
    beyondVersion3,
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
    ...(state.ordered && { asked: [...state.asked.entries()], logged: [...state.logged.entries()] }),
  };
}

/** Throws on anything that is not a state of a version we know. */
export function decodeState(ticket: TicketId, schema: number, value: unknown): TicketState {
  if (schema > SCHEMA_VERSION) throw new NewerSchemaError('A ticket snapshot', schema);
  return assembleState(ticket, stateSchema.parse(value));
}
