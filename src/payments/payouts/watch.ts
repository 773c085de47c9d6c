/**
 * Compares payouts, and what is not paid out, with the payments on record, day by day. Guarantees: a payout is
 * compared until all of it was seen and is right; of several processes one compares at a time, and all of them tell
 * the same number of mismatches; a provider that is away is asked again later, and the last number stands meanwhile.
 */
import type { Clock } from '../../actors/ports.js';
import type { Logger } from '../../process/log.js';
import { Loop } from '../../process/loop.js';
import type { PayoutDesk, ReadLimits, ReconciledPayout } from '../payouts.js';
import type { PaymentProvider, Payout } from '../port.js';
import { isFault } from './compare.js';
import { within } from './read.js';
import type { PayoutResults, PayoutTurn } from './results.js';

export interface PayoutWatchOptions {
  readonly desk: Pick<PayoutDesk, 'payout' | 'pending'>;
  readonly provider: Pick<PaymentProvider, 'payouts'>;
  readonly results: Pick<PayoutResults, 'get' | 'mismatches' | 'take'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** From the end of one comparison to the next, milliseconds. */
  readonly everyMs: number;
  /** Told how much does not match, of lately. */
  readonly onMismatches: (count: number) => void;
}

/** Not at once: a start has more urgent work, and a process that keeps dying must not ask the provider each time. */
const START_MS = 30_000;
/** Between two looks whether it is time, and at what others have found. */
const LOOK_MS = 5 * 60_000;
/** After a comparison that failed or was not finished. */
const AGAIN_MS = 15 * 60_000;
/** Payouts that are compared, and whose mismatches are told. */
const BACK_MS = 35 * 24 * 60 * 60_000;
const PAYOUTS_PER_PAGE = 100;
/** Payouts of one turn. */
const COMPARED_MAX = 50;
const READ_MS = 10 * 60_000;
/** Beyond the longest read and what comes after it. */
const TURN_MS = 2 * READ_MS;
/** Ids in a line of the log. */
const LOGGED_MAX = 20;

export class PayoutWatch {
  readonly #options: PayoutWatchOptions;
  readonly #loop: Loop;
  /** Aborted by a stop. */
  #life = new AbortController();

  constructor(options: PayoutWatchOptions) {
    const { clock, everyMs, logger } = options;
    this.#options = options;
    this.#loop = new Loop({
      clock,
      firstMs: START_MS,
      everyMs: Math.min(LOOK_MS, everyMs),
      work: () => this.look(),
      failed: (error) => logger.error({ err: error }, 'the look at payouts ended; tried again later'),
    });
  }

  start(): void {
    this.#life = new AbortController();
    this.#loop.start();
  }

  /** Does not wait for the provider. */
  async stop(): Promise<void> {
    this.#life.abort();
    await this.#loop.stop();
  }

  get #isStopped(): boolean {
    return this.#life.signal.aborted;
  }

  /** Compares when it is time and nobody else does, and tells what was found. Never rejects. */
  async look(): Promise<void> {
    const { results, clock, logger, everyMs, onMismatches } = this.#options;
    try {
      const turn = await results.take(TURN_MS);
      if (turn) await turn.end(clock.now() + Math.min(everyMs, await this.#take(turn)));
      onMismatches(await results.mismatches(clock.now() - BACK_MS));
    } catch (error) {
      logger.warn({ error: String(error) }, 'payouts could not be looked at; tried again later');
    }
  }

  /** Answers how long to wait before the next turn. Never rejects. */
  async #take(turn: PayoutTurn): Promise<number> {
    const { logger, everyMs } = this.#options;
    try {
      return (await this.#compareAll(turn)) ? everyMs : AGAIN_MS;
    } catch (error) {
      logger.warn(
        { error: String(error) },
        'payouts could not be compared with the payments on record; tried again later',
      );
      return AGAIN_MS;
    }
  }

  /** Whether all that was to be compared was. */
  async #compareAll(turn: PayoutTurn): Promise<boolean> {
    const { desk } = this.#options;
    let compared = 0;
    for await (const payout of this.#unsettled()) {
      if (this.#isStopped || compared === COMPARED_MAX || !(await turn.extend(TURN_MS))) return false;
      compared += 1;
      this.#tell(await desk.payout(payout.id, this.#limits()));
    }
    if (this.#isStopped || !(await turn.extend(TURN_MS))) return false;
    this.#tell(await desk.pending(this.#limits()));
    return true;
  }

  #limits(): ReadLimits {
    return { readMs: READ_MS, signal: this.#life.signal };
  }

  /** Payouts of lately that were not all seen yet or not all right, newest first. */
  async *#unsettled(): AsyncIterable<Payout> {
    const { provider, results, clock } = this.#options;
    const since = clock.now() - BACK_MS;
    const bounds = { clock, until: clock.now() + TURN_MS, signal: this.#life.signal };
    let after: string | undefined;
    do {
      const cursor = after === undefined ? {} : { after };
      const page = await within(bounds, provider.payouts({ limit: PAYOUTS_PER_PAGE, since, ...cursor }));
      for (const payout of page.payouts) {
        if (!payout.isAutomatic || !payout.isClosed) continue;
        const result = await results.get(payout.id);
        if (!result?.isComplete || result.mismatches > 0) yield payout;
      }
      after = page.next;
    } while (after !== undefined);
  }

  #tell(compared: ReconciledPayout | null): void {
    const { logger } = this.#options;
    if (!compared || compared.mismatches === 0) return;
    const { payout, lines, missing, mismatches, totals, currency, isComplete } = compared;
    const faults = lines.filter(isFault);
    logger.error(
      {
        payoutId: payout?.id ?? 'pending',
        mismatches,
        transactionIds: faults.slice(0, LOGGED_MAX).map(({ id }) => id),
        paymentIds: faults.slice(0, LOGGED_MAX).flatMap(({ paymentId }) => paymentId ?? []),
        missingPaymentIds: missing.slice(0, LOGGED_MAX).map(({ paymentId }) => paymentId),
        ...(payout && { amountMinor: payout.amountMinor }),
        netMinor: totals.netMinor,
        currency,
        isComplete,
      },
      'payments on record and payouts do not match: look at them by hand',
    );
  }
}
