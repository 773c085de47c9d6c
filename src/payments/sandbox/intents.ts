/** Payment intents in the store: read as time has made them, and changed one write at a time. */
import type { Clock } from '../../actors/ports.js';
import { settle, type Happening, type Step } from './machine.js';
import { ids, type IntentRecord, type Records } from './records.js';
import { happened } from './render.js';

/** Changes of one intent that may meet in this process wait for each other; other processes make us try again. */
const ATTEMPTS_MAX = 50;

export interface IntentsOptions {
  readonly records: Records;
  readonly clock: Clock;
  /** Called when there may be events to tell. */
  readonly onHappening: () => void;
}

export class Intents {
  readonly #options: IntentsOptions;
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor(options: IntentsOptions) {
    this.#options = options;
  }

  /** False when the id is taken. */
  insert(id: string, record: IntentRecord): Promise<boolean> {
    return this.#options.records.insert(id, record);
  }

  async get(id: string): Promise<IntentRecord | null> {
    const found = await this.#options.records.get(id);
    if (found?.value.kind !== 'payment_intent') return null;
    const { happenings } = settle(found.value, this.#options.clock.now());
    return happenings.length === 0 ? found.value : this.change(id, (record) => ({ record, happenings: [] }));
  }

  /** One step, on the newest version; null when there is no such intent. What `step` throws changes nothing. */
  async change(id: string, step: (record: IntentRecord) => Step): Promise<IntentRecord | null> {
    const before = this.#queues.get(id) ?? Promise.resolve();
    const mine = before.then(() => this.#change(id, step));
    const settled = mine.catch(() => undefined);
    this.#queues.set(id, settled);
    try {
      return await mine;
    } finally {
      if (this.#queues.get(id) === settled) this.#queues.delete(id);
    }
  }

  async #change(id: string, step: (record: IntentRecord) => Step): Promise<IntentRecord | null> {
    const { records, clock, onHappening } = this.#options;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const found = await records.get(id);
      if (found?.value.kind !== 'payment_intent') return null;
      const settled = settle(found.value, clock.now());
      const timed = withEvents(id, settled, clock.now());
      const next = withEvents(id, step(timed), clock.now());
      if (next === found.value) return next;
      if (await records.replace(id, next, found.version)) {
        if (next.outbox.length > 0) onHappening();
        return next;
      }
    }
    throw new Error(`${id} was changed by others ${ATTEMPTS_MAX} times in a row`);
  }
}

/** The record with the events of a step in its outbox. */
function withEvents(id: string, { record, happenings }: Step, now: number): IntentRecord {
  if (happenings.length === 0) return record;
  const events = happenings.map((happening: Happening, index) => ({
    id: ids.event(id, record.eventCount + index),
    type: happening.type,
    created: now,
    object: happened(id, record, happening),
  }));
  return {
    ...record,
    eventCount: record.eventCount + events.length,
    outbox: [...record.outbox, ...events],
  };
}
