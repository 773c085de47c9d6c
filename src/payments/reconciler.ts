/**
 * Finishes what nobody waits for: payments whose request, process or provider was cut short. Guarantees: every
 * payment that is due is looked at, again and again until both sides say the same; several processes may do so
 * at once. Now and then the provider's own list is compared with the records, for payments that were made and
 * never got on record.
 */
import type { Clock } from '../actors/ports.js';
import type { Logger } from '../process/log.js';
import type { PaymentFlow } from './flow.js';
import type { PaymentProvider } from './port.js';
import type { PaymentRecords, StoredPayment } from './records.js';

export interface ReconcilerOptions {
  readonly flow: Pick<PaymentFlow, 'look'>;
  readonly provider: Pick<PaymentProvider, 'list'>;
  readonly records: PaymentRecords;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Pause between two looks at what is due, milliseconds. */
  readonly everyMs: number;
  /** Told after every look at what is due. */
  readonly onDue?: (due: DuePayments) => void;
}

export interface DuePayments {
  /** Payments that were due; `DUE_PER_LOOK` stands for as many or more. */
  readonly count: number;
  /** How long the one that has waited longest was due, or was looked at in vain, milliseconds. */
  readonly oldestMs: number;
  /** Payments whose refund the provider refuses; they are looked at rarely and not among the others. */
  readonly stuck: number;
}

export const DUE_PER_LOOK = 50;
const AT_ONCE = 4;
/** Between two comparisons with the provider's list, and how far back they go. */
const COMPARE_EVERY_MS = 60 * 60_000;
/** After one that failed. */
const COMPARE_AGAIN_MS = 5 * 60_000;
const COMPARE_BACK_MS = 48 * 60 * 60_000;
const COMPARE_PAYMENTS_MAX = 10_000;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  #cancel: (() => void) | null = null;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  /** When the next comparison is due. */
  #compareAt = 0;
  #comparing: Promise<void> | null = null;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.poke();
  }

  /** Waits for the look at hand. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
    await this.#comparing;
  }

  /** Looks now: something has just become due. */
  poke(): void {
    if (this.#stopped) return;
    this.#again = this.#running !== null;
    this.#cancel?.();
    this.#cancel = null;
    this.#running ??= this.look().finally(() => {
      this.#running = null;
      if (this.#stopped) return;
      if (this.#again) this.poke();
      else this.#cancel = this.#options.clock.schedule(this.#options.everyMs, () => this.poke());
    });
  }

  /** Looks at what is due, once. Never rejects. */
  async look(): Promise<void> {
    const { records, clock, logger } = this.#options;
    try {
      const due = await records.due(clock.now(), DUE_PER_LOOK);
      await this.#tell(due);
      const settled = await this.#lookAt(due.map(({ id }) => id));
      // More may be due than one look takes. Without progress the next look waits its time.
      this.#again ||= due.length === DUE_PER_LOOK && settled > 0;
      if (clock.now() >= this.#compareAt) this.#comparing ??= this.#compareAll();
    } catch (error) {
      logger.warn({ error: String(error) }, 'payments could not be looked at; they stay due');
    }
  }

  async #tell(due: readonly StoredPayment[]): Promise<void> {
    const { records, clock, onDue } = this.#options;
    if (!onDue) return;
    const [failingSince, stuck] = await Promise.all([records.failingSince(), records.countStuck()]);
    const now = clock.now();
    // One that was looked at in vain is due again a while later, and would seem new.
    const oldest = Math.min(due[0]?.value.dueAt ?? now, failingSince ?? now);
    onDue({ count: due.length, oldestMs: now - oldest, stuck });
  }

  /** Answers how many are settled now. */
  async #lookAt(ids: readonly string[]): Promise<number> {
    const waiting = [...ids];
    let settled = 0;
    const work = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined && !this.#stopped; id = waiting.shift()) {
        if (await this.#options.flow.look(id)) settled += 1;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return settled;
  }

  /** Beside the looks at what is due, which must not wait for thousands of payments. Never rejects. */
  async #compareAll(): Promise<void> {
    const { clock, logger } = this.#options;
    try {
      await this.#compare();
      this.#compareAt = clock.now() + COMPARE_EVERY_MS;
    } catch (error) {
      this.#compareAt = clock.now() + COMPARE_AGAIN_MS;
      logger.warn(
        { error: String(error) },
        'payments could not be compared with the provider; tried again later',
      );
    } finally {
      this.#comparing = null;
    }
  }

  /** Payments of the provider without a record, or with one that says something else. */
  async #compare(): Promise<void> {
    const { provider, records, clock, logger, flow } = this.#options;
    let compared = 0;
    for await (const payment of provider.list(clock.now() - COMPARE_BACK_MS)) {
      if (this.#stopped || compared >= COMPARE_PAYMENTS_MAX) break;
      compared += 1;
      const record = await records.get(payment.id);
      // Another installation may share the provider's account: what is not on record here is not ours to touch.
      if (!record) {
        if (payment.status === 'succeeded') {
          logger.warn({ paymentId: payment.id }, 'the provider has a payment that is not on record here');
        }
        continue;
      }
      if (record.dueAt !== undefined || agrees(record, payment)) continue;
      logger.info({ paymentId: payment.id }, 'a payment differs from what the provider has');
      await flow.look(payment.id);
    }
  }
}

function agrees(
  record: { readonly status: string; readonly refundedMinor: number; readonly dispute?: string },
  payment: { readonly status: string; readonly refundedMinor: number; readonly dispute?: string },
): boolean {
  return (
    record.status === payment.status &&
    record.refundedMinor === payment.refundedMinor &&
    record.dispute === payment.dispute
  );
}
