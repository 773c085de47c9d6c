/**
 * What a process writes to a connection within one turn of the event loop goes to the system in one call. A call
 * costs both sides as much as dozens of small commands; nothing waits for it, because the turn ends when there is
 * nothing more to do. Guarantee: what is written, and in which order, stays as it is.
 */
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { Redis } from 'ioredis';

/** Of every connection that `redis` makes from now on. */
export function gatherWrites(redis: Redis): void {
  redis.on('connect', () => {
    // ioredis has no name for it outside. Without it all works as well, only not as fast.
    const socket: unknown = Reflect.get(redis, 'stream');
    if (socket instanceof Socket) gather(socket);
  });
}

export function gather(stream: Writable): void {
  const write = stream.write.bind(stream) as (...args: readonly unknown[]) => boolean;
  let isGathering = false;
  const gathered = (...args: readonly unknown[]): boolean => {
    if (!isGathering) {
      isGathering = true;
      stream.cork();
      setImmediate(() => {
        isGathering = false;
        stream.uncork();
      });
    }
    return write(...args);
  };
  Object.assign(stream, { write: gathered });
}
