/**
 * Keeps the lake: reads the ledgers and the views into it, takes out who was erased, merges and lets go. Guarantees:
 * one process at a time does so, and another waits; each step is bounded, and what is not done when it stops is done
 * after the next start; an erasure is done before anything is read that it could be about.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../actors/ports.js';
import type { Standing } from '../../archive/ledger-walk.js';
import { Loop } from '../../process/loop.js';
import type { Logger } from '../../process/log.js';
import type { Reservation } from '../../rules/index.js';
import type { Erasures } from './erasures.js';
import { Ingestion, type IngestionOptions } from './ingestion.js';
import type { ViewStream } from './intake.js';
import { LakeLostError, LakeWriter, WriterWatch, type Lake } from './lake.js';
import { LakeDamagedError } from './log.js';
import type { Persons } from './persons.js';
import { erase, forget, merge, nextMerge, type DaysKept } from './upkeep.js';

export interface KeeperOptions extends Pick<
  IngestionOptions,
  'archive' | 'tickets' | 'subscribe' | 'clientId' | 'batchEventsMax' | 'sweepMs'
> {
  readonly lake: Lake;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly persons: Persons;
  readonly erasures: Erasures;
  /** Absent: there are none to be read, as in a rebuild without Redis. */
  readonly views?: ViewStream;
  readonly daysKept: DaysKept;
  /** Between two rounds when there is nothing to be done. */
  readonly everyMs: number;
  readonly silentMs?: number;
  readonly onRound?: (round: Round) => void;
}

/** What a round came to. */
export interface Round {
  /** False while another process writes the lake. */
  readonly isWriter: boolean;
  /** Rows of bookings that were written. */
  readonly bookings: number;
  readonly standing: Standing;
  /** Files that count. */
  readonly files: number;
}

/** Erasures that are applied at once. */
const ERASED_AT_ONCE = 200;
/** Clocks of machines, and the way of a write into the archive, differ by less. */
const ERASURE_SKEW_MS = 10 * 60_000;
/** Between two looks for files that are over their time or that nobody needs. */
const SWEEP_MS = 10 * 60_000;
/** Steps of one round, so that maintenance has its turn while there is much to be read. */
const STEPS_PER_ROUND = 20;

export class LakeKeeper {
  readonly #options: KeeperOptions;
  readonly #ingestion: Ingestion;
  readonly #watch: WriterWatch;
  readonly #loop: Loop;
  /** Everybody who was erased. */
  readonly #erased = new Set<string>();
  /** Of those, who is out of the lake as far as this process has seen to it. */
  readonly #done = new Set<string>();
  #writer: LakeWriter | null = null;
  #hasSaidWaiting = false;
  #sweptAt = 0;
  /** Days whose files do not fit together; told once. */
  readonly #damaged = new Set<string>();
  #isStopped = false;

  constructor(options: KeeperOptions) {
    const { persons, lake, silentMs, clock, everyMs, logger } = options;
    this.#options = options;
    this.#watch = new WriterWatch(lake, silentMs);
    this.#ingestion = new Ingestion({
      ...options,
      bookingDays: options.daysKept.bookings,
      personOf: (reservation: Reservation) => {
        const person = persons.ofBuyer(reservation);
        return this.#erased.has(person) ? null : person;
      },
    });
    this.#loop = new Loop({
      clock,
      everyMs,
      work: () => this.#rounds(),
      failed: (error, isFirst) => {
        if (isFirst) logger.warn({ err: error }, 'the data lake cannot be kept now; trying again');
      },
    });
  }

  start(): void {
    this.#isStopped = false;
    this.#ingestion.start();
    this.#loop.start();
  }

  /** Resolves when the step under way is done and the lake is another's to write. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#ingestion.stop();
    await this.#loop.stop();
    await this.release();
  }

  standing(): Standing {
    return this.#ingestion.standing();
  }

  /** For programs that keep it once: waits for the lake so long, and throws `LakeLostError` when it is another's. */
  async acquire(waitMs: number): Promise<void> {
    const { clock } = this.#options;
    const until = clock.now() + waitMs;
    while (!(await this.#hold())) {
      if (clock.now() >= until) throw new LakeLostError();
      await sleep(Math.min(200, this.#watch.silentMs / 4));
    }
  }

  async release(): Promise<void> {
    const writer = this.#writer;
    this.#writer = null;
    await writer?.close();
  }

  /** Reads everything that is there to be read. `acquire` comes before. */
  async catchUp(onStep: (rows: number) => void = () => undefined): Promise<void> {
    const writer = this.#held();
    await this.#applyErasures(writer);
    for (let isMore = true; isMore;) {
      const step = await this.#ingestion.step(writer);
      onStep(step.rows);
      ({ isMore } = step);
    }
  }

  /** Lets the bookings begin anew: they are read from the ledgers again. */
  async rebuild(): Promise<void> {
    const writer = this.#held();
    const removed = [...writer.state.files.values()].filter(({ table }) => table === 'bookings');
    await writer.commit({
      what: 'the bookings are made anew',
      isRebuild: true,
      removed: removed.map(({ path }) => path),
    });
    this.#ingestion.reset();
  }

  /** Merges all that can be merged. Answers how often. */
  async compact(): Promise<number> {
    const writer = this.#held();
    await forget(writer, this.#options.daysKept, this.#options.clock.now());
    let merges = 0;
    while (await this.#merge(writer)) merges += 1;
    await writer.sweep();
    return merges;
  }

  #held(): LakeWriter {
    if (!this.#writer) throw new LakeLostError();
    return this.#writer;
  }

  /** Rounds until nothing is left to be done for now. */
  async #rounds(): Promise<void> {
    try {
      for (let isMore = true; isMore && !this.#isStopped;) isMore = await this.#round();
    } catch (error) {
      // Somebody else goes on from what the log says.
      await this.release();
      this.#ingestion.reset();
      if (!(error instanceof LakeLostError)) throw error;
      this.#options.logger.warn('another process has taken the data lake over');
    }
  }

  async #round(): Promise<boolean> {
    if (!(await this.#hold())) {
      this.#tell(0);
      return false;
    }
    const writer = this.#held();
    await this.#applyErasures(writer);
    let bookings = 0;
    let isMore = true;
    for (let steps = 0; isMore && steps < STEPS_PER_ROUND && !this.#isStopped; steps += 1) {
      const step = await this.#ingestion.step(writer);
      bookings += step.rows;
      ({ isMore } = step);
    }
    const areMoreViews = await this.#options.views?.step(writer, (person) => this.#erased.has(person));
    const isMerged = isMore ? false : await this.#merge(writer);
    await this.#sweep(writer);
    this.#tell(bookings);
    return isMore || areMoreViews === true || isMerged;
  }

  async #hold(): Promise<boolean> {
    if (this.#writer) return true;
    const { lake, logger } = this.#options;
    this.#writer = await LakeWriter.open(lake, this.#watch);
    if (this.#writer) {
      this.#ingestion.reset();
      this.#done.clear();
      this.#erased.clear();
      for await (const { person } of this.#options.erasures.all()) this.#erased.add(person);
      if (this.#hasSaidWaiting) logger.info('this process writes the data lake now');
      this.#hasSaidWaiting = false;
      return true;
    }
    if (!this.#hasSaidWaiting)
      logger.info({ lake: lake.dir }, 'another process writes the data lake; waiting');
    this.#hasSaidWaiting = true;
    return false;
  }

  /** Whoever was listed since the last one that the lake knows of, and a little before. */
  async #applyErasures(writer: LakeWriter): Promise<void> {
    const listed = await this.#options.erasures.since(writer.state.erasedThrough - ERASURE_SKEW_MS);
    const fresh = listed.filter(({ person }) => !this.#done.has(person));
    for (const { person } of fresh) this.#erased.add(person);
    for (let from = 0; from < fresh.length; from += ERASED_AT_ONCE) {
      const some = fresh.slice(from, from + ERASED_AT_ONCE);
      const persons = some.map(({ person }) => person);
      await erase(writer, persons, some.at(-1)?.at ?? 0);
      for (const person of persons) this.#done.add(person);
    }
  }

  async #merge(writer: LakeWriter): Promise<boolean> {
    const files = new Map(
      [...writer.state.files].filter(([, { table, day }]) => !this.#damaged.has(`${table}/${day}`)),
    );
    const next = nextMerge(files, this.#options.clock.now());
    if (!next) return false;
    try {
      await merge(writer, next);
    } catch (error) {
      if (!(error instanceof LakeDamagedError)) throw error;
      this.#damaged.add(`${next.table}/${next.day}`);
      this.#options.logger.error({ err: error }, 'files of the data lake do not fit together');
    }
    return true;
  }

  async #sweep(writer: LakeWriter): Promise<void> {
    const { clock, daysKept } = this.#options;
    if (clock.now() - this.#sweptAt < SWEEP_MS) return;
    await forget(writer, daysKept, clock.now());
    await writer.sweep();
    this.#sweptAt = clock.now();
  }

  #tell(bookings: number): void {
    this.#options.onRound?.({
      isWriter: this.#writer !== null,
      bookings,
      standing: this.#ingestion.standing(),
      files: this.#writer?.state.files.size ?? 0,
    });
  }
}
