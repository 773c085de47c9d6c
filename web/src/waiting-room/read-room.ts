/** How the waiting room stands: the same for everybody, and small enough for every page of a match. */
import { api, asProblem } from '../api';
import type { Room } from './types';

/** In the query cache. */
export const ROOM_KEY = ['waiting-room'] as const;

const OFF: Room = { state: 'off', admitted: 0, perMinute: 0, waiting: 0 };

/** A marketplace without a waiting room lets everybody in. */
export async function readRoom(signal?: AbortSignal): Promise<Room> {
  try {
    return await api.send<Room>({
      path: '/waiting-room',
      auth: 'none',
      isOnce: true,
      ...(signal && { signal }),
    });
  } catch (error) {
    const problem = asProblem(error);
    if (problem.code === 'not_found') return OFF;
    throw problem;
  }
}
