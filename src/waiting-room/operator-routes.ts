/** What operators see of the waiting room, and how they steer it. */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import { defineRoute, type Route } from '../http/api.js';
import { bounded } from '../http/bounded.js';
import { audited, forOperators, iso, type OperatorRoutesOptions } from '../operations/operators.js';
import type { RoomKeeper, Seen } from './keeper.js';
import { waitingOf } from './room.js';
import { MODES, standingOf } from './state.js';

export interface RoomOperatorRoutesOptions extends OperatorRoutesOptions {
  readonly keeper: Pick<RoomKeeper, 'see' | 'settle'>;
  readonly clock: Clock;
  readonly waitMs: number;
}

const PATH = '/api/v1/operations/waiting-room';
const PER_MINUTE_MAX = 1_000_000;

const viewSchema = z
  .object({
    mode: z.enum(MODES),
    state: z.enum(['off', 'before', 'open']),
    opensAt: z.iso.datetime().optional(),
    perMinute: z.number().int().meta({ description: 'How many were let in in the last minute.' }),
    perMinuteMax: z.number().int().nullable(),
    waiting: z.number().int(),
    admitted: z.number().int(),
    inside: z.number().int().meta({ description: 'Let in, and have held nothing yet.' }),
    why: z.string().meta({ description: 'What the pace follows.' }),
  })
  .meta({ id: 'WaitingRoomStanding' });

export function roomView(seen: Seen): z.output<typeof viewSchema> {
  const { state, inside } = seen;
  const { mode, opensAt, perMinute, perMinuteMax, admitted, why } = state;
  const standing = standingOf(state);
  return {
    mode,
    state: standing,
    ...(standing !== 'off' && opensAt !== null && { opensAt: iso(opensAt) }),
    perMinute: standing === 'open' ? perMinute : 0,
    perMinuteMax,
    waiting: waitingOf(seen),
    admitted: standing === 'off' ? 0 : admitted,
    inside,
    why,
  };
}

export function roomOperatorRoutes(options: RoomOperatorRoutesOptions): Route[] {
  const { keeper, clock, waitMs } = options;
  return [
    defineRoute({
      method: 'get',
      path: PATH,
      summary: 'How the waiting room stands',
      ...forOperators(options),
      responses: { 200: { description: 'As it stands', schema: viewSchema } },
      handle: async () => ({
        status: 200,
        body: roomView(await bounded(clock, waitMs, 'waiting room', keeper.see())),
      }),
    }),
    defineRoute({
      method: 'put',
      path: PATH,
      summary: 'Turn the waiting room on or off, and say how many may be let in',
      description:
        'With `opensAt` ahead it waits for the opening: those who come before it are in an order drawn then. Set while it is open, a new round begins, and places and passes of the old one are lost. In a second every process goes by it.',
      ...forOperators(options),
      body: z
        .object({
          mode: z.enum(MODES),
          opensAt: z.iso.datetime({ offset: true }).nullable().optional(),
          perMinuteMax: z
            .number()
            .int()
            .min(0)
            .max(PER_MINUTE_MAX)
            .nullable()
            .optional()
            .meta({ description: '0 lets nobody in. Null or absent: as set up.' }),
        })
        .meta({ id: 'NewWaitingRoom' }),
      responses: { 200: { description: 'As it stands now', schema: viewSchema } },
      handle: async ({ body, ...asked }) => {
        const opensAt = body.opensAt == null ? null : Date.parse(body.opensAt);
        const perMinuteMax = body.perMinuteMax ?? null;
        await audited(options, asked, {
          action: 'waiting_room.set',
          subject: 'waiting-room',
          details: {
            mode: body.mode,
            ...(opensAt !== null && { opensAt: iso(opensAt) }),
            ...(perMinuteMax !== null && { perMinuteMax }),
          },
        });
        const settings = { mode: body.mode, opensAt, perMinuteMax };
        return {
          status: 200,
          body: roomView(await bounded(clock, waitMs, 'waiting room', keeper.settle(settings))),
        };
      },
    }),
  ];
}
