/** The waiting room of this browser. Importing it asks nothing. */
import { serverClock } from '../api/clock';
import { browserStorage } from '../api/storage';
import { RoomKeeper } from './kept';

export const roomKeeper = new RoomKeeper({
  storage: browserStorage,
  onElsewhere: (key, changed) => {
    if (typeof window === 'undefined') return;
    // Without a key everything was cleared.
    window.addEventListener('storage', (event) => {
      if (event.key === key || event.key === null) changed();
    });
  },
});

/** What a hold sends along. */
export function passHeaders(): Readonly<Record<string, string>> {
  const kept = roomKeeper.passAt(serverClock.now());
  return kept ? { 'Waiting-Room-Pass': kept.pass } : {};
}
