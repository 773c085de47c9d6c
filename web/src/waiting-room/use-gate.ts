/** Whether tickets can be held by whoever looks at a page, as far as the waiting room goes. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { serverClock } from '../api';
import { useHydrated } from '../app/environment';
import { roomKeeper } from './index';
import type { KeptPass } from './kept';
import { readRoom, ROOM_KEY } from './read-room';
import type { Room } from './types';

const FRESH_MS = 10_000;
/** While there is a waiting room; without one nobody asks again by themselves. */
const AGAIN_MS = 15_000;

export interface Gate {
  /** Null while it is off, or not known: then a hold is tried, and its answer says. */
  readonly room: Room | null;
  readonly pass: KeptPass | null;
  readonly hasPlace: boolean;
}

export function useGate(): Gate {
  const { data } = useQuery<Room>({
    queryKey: ROOM_KEY,
    queryFn: ({ signal }) => readRoom(signal),
    enabled: useHydrated(),
    retry: false,
    staleTime: FRESH_MS,
    refetchOnWindowFocus: true,
    refetchInterval: ({ state }) => (state.data && state.data.state !== 'off' ? AGAIN_MS : false),
  });
  const pass = usePass();
  const room = data && data.state !== 'off' ? data : null;
  return { room, pass, hasPlace: room !== null && roomKeeper.place !== null };
}

function usePass(): KeptPass | null {
  const kept = useSyncExternalStore(
    roomKeeper.subscribe,
    () => roomKeeper.text,
    () => '',
  );
  const [, setOver] = useState(0);
  const pass = kept === '' ? null : roomKeeper.passAt(serverClock.now());
  const endsAt = pass?.endsAt;
  useEffect(() => {
    if (endsAt === undefined) return undefined;
    const timer = setTimeout(() => setOver(endsAt), Math.max(0, endsAt - serverClock.now()) + 1);
    return () => clearTimeout(timer);
  }, [endsAt]);
  return pass;
}

/** The page of the room, and the way back from it. */
export const roomPath = (next: string): string => `/waiting-room?next=${encodeURIComponent(next)}`;
