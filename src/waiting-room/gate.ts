/**
 * The waiting room's gate before holds. Guarantee: while the room is on, nothing new is held without a good pass of the
 * one who buys; whoever has held something goes on without one. While it is off it costs a look at one value.
 */
import type { Request } from 'express';
import { z } from 'zod';
import type { Buyer } from '../http/buyer.js';
import { Problem } from '../http/problem.js';
import type { WaitingRoom } from './room.js';
import { PASS_CHARS, TOKEN_CHARS_MAX } from './tokens.js';

/** What stands before holds. */
export interface RoomGate {
  /** Why this buyer may not hold now; null when it may. */
  refusal(buyer: Buyer, asking: { readonly request: Request }): Problem | null;
  /** It has held. */
  held(asking: { readonly request: Request }): void;
}

const PASS_HEADER = 'Waiting-Room-Pass';

export const passHeader = {
  [PASS_HEADER]: z
    .string()
    .max(TOKEN_CHARS_MAX)
    .optional()
    .meta({ description: `While there is a waiting room: the pass, ${PASS_CHARS} characters.` }),
} as const;

export function roomGate(room: WaitingRoom): RoomGate {
  return {
    refusal({ person }, { request }) {
      const standing = room.standing;
      if (standing === 'off') return null;
      if (room.lets(request.get(PASS_HEADER), room.personOf(person))) return null;
      const { opensAt } = room.seen.state;
      return new Problem('waiting_room', {
        detail:
          standing === 'before'
            ? 'The sale has not opened: take a place with POST /api/v1/waiting-room/places.'
            : 'Buyers queue: take a place with POST /api/v1/waiting-room/places, and send its pass as Waiting-Room-Pass.',
        members: {
          room: {
            state: standing,
            ...(standing === 'before' && opensAt !== null && { opensAt: new Date(opensAt).toISOString() }),
          },
        },
      });
    },
    held: ({ request }) => room.used(request.get(PASS_HEADER)),
  };
}
