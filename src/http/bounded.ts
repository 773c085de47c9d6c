/** Waiting with an end: what this process stands on may stop answering, and its requests must not pile up. */
import type { Clock } from '../actors/ports.js';
import type { ReservationReader } from './ports.js';
import { UnavailableError } from './problem.js';

/**
 * The promise's answer, or `UnavailableError` when it rejects or is not there after `ms`. The promise itself
 * goes on; what it answers later is dropped.
 */
export function bounded<T>(clock: Clock, ms: number, what: string, promise: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cancel = clock.schedule(ms, () => {
      reject(new UnavailableError(`${what} did not answer within ${ms} ms`));
    });
    promise.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(new UnavailableError(`${what} failed`, { cause: error }));
      },
    );
  });
}

/** A store that is away is no defect of who reads: such a read ends with `UnavailableError` too. */
export function boundedReader(clock: Clock, ms: number, reader: ReservationReader): ReservationReader {
  return { find: (id) => bounded(clock, ms, 'reservations', reader.find(id)) };
}
