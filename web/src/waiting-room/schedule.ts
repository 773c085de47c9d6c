/** When the server is asked, where somebody stands meanwhile, and what of it is read out. Pure. */
import type { Room, RoomPlace } from './types';

const SECOND_MS = 1_000;
/** What the server says is not believed beyond these. */
const POLL_SECONDS_MIN = 1;
const POLL_SECONDS_MAX = 300;
/** So much later at most than told, as a part of it: those who came together do not ask together. */
const SPREAD = 0.25;
const RETRY_MS = 2_000;
const RETRY_MS_MAX = 60_000;

/** Until the place is asked for again, milliseconds; never before the server said. `random`: 0 to 1. */
export function pollMs({ pollAfterSeconds }: Pick<RoomPlace, 'pollAfterSeconds'>, random: number): number {
  const told = Number.isFinite(pollAfterSeconds) ? pollAfterSeconds : POLL_SECONDS_MAX;
  const seconds = Math.min(POLL_SECONDS_MAX, Math.max(POLL_SECONDS_MIN, told));
  return Math.round(seconds * SECOND_MS * (1 + SPREAD * random));
}

/** After so many failures in a row, at least 1: longer each time, half of it chance, and as the server asked. */
export function retryMs(failures: number, retryAfterMs: number, random: number): number {
  const longest = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (failures - 1));
  return Math.round(Math.max(retryAfterMs, longest / 2) + (random * longest) / 2);
}

/** How often what is the same for everybody is read: caches answer it. */
const ROOM_MS = { before: 15_000, open: 5_000, off: 30_000 } as const satisfies Record<Room['state'], number>;

export const roomMs = (room: Room | null, random: number): number =>
  Math.round(ROOM_MS[room?.state ?? 'before'] * (1 + SPREAD * random));

/** A position as it was told, and how many had been let in by then. */
export interface Told {
  readonly position: number;
  readonly admitted: number;
}

/** The position by now: those before somebody were let in meanwhile. Only an answer about the place says that one is in. */
export const positionNow = ({ position, admitted }: Told, room: Room | null): number =>
  Math.max(1, position - Math.max(0, (room?.admitted ?? admitted) - admitted));

/** Whether more were let in since than were before somebody: the place is worth asking for. */
export const isReached = ({ position, admitted }: Told, room: Room): boolean =>
  room.admitted - admitted >= position;

/** The wait that was told with a position, by now: in step with the position. Seconds; null for none that is known. */
export const waitSecondsNow = (position: number, told: Told, waitSeconds: number | null): number | null =>
  waitSeconds === null ? null : Math.ceil((waitSeconds * position) / told.position);

/** What was read out last. */
export interface Said {
  readonly position: number;
  readonly at: number;
}

const SAY_EVERY_MS = 60_000;
const SAY_NEAR_MS = 15_000;
/** From here on every step is news. */
const NEAR = 10;

/** Whether a position is to be read out: at first, then once a minute, and more often near the end; never twice. */
export function isWorthSaying(said: Said | null, position: number, now: number): boolean {
  if (!said) return true;
  if (said.position === position) return false;
  return now - said.at >= (position <= NEAR ? SAY_NEAR_MS : SAY_EVERY_MS);
}

/** Minutes of a wait, as people are told: rounded up, and coarsely where it is long. */
export function minutesOf(seconds: number): number {
  const minutes = Math.max(1, Math.ceil(seconds / 60));
  if (minutes <= 10) return minutes;
  const step = minutes <= 60 ? 5 : 15;
  return Math.ceil(minutes / step) * step;
}
