/** What a worker tells the metrics: batches, commits, queue depth, outbox lag, oversubscription. */
import type { ActorObserver } from '../actors/actor.js';
import type { Pulse, TicketCounters } from '../actors/ports.js';
import type { Relay } from '../actors/relay.js';
import type { Metrics } from '../http/metrics.js';
import { ticketName } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';

export class WorkerMetrics implements ActorObserver {
  readonly #metrics: Metrics;
  /** Tickets that peers pended or sold beyond the capacity, with by how much. */
  readonly #deficits = new Map<string, number>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  committed(_ticket: TicketId, batch: { commands: number; events: number; ms: number }): void {
    this.#metrics.batchCommands.observe(batch.commands);
    this.#metrics.commitSeconds.observe(batch.ms / 1_000);
  }

  event(): void {
    // Holds and sales are counted where buyers are answered.
  }

  /** After every sweep: gauges that stand for now. Tickets with nothing waiting carry no series. */
  pulse(pulses: readonly Pulse[], relay: Relay): void {
    this.#metrics.queueDepth.reset();
    for (const { ticket, waiting, active } of pulses) {
      if (waiting + active > 0)
        this.#metrics.queueDepth.set({ ticket: ticketName(ticket) }, waiting + active);
    }
    this.#metrics.outboxLagEntries.reset();
    for (const [name, backlog] of relay.backlogs())
      this.#metrics.outboxLagEntries.set({ ticket: name }, backlog);
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
