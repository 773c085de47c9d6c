/** What a worker tells the metrics: batches, commits, queue depth, outbox lag, oversubscription. */
import type { ActorObserver } from '../actors/actor.js';
import type { Pulse, TicketCounters } from '../actors/ports.js';
import type { CommittedEvent } from '../archive/port.js';
import type { Metrics } from '../http/metrics.js';
import { ticketName } from '../redis/keys.js';
import type { Reservation, TicketId } from '../rules/index.js';
import type { WorkerRole } from './worker.js';

export class WorkerMetrics implements ActorObserver {
  readonly #metrics: Metrics;
  /** Tickets that peers pended or sold beyond the capacity, with by how much. */
  readonly #deficits = new Map<string, number>();

  readonly #onExpired: (reservation: Reservation) => void;

  /** `onExpired` hears of holds that ended by themselves. */
  constructor(metrics: Metrics, onExpired: (reservation: Reservation) => void = () => undefined) {
    this.#metrics = metrics;
    this.#onExpired = onExpired;
  }

  committed(_ticket: TicketId, batch: { commands: number; events: number; ms: number }): void {
    this.#metrics.batchCommands.observe(batch.commands);
    this.#metrics.commitSeconds.observe(batch.ms / 1_000);
  }

  /** Holds and sales are counted where buyers are answered; nobody is answered at an expiry. */
  event({ event }: CommittedEvent): void {
    if (event.type !== 'released' || event.reservation.reason !== 'expired') return;
    // Who lets an offer lapse did not ask for the tickets then.
    if (!event.reservation.offer) this.#onExpired(event.reservation);
  }

  /** After every sweep: gauges that stand for now. Tickets with nothing waiting carry no series. */
  pulse(pulses: readonly Pulse[], { host, relay }: Pick<WorkerRole, 'host' | 'relay'>, now: number): void {
    this.#metrics.ticketsOwned.set(host.owned.length);
    this.#metrics.ticketsNewer.set(host.newer.length);
    this.#metrics.queueDepth.reset();
    for (const { ticket, waiting, active } of pulses) {
      if (waiting + active > 0)
        this.#metrics.queueDepth.set({ ticket: ticketName(ticket) }, waiting + active);
    }
    this.#metrics.outboxLagEntries.reset();
    for (const [name, backlog] of relay.backlogs())
      this.#metrics.outboxLagEntries.set({ ticket: name }, backlog);
    const oldestAt = relay.oldestAt();
    this.#metrics.outboxOldestSeconds.set(oldestAt === null ? 0 : Math.max(0, now - oldestAt) / 1_000);
    let sum = 0;
    for (const deficit of this.#deficits.values()) sum += deficit;
    this.#metrics.oversubscribedTickets.set(sum);
  }

  /** Hears the counters of every ticket, whoever owns it. */
  counters(counters: TicketCounters): void {
    const deficit = Math.max(0, -counters.pending);
    if (deficit > 0) this.#deficits.set(ticketName(counters), deficit);
    else this.#deficits.delete(ticketName(counters));
  }
}
