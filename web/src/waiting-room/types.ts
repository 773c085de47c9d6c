/** What the API answers about the waiting room. */

/** The same for everybody. */
export interface Room {
  readonly state: 'off' | 'before' | 'open';
  readonly opensAt?: string;
  /** Numbers below it are in. */
  readonly admitted: number;
  /** How many were let in in the last minute. */
  readonly perMinute: number;
  readonly waiting: number;
}

export type PlaceStatus = 'before' | 'waiting' | 'admitted' | 'ended';

export interface RoomPlace {
  readonly status: PlaceStatus;
  /** 1 is the next; null before the order is drawn. */
  readonly position: number | null;
  readonly estimatedWaitSeconds: number | null;
  /** Not to be asked again before. */
  readonly pollAfterSeconds: number;
  /** Sent with holds; absent while none is needed. */
  readonly pass?: string;
  readonly passExpiresAt?: string;
}

export interface NewRoomPlace extends RoomPlace {
  readonly token: string;
}
