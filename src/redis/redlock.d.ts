/** redlock 5.0.0-beta.2 ships types that its `exports` do not name; these are the parts we use. */
declare module 'redlock' {
  import type { Redis, Cluster } from 'ioredis';
  import { EventEmitter } from 'node:events';

  export class ResourceLockedError extends Error {}
  export class ExecutionError extends Error {
    readonly attempts: readonly Promise<{ readonly votesAgainst: ReadonlyMap<unknown, Error> }>[];
  }
  export class Lock {
    /** Epoch milliseconds at which it ends, drift allowed for. */
    readonly expiration: number;
    extend(durationMs: number): Promise<Lock>;
    release(): Promise<unknown>;
  }
  export default class Redlock extends EventEmitter {
    constructor(
      clients: Iterable<Redis | Cluster>,
      settings?: {
        readonly driftFactor?: number;
        readonly retryCount?: number;
        readonly retryDelay?: number;
        readonly retryJitter?: number;
        readonly automaticExtensionThreshold?: number;
      },
    );
    acquire(resources: string[], durationMs: number): Promise<Lock>;
  }
}
