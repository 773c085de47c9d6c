/** What operators read and set of the waiting room. */
import { api } from '../../api';
import type { Question } from '../data';
import { instantOf } from '../matches/data';

export const MODES = ['off', 'auto', 'on'] as const;
export type RoomMode = (typeof MODES)[number];

export interface RoomStanding {
  readonly mode: RoomMode;
  readonly state: 'off' | 'before' | 'open';
  readonly opensAt?: string;
  /** How many were let in in the last minute. */
  readonly perMinute: number;
  /** Null: as the marketplace was set up. */
  readonly perMinuteMax: number | null;
  readonly waiting: number;
  readonly admitted: number;
  /** Let in, and have held nothing yet. */
  readonly inside: number;
  /** What the pace follows, in the server's words. */
  readonly why: string;
}

/** What is absent is taken back: no opening ahead, the pace as set up. */
export interface RoomOrder {
  readonly mode: RoomMode;
  readonly opensAt?: string;
  readonly perMinuteMax?: number;
}

export const ROOM_EVERY_MS = 2_000;
export const room: Question = { path: '/operations/waiting-room' };

/** The same again changes nothing. */
export const setRoom = (order: RoomOrder): Promise<RoomStanding> =>
  api.send({ method: 'PUT', path: room.path, body: order });

export interface RoomForm {
  readonly mode: RoomMode;
  /** As fields for date and time have it; empty for an opening at once. */
  readonly opensLocal: string;
  /** Empty: as set up. */
  readonly perMinuteMax: string;
}

export type RoomFault = 'opens' | 'past' | 'per_minute';

/** As the server takes it. */
const PER_MINUTE_MAX = 1_000_000;

/** What the form says; or what is wrong with it. A room that is off does not open. */
export function roomOrderFrom(
  form: RoomForm,
  { timeZone, now }: { readonly timeZone: string; readonly now: number },
): { readonly order: RoomOrder } | { readonly faults: readonly RoomFault[] } {
  const faults: RoomFault[] = [];
  const isSet = form.mode !== 'off' && form.opensLocal !== '';
  const opensAt = isSet ? instantOf(form.opensLocal, timeZone) : null;
  if (isSet && opensAt === null) faults.push('opens');
  if (opensAt !== null && Date.parse(opensAt) <= now) faults.push('past');
  const rate = form.perMinuteMax.trim();
  const perMinuteMax = rate === '' ? null : Number(rate);
  if (perMinuteMax !== null && !(/^\d+$/.test(rate) && perMinuteMax <= PER_MINUTE_MAX)) {
    faults.push('per_minute');
  }
  if (faults.length > 0) return { faults };
  return {
    order: {
      mode: form.mode,
      ...(opensAt !== null && { opensAt }),
      ...(perMinuteMax !== null && { perMinuteMax }),
    },
  };
}

/** Whether an order throws those who wait out of their places: an opening ahead begins a new round. */
export const losesPlaces = ({ state, waiting }: RoomStanding, { mode, opensAt }: RoomOrder): boolean =>
  waiting > 0 && (mode === 'off' || (state === 'open' && opensAt !== undefined));
