/** The worker role: actors, their relay, and the settler of payments that take long. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { ActorHost } from '../actors/host.js';
import type { ActorObserver } from '../actors/actor.js';
import type { Pulse } from '../actors/ports.js';
import { Relay, type RelayOptions } from '../actors/relay.js';
import { Publishing, type PublishingOptions } from '../actors/publishing.js';
import { RedlockLeases } from '../redis/leases.js';
import { RedisMembership, RedisWakeUps } from '../redis/workers.js';
import type { Policy, Reservation, TicketId } from '../rules/index.js';
import type { Core } from './core.js';

export interface WorkerSettings {
  readonly policy: Policy;
  readonly leaseMs: number;
  readonly sweepMs: number;
  readonly snapshotMs: number;
  readonly idleReleaseMs: number;
  readonly paymentCheckMs: number;
  readonly outboxEntriesMax: number;
  readonly newerLookMs?: number;
  /** Where others are told of sales. */
  readonly salesTopic: string;
}

export interface WorkerDeps {
  readonly log: PublishingOptions['log'];
  readonly encode: PublishingOptions['encode'];
  readonly identify: PublishingOptions['identify'];
  /** Compares a PAYING reservation with its payment and submits what follows. */
  readonly settle: (reservation: Reservation) => Promise<unknown>;
  readonly deadLetter: (ticket: TicketId, reason: string, raw: unknown) => Promise<void>;
  readonly observe: ActorObserver;
  readonly onPulse?: (pulses: readonly Pulse[]) => void;
  /** Told of what was archived. */
  readonly onArchived?: RelayOptions['onArchived'];
}

export interface WorkerRole {
  readonly host: ActorHost;
  readonly relay: Relay;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Events in one write to the archive or the log. */
const GROUP_EVENTS_MAX = 5_000;

export function createWorker(core: Core, settings: WorkerSettings, deps: WorkerDeps): WorkerRole {
  const { redis, bus, keys, clock, logger, store, queues, archive, catalog } = core;
  // With the process in its name, so that an operator sees who owns a ticket.
  const workerId = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const publishing = new Publishing({
    log: deps.log,
    archive,
    store,
    encode: deps.encode,
    identify: deps.identify,
    topic: settings.salesTopic,
    logger,
  });
  const relay = new Relay({
    archive,
    publishing,
    store,
    clock,
    logger,
    groupEventsMax: GROUP_EVENTS_MAX,
    ...(deps.onArchived && { onArchived: deps.onArchived }),
  });
  const settling = new Map<string, Promise<unknown>>();
  const settle = (reservation: Reservation): void => {
    if (settling.has(reservation.id)) return;
    const work = deps
      .settle(reservation)
      .catch((error: unknown) => {
        logger.warn(
          { err: error, reservationId: reservation.id },
          'a payment could not be settled; trying again',
        );
      })
      .finally(() => settling.delete(reservation.id));
    settling.set(reservation.id, work);
  };
  const host = new ActorHost({
    workerId,
    actor: {
      store,
      queues,
      leases: new RedlockLeases(redis, keys, settings.leaseMs),
      archive,
      relay,
      clock,
      logger,
      newId: randomUUID,
      policy: settings.policy,
      workerId,
      leaseMs: settings.leaseMs,
      paymentCheckMs: settings.paymentCheckMs,
      outboxEntriesMax: settings.outboxEntriesMax,
      ...(settings.newerLookMs !== undefined && { newerLookMs: settings.newerLookMs }),
      settle,
      deadLetter: deps.deadLetter,
      rebuilt: () => {
        // A consumer that misses this one reads again anyway, when its connection comes back.
        redis.publish(keys.channels.rebuilt(), '').catch(() => undefined);
      },
      observe: deps.observe,
    },
    store,
    membership: new RedisMembership(redis, keys, clock),
    wakeUps: new RedisWakeUps(redis, bus, keys),
    clock,
    logger,
    tickets: () => catalog.tickets,
    sweepMs: settings.sweepMs,
    snapshotMs: settings.snapshotMs,
    idleReleaseMs: settings.idleReleaseMs,
    ...(deps.onPulse && { onPulse: deps.onPulse }),
  });
  return {
    host,
    relay,
    start: () => host.start(),
    async stop() {
      await host.stop();
      await relay.stop();
      await Promise.all(settling.values());
    },
  };
}
