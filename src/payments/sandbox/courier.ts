/**
 * Tells what happened: moves events from the intents' outboxes into documents of their own, and delivers them
 * as signed webhooks, https://docs.stripe.com/webhooks: at least once, possibly late, twice or out of order.
 */
import { createHmac } from 'node:crypto';
import type { Clock } from '../../actors/ports.js';
import { sortable } from '../../archive/documents.js';
import type { Logger } from '../../process/log.js';
import type { Intents } from './intents.js';
import type { EventRecord, Records } from './records.js';
import { event } from './render.js';

export interface Webhook {
  /** Where to; null while there is nobody. */
  readonly url: () => string | null;
  readonly secret: string;
}

export interface CourierOptions {
  readonly records: Records;
  readonly intents: () => Intents;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly webhook: Webhook | undefined;
}

const ROUND_MS = 1_000;
const PAGE = 50;
const DELIVERIES_MAX = 10;
const DELIVERY_MS_MAX = 5_000;
/** Others leave an event alone for this long after one has taken it. */
const CLAIM_MS = 15_000;
const ATTEMPTS_MAX = 8;
const RETRY_MS_MIN = 1_000;

export class Courier {
  readonly #options: CourierOptions;
  #cancelTimer: (() => void) | null = null;
  #round: Promise<void> | null = null;
  #again = false;
  #stopping = new AbortController();

  constructor(options: CourierOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopping = new AbortController();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancelTimer?.();
    await this.#round;
  }

  /** There may be something to tell now. */
  kick(): void {
    if (this.#stopping.signal.aborted) return;
    this.#again = true;
    this.#round ??= this.#rounds().finally(() => {
      this.#round = null;
    });
  }

  #schedule(): void {
    this.#cancelTimer = this.#options.clock.schedule(ROUND_MS, () => {
      this.kick();
      this.#schedule();
    });
  }

  async #rounds(): Promise<void> {
    while (this.#again && !this.#stopping.signal.aborted) {
      this.#again = false;
      try {
        await this.#collect();
        await this.#deliver();
      } catch (error) {
        this.#options.logger.warn(
          { err: error },
          'the payment sandbox could not tell its events; it tries again',
        );
      }
    }
  }

  async #due(kind: 'payment_intent' | 'event'): Promise<Awaited<ReturnType<Records['list']>>['items']> {
    const below = `${kind}/due/${sortable(this.#options.clock.now() + 1)}`;
    const page = await this.#options.records.list('of', { prefix: `${kind}/due/`, below, limit: PAGE });
    if (page.items.length === PAGE) this.#again = true;
    return page.items;
  }

  /** Lets time pass for every intent that waits for it, and makes documents of what happened. */
  async #collect(): Promise<void> {
    const { intents, records, clock, webhook } = this.#options;
    for (const { id } of await this.#due('payment_intent')) {
      const record = await intents().change(id, (before) => ({ record: before, happenings: [] }));
      const told = record?.outbox ?? [];
      for (const { id: eventId, ...facts } of told) {
        const due = webhook ? clock.now() : null;
        await records.insert(eventId, { kind: 'event', ...facts, due, attempts: 0 });
      }
      if (told.length === 0) continue;
      const gone = new Set(told.map((one) => one.id));
      await intents().change(id, (before) => ({
        record: { ...before, outbox: before.outbox.filter((one) => !gone.has(one.id)) },
        happenings: [],
      }));
    }
  }

  async #deliver(): Promise<void> {
    const url = this.#options.webhook?.url() ?? null;
    if (url === null) return;
    const due = await this.#due('event');
    for (let from = 0; from < due.length; from += DELIVERIES_MAX) {
      await Promise.all(due.slice(from, from + DELIVERIES_MAX).map((one) => this.#deliverOne(one, url)));
    }
  }

  async #deliverOne(
    {
      id,
      version,
      value,
    }: { readonly id: string; readonly version: number; readonly value: { kind: string } },
    url: string,
  ): Promise<void> {
    const { records, clock, logger } = this.#options;
    if (value.kind !== 'event') return;
    const record = value as EventRecord; // told apart by its kind
    const attempts = record.attempts + 1;
    const taken = { ...record, attempts, due: clock.now() + CLAIM_MS };
    if (!(await records.replace(id, taken, version))) return;
    const isDelivered = await this.#post(url, JSON.stringify(event(id, record)));
    const isOver = isDelivered || attempts >= ATTEMPTS_MAX;
    if (isOver && !isDelivered) logger.warn({ event: id }, 'the payment sandbox gave up a webhook');
    const due = isOver ? null : clock.now() + RETRY_MS_MIN * 2 ** (attempts - 1);
    await records.replace(id, { ...taken, due }, version + 1);
  }

  async #post(url: string, body: string): Promise<boolean> {
    const { clock, webhook } = this.#options;
    const signature = signatureOf(body, webhook?.secret ?? '', clock.now());
    try {
      const response = await fetch(url, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': signature },
        redirect: 'manual',
        signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(DELIVERY_MS_MAX)]),
      });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }
}

/** https://docs.stripe.com/webhooks#verify-manually */
export function signatureOf(body: string, secret: string, now: number): string {
  const time = Math.floor(now / 1000);
  const signed = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex');
  return `t=${time},v1=${signed}`;
}
