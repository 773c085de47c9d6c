/**
 * What every role of a process stands on: two Redis connections, the ticket store, the queues, the gateway,
 * the catalog and the read side. Made once per process, whatever roles it runs.
 */
import { randomUUID } from 'node:crypto';
import type { Clock, Reply } from '../actors/ports.js';
import type { Archive } from '../archive/port.js';
import { Catalog } from '../catalog/catalog.js';
import { boundedReader } from '../http/bounded.js';
import { ticketOfReservation } from '../http/identity.js';
import type { ReservationReader } from '../http/ports.js';
import { Gateway } from '../queues/gateway.js';
import { BullTicketQueues } from '../queues/ticket-queues.js';
import { Bus, checkRedis, connectRedis, connectSubscriber, type RedisClient } from '../redis/connection.js';
import { RedisKeys } from '../redis/keys.js';
import { RedisCounters, TicketReservationReader } from '../redis/reads.js';
import { RedisTicketStore } from '../redis/ticket-store.js';
import type { Logger } from './log.js';
import { withTimeout } from './timeout.js';

export interface CoreSettings {
  readonly redisUrl: string;
  readonly redisPrefix: string;
  readonly jobLockMs: number;
  readonly replyWaitMs: number;
  readonly commandsWaitingMax: number;
  readonly batchCommandsMax: number;
}

export interface Core {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly archive: Archive;
  readonly redis: RedisClient;
  readonly bus: Bus;
  readonly keys: RedisKeys;
  readonly store: RedisTicketStore;
  readonly queues: BullTicketQueues;
  readonly gateway: Gateway;
  readonly catalog: Catalog;
  readonly counters: RedisCounters;
  readonly reader: ReservationReader;
  /** Ends connections; the gateway must have been stopped. */
  close(): Promise<void>;
}

/** Starting waits this long for Redis before it gives up with a clear message. */
const REDIS_START_MS = 15_000;

export async function startCore(
  settings: CoreSettings,
  {
    archive,
    clock,
    logger,
    onAnswered,
  }: {
    readonly archive: Archive;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly onAnswered?: ((waitedMs: number) => void) | undefined;
  },
): Promise<Core> {
  const keys = new RedisKeys(settings.redisPrefix);
  const redis = connectRedis({ url: settings.redisUrl, name: 'ticktak', logger });
  const subscriber = connectSubscriber({ url: settings.redisUrl, name: 'ticktak-bus', logger }, redis);
  try {
    await withTimeout(
      Promise.all([checkRedis(redis, logger), subscriber.ping()]),
      REDIS_START_MS,
      'Redis does not answer on both connections; check REDIS_URL, and that it has connections left.',
    );
    const bus = new Bus(subscriber);
    const store = new RedisTicketStore(redis, keys, clock);
    const queues = new BullTicketQueues({ redis, keys, clock, jobLockMs: settings.jobLockMs });
    const gatewayId = randomUUID();
    const gateway = new Gateway({
      gatewayId,
      queues,
      store,
      clock,
      logger,
      isUp: () => redis.status === 'ready' && bus.ready,
      replyWaitMs: settings.replyWaitMs,
      commandsWaitingMax: settings.commandsWaitingMax,
      batchCommandsMax: settings.batchCommandsMax,
      ...(onAnswered && { onAnswered }),
    });
    await bus.subscribe(keys.channels.replies(gatewayId), (message) => {
      gateway.onReplies(JSON.parse(message) as Reply[]);
    });
    const counters = new RedisCounters(store, bus);
    await counters.start(keys);
    const catalog = new Catalog({ redis, bus, keys, archive, logger });
    await catalog.start();
    gateway.start();
    const reader = boundedReader(
      clock,
      settings.replyWaitMs,
      new TicketReservationReader(store, archive, ticketOfReservation, clock),
    );
    const close = async (): Promise<void> => {
      counters.stop();
      await queues.close();
      bus.close();
      redis.disconnect();
    };
    return {
      clock,
      logger,
      archive,
      redis,
      bus,
      keys,
      store,
      queues,
      gateway,
      catalog,
      counters,
      reader,
      close,
    };
  } catch (error) {
    redis.disconnect();
    subscriber.disconnect();
    throw error;
  }
}
