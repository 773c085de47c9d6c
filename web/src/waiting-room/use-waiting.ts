/** The waiting of this page, for components. */
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { api, intents, serverClock } from '../api';
import type { ApiRequest } from '../api/client';
import { roomKeeper } from './index';
import { readRoom, ROOM_KEY } from './read-room';
import type { NewRoomPlace, Room, RoomPlace } from './types';
import { WaitingRoom, type Asked, type WaitingState } from './waiting';

type OnProgress = NonNullable<ApiRequest['onProgress']>;

const INTENT = 'waiting-room';
const TOKEN = 'Waiting-Room-Token';

const readPlace = (token: string, signal: AbortSignal): Promise<RoomPlace> =>
  api.send<RoomPlace>({
    path: '/waiting-room/places/mine',
    headers: { [TOKEN]: token },
    auth: 'none',
    isOnce: true,
    signal,
  });

async function ask({ email, had }: Asked, onProgress?: OnProgress): Promise<NewRoomPlace> {
  const body = email === undefined ? {} : { email };
  const headers = had === undefined ? {} : { [TOKEN]: had };
  const key = intents.keyOf(INTENT, body);
  try {
    return await api.send<NewRoomPlace>({
      method: 'POST',
      path: '/waiting-room/places',
      body,
      headers,
      key,
      ...(onProgress && { onProgress }),
    });
  } finally {
    // The same person gets the same place: a key is for the repeats of one press only.
    intents.end(INTENT);
  }
}

/** `onRoom`: is told what is read of it. */
const newWaiting = (onRoom: (room: Room) => void): WaitingRoom =>
  new WaitingRoom({
    readRoom: async (signal) => {
      const room = await readRoom(signal);
      onRoom(room);
      return room;
    },
    readPlace,
    ask,
    keeper: roomKeeper,
    now: () => Date.now(),
    serverNow: () => serverClock.now(),
    random: Math.random,
    schedule: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  });

export interface UsedWaiting extends WaitingState {
  readonly ask: (email: string | undefined, onProgress?: OnProgress) => Promise<void>;
}

/** In the browser only. */
export function useWaiting(): UsedWaiting {
  const client = useQueryClient();
  // Whoever goes on to a match finds there what was true here.
  const [waiting] = useState(() => newWaiting((room) => client.setQueryData(ROOM_KEY, room)));
  useEffect(() => {
    waiting.start();
    const look = (): void => waiting.visible(document.visibilityState === 'visible');
    const wake = (): void => waiting.wake();
    const offline = (): void => waiting.offline();
    document.addEventListener('visibilitychange', look);
    window.addEventListener('online', wake);
    window.addEventListener('offline', offline);
    return () => {
      document.removeEventListener('visibilitychange', look);
      window.removeEventListener('online', wake);
      window.removeEventListener('offline', offline);
      waiting.stop();
    };
  }, [waiting]);
  const state = useSyncExternalStore(waiting.subscribe, () => waiting.state);
  return { ...state, ask: (email, onProgress) => waiting.ask(email, onProgress) };
}
