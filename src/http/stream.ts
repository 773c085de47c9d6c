/**
 * Server-sent events: availability as it changes, and what operators tell of matches, to many clients.
 *
 * Guarantees: a client that reads slowly delays nobody and costs bounded memory: while its connection is full
 * only the newest state of each ticket waits for it. Whoever connects, again or for the first time, gets a
 * whole snapshot first, and every change after it. When and where matches are played, and their notices, are in
 * snapshots; a change of them is followed by one.
 */
import type { Response } from 'express';
import type { Clock, TicketCounters } from '../actors/ports.js';
import type { Metrics } from './metrics.js';
import type { SaleView } from '../phases/phase.js';
import { categoryView, type MatchView, type ReadModel } from './read-model.js';

export interface StreamOptions {
  readonly model: ReadModel;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Open streams; more are refused. */
  readonly clientsMax: number;
  /** Changes within it are sent together, the newest of each ticket. */
  readonly flushMs: number;
  readonly heartbeatMs: number;
  /** What browsers are told to wait before they connect again. */
  readonly retryMs: number;
}

interface Client {
  readonly response: Response;
  /** Its connection is full; what it must still hear waits in `waiting`. */
  full: boolean;
  fullBeats: number;
  needsSnapshot: boolean;
  readonly waiting: Map<number, string>;
}

/** A connection that stayed full for so many heartbeats has nobody at its end. */
const FULL_BEATS_MAX = 4;

export class AvailabilityStream {
  readonly #options: StreamOptions;
  readonly #clients = new Set<Client>();
  /** Places taken by clients that wait for their first snapshot. */
  #joining = 0;
  #changed = new Map<number, string>();
  #relisted = false;
  #cancelFlush: (() => void) | null = null;
  #cancelBeat: (() => void) | null = null;
  #eventId = 0;
  #closed = false;
  readonly #unsubscribe: () => void;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#unsubscribe = options.model.onChange((change) => {
      if (this.#clients.size === 0) return;
      if (change.kind === 'listing') this.#relisted = true;
      else this.#note(change.counters);
      this.#cancelFlush ??= options.clock.schedule(options.flushMs, () => this.#flush());
    });
  }

  /**
   * Takes the response over and answers true; false when no more clients are taken. Rejects with
   * `UnavailableError` when the model is not up to date.
   */
  async open(response: Response): Promise<boolean> {
    const { model, clientsMax } = this.#options;
    if (this.#isClosed() || this.#clients.size + this.#joining >= clientsMax) return false;
    this.#joining += 1;
    try {
      await model.fresh();
    } finally {
      this.#joining -= 1;
    }
    if (this.#isClosed()) return false;
    if (response.destroyed) return true;
    this.#join(response);
    return true;
  }

  /** Asked anew after every wait. */
  #isClosed(): boolean {
    return this.#closed;
  }

  /** Ends every stream; browsers connect again, elsewhere. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#cancelFlush?.();
    this.#cancelBeat?.();
    for (const { response } of this.#clients) response.end();
    this.#clients.clear();
    this.#options.metrics.streamClients.set(0);
  }

  #join(response: Response): void {
    const { metrics, retryMs, clock, heartbeatMs } = this.#options;
    const client: Client = { response, full: false, fullBeats: 0, needsSnapshot: false, waiting: new Map() };
    response.writeHead(200, STREAM_HEADERS);
    this.#clients.add(client);
    metrics.streamClients.set(this.#clients.size);
    response.on('drain', () => this.#drained(client));
    response.once('close', () => {
      this.#clients.delete(client);
      metrics.streamClients.set(this.#clients.size);
    });
    this.#write(client, `retry: ${retryMs}\n\n${this.#snapshot()}`);
    this.#cancelBeat ??= clock.schedule(heartbeatMs, () => this.#beat());
  }

  #note(counters: TicketCounters): void {
    const { matchNumber, category } = counters;
    this.#changed.set(matchNumber * 10 + category, this.#event('availability', this.#ticketData(counters)));
  }

  #ticketData(counters: TicketCounters): object {
    return ticketData(counters, this.#options.model.saleOf(counters));
  }

  #event(name: string, data: unknown): string {
    this.#eventId += 1;
    return `id: ${this.#eventId}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  #snapshot(): string {
    const { matches } = this.#options.model.current();
    return this.#event('snapshot', {
      tickets: matches.flatMap(({ counters }) => counters.map((one) => this.#ticketData(one))),
      matches: matches.map(({ view }) => matchData(view)),
    });
  }

  #flush(): void {
    this.#cancelFlush = null;
    const changed = this.#changed;
    const relisted = this.#relisted;
    this.#changed = new Map();
    this.#relisted = false;
    // One text for all who can take it.
    const chunk = relisted ? this.#snapshot() : [...changed.values()].join('');
    for (const client of this.#clients) {
      if (!client.full) this.#write(client, chunk);
      else if (relisted) client.needsSnapshot = true;
      else for (const [ticket, event] of changed) client.waiting.set(ticket, event);
    }
  }

  #write(client: Client, chunk: string): void {
    if (chunk !== '') client.full = !client.response.write(chunk);
  }

  #drained(client: Client): void {
    client.full = false;
    client.fullBeats = 0;
    const chunk = client.needsSnapshot ? this.#snapshot() : [...client.waiting.values()].join('');
    client.needsSnapshot = false;
    client.waiting.clear();
    this.#write(client, chunk);
  }

  #beat(): void {
    const { clock, heartbeatMs } = this.#options;
    for (const client of this.#clients) {
      if (!client.full) this.#write(client, ': still here\n\n');
      else if ((client.fullBeats += 1) >= FULL_BEATS_MAX) client.response.destroy();
    }
    this.#cancelBeat = this.#clients.size > 0 ? clock.schedule(heartbeatMs, () => this.#beat()) : null;
  }
}

export const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-cache, no-transform',
  // Proxies that buffer would hold events back.
  'X-Accel-Buffering': 'no',
} as const;

export function ticketData(counters: TicketCounters, sale: SaleView | null = null): object {
  const { matchNumber, category } = counters;
  return { matchNumber, category, ...categoryView(counters, sale) };
}

/** What an operator may change of a match. */
export function matchData({ matchNumber, dateUtc, location, notice }: MatchView): object {
  return { matchNumber, dateUtc, location, ...(notice && { notice }) };
}
