/** Tabs of one browser tell each other which reservation changed. A tab does not hear itself. */
import { newKey } from '../api/intents';
import { isRecord } from '../api/problem';

export interface ReservationsChannel {
  readonly post: (reservationId: string) => void;
  /** Answers how to stop listening. */
  readonly listen: (onChange: (reservationId: string) => void) => () => void;
}

const NAME = 'ticktak.reservations';
let ownName: string | null = null;
/** Of this page, among the others. */
const own = (): string => (ownName ??= newKey());

const SILENT: ReservationsChannel = { post: () => undefined, listen: () => () => undefined };

export function openReservationsChannel(): ReservationsChannel {
  if (typeof BroadcastChannel === 'undefined' || typeof window === 'undefined') return SILENT;
  return {
    // Opened for as long as it is needed: an open channel keeps a page out of the back-forward cache.
    post: (id) => {
      const channel = new BroadcastChannel(NAME);
      channel.postMessage({ id, from: own() });
      channel.close();
    },
    listen: (onChange) => {
      const channel = new BroadcastChannel(NAME);
      channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
        if (isRecord(data) && typeof data['id'] === 'string' && data['from'] !== own()) onChange(data['id']);
      });
      return () => channel.close();
    },
  };
}
