/** The waiting room over HTTP: how it stands, a place in it, and the pass of one that was let in. */
import { z } from 'zod';
import type { Buyers } from '../http/buyer.js';
import { defineRoute, type Handled, type Route, type RouteInput } from '../http/api.js';
import { emailSchema } from '../http/reservations.js';
import { overloaded, Problem } from '../http/problem.js';
import type { PassGiven, PlaceStanding, WaitingRoom } from './room.js';
import { PLACE_CHARS, TOKEN_CHARS_MAX } from './tokens.js';

export interface WaitingRoomRoutesOptions {
  readonly room: WaitingRoom;
  readonly buyers: Pick<Buyers, 'buyerOf' | 'refusal'>;
}

export function waitingRoomRoutes(options: WaitingRoomRoutesOptions): Route[] {
  return [roomRoute(options), joinRoute(options), mineRoute(options)];
}

const PATH = '/api/v1/waiting-room';
const CACHE_SECONDS = 1;
/** A full room empties slowly. */
const FULL_RETRY_MS = 30_000;

const roomSchema = z
  .object({
    state: z.enum(['off', 'before', 'open']),
    opensAt: z.iso.datetime().optional(),
    admitted: z.number().int().meta({ description: 'Ranks below it are let in.' }),
    perMinute: z.number().int().meta({ description: 'How many were let in in the last minute.' }),
    waiting: z.number().int(),
  })
  .meta({ id: 'WaitingRoom' });

function roomRoute({ room }: WaitingRoomRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: PATH,
    tag: 'waiting room',
    summary: 'Whether buyers queue, and how far the queue is',
    description:
      'The same for everybody, at most a second old. Who knows its position once can count on: it falls as `admitted` grows.',
    responses: { 200: { description: 'As it stands', schema: roomSchema } },
    handle: () => ({
      status: 200,
      json: room.json,
      headers: { 'Cache-Control': `public, max-age=${CACHE_SECONDS}` },
    }),
  });
}

const standingFields = {
  status: z.enum(['before', 'waiting', 'admitted', 'ended']),
  position: z
    .number()
    .int()
    .nullable()
    .meta({ description: '1 is next. Null before the opening: there is no order yet.' }),
  estimatedWaitSeconds: z.number().int().nullable(),
  pollAfterSeconds: z.number().int().meta({ description: 'Asking sooner tells nothing new.' }),
};

const placeSchema = z
  .object({ token: z.string().meta({ description: 'Says the place. Keep it.' }), ...standingFields })
  .meta({ id: 'Place' });

const standingSchema = z
  .object({
    ...standingFields,
    pass: z
      .string()
      .optional()
      .meta({ description: 'For holds, as `Waiting-Room-Pass`. Absent while none is needed.' }),
    passExpiresAt: z.iso.datetime().optional(),
  })
  .meta({ id: 'PlaceStanding' });

const token = z.string().max(TOKEN_CHARS_MAX);
const presentedHeader = z.object({
  'Waiting-Room-Token': token.optional().meta({ description: 'Of the place that one has already.' }),
});

type JoinInput = Pick<RouteInput<unknown, unknown, unknown, unknown>, 'request' | 'principal' | 'address'>;

function joinRoute(options: WaitingRoomRoutesOptions): Route {
  const { room } = options;
  return defineRoute({
    method: 'post',
    path: `${PATH}/places`,
    tag: 'waiting room',
    summary: 'Take a place',
    description:
      'One for each person: an account, or the e-mail address of a guest. Asked again it is the same place. While there is no waiting room the answer is `admitted`: hold at once.',
    security: ['accessToken'],
    isForGuestsToo: true,
    routeClass: 'hold',
    headers: presentedHeader,
    body: z.object({ email: emailSchema.optional() }).meta({ id: 'NewPlace' }),
    responses: {
      200: { description: 'The place that this person has', schema: placeSchema },
      201: { description: 'A new place', schema: placeSchema },
    },
    problems: [
      'unauthorized',
      'challenge_required',
      'blocked',
      'rate_limited',
      'email_unconfirmed',
      'overloaded',
    ],
    handle: async ({ body, headers, ...input }): Promise<Handled> => {
      const person = await personOf(options, body.email, input);
      if (person instanceof Problem) return person;
      const joined = await room.join(person, headers['Waiting-Room-Token']);
      if (joined === 'full') return overloaded(FULL_RETRY_MS);
      const { isNew, token: given, standing } = joined;
      return { status: isNew ? 201 : 200, body: { token: given, ...standing } };
    },
  });
}

/** Who asks for a place, as far as one may have one; in the room's own words. */
async function personOf(
  { room, buyers }: WaitingRoomRoutesOptions,
  email: string | undefined,
  input: JoinInput,
): Promise<string | Problem> {
  const buyer = buyers.buyerOf(input.principal, email);
  if (buyer instanceof Problem) return buyer;
  // Whoever may not hold is told now, and not after the wait.
  const refusal = await buyers.refusal(buyer, 'hold', input, true);
  return refusal ?? room.personOf(buyer.person);
}

function mineRoute({ room }: WaitingRoomRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: `${PATH}/places/mine`,
    tag: 'waiting room',
    summary: 'How my place stands',
    description:
      'By the token of the place. `admitted` comes with a pass: with it in `Waiting-Room-Pass` this person can hold until `passExpiresAt`, or until a new round of the room begins. `ended`: nothing is left to be sold, or the place was not taken up in time; ask for another.',
    headers: z.object({
      'Waiting-Room-Token': token
        .optional()
        .meta({ description: `The \`token\` of the place, ${PLACE_CHARS} characters.` }),
    }),
    responses: { 200: { description: 'As it stands', schema: standingSchema } },
    problems: ['unauthorized', 'overloaded'],
    handle: async ({ headers }): Promise<Handled> => {
      const presented = headers['Waiting-Room-Token'];
      const place = presented === undefined ? null : room.placeOf(presented);
      if (!place) {
        return new Problem('unauthorized', {
          detail:
            'Send the token of your place as Waiting-Room-Token; POST /api/v1/waiting-room/places gives one.',
        });
      }
      return { status: 200, body: standingJson(await room.standingOf(place)) };
    },
  });
}

function standingJson({
  passExpiresAt,
  ...standing
}: PlaceStanding & Partial<PassGiven>): z.output<typeof standingSchema> {
  return {
    ...standing,
    ...(passExpiresAt !== undefined && { passExpiresAt: new Date(passExpiresAt).toISOString() }),
  };
}
