/** How soon people who look at the web app see that something was taken. */
import type { Case, Contender } from '../contender.js';
import { runMeasuring } from '../generator.js';
import { TICKETS } from './holds.js';
import { startProduct, ticktak } from './ticktak.js';

export interface StreamsCase extends Case {
  readonly streams: number;
}

export const STREAMS_CASES: readonly StreamsCase[] = [
  { id: '1000', title: '1,000 open streams, from when a hold is asked for', streams: 1_000 },
];

const STREAMS = new URL('../programs/streams.ts', import.meta.url);

export const streams: Contender<StreamsCase> = {
  ...ticktak('everysec'),
  durability: 'As a hold: what a stream tells is committed in Redis.',
  setUp:
    'One web process (shop) with all streams, one for the holds (reservations), one worker process, Redis, the embedded ' +
    'archive; changes that come together are sent together, every 100 ms.',
  start: async () => {
    const { programs, stop } = await startProduct('everysec', { roles: ['shop'], beside: ['reservations'] });
    const urlOf = (name: string): string => programs.find((each) => each.name === name)?.url ?? '';
    const urls = { streamsUrl: urlOf('web'), holdsUrl: urlOf('reservations') };
    return {
      parts: programs,
      measure: (case_, measuring) =>
        runMeasuring(STREAMS, { ...urls, streams: case_.streams, tickets: TICKETS }, measuring),
      stop,
    };
  },
};
