/**
 * What other marketplaces say, as commands of our tickets.
 *
 * Guarantees: every message takes effect once, however often it is handed over, because the command's id is
 * its place in the log; messages of one ticket are submitted in the order of the log, those of a batch
 * together, to be decided in one commit, so none can overtake another; a batch resolves only when each of its
 * messages has taken effect, is known to be a repeat or our own, or lies in the dead letters; a message that can
 * never take effect stops nothing.
 *
 * A sale that comes before its ticket's master-list entry is put into the dead letters at once, where operators
 * see it, and tried again by itself for as long as it may wait; later messages of that ticket queue up behind
 * it.
 *
 * Our own messages are skipped, unless tickets are sold in the order of the log: then they are handled at their places like
 * everybody's, and nothing of a ticket may be left out or come late.
 *
 * A new start begins behind what is durable outside Redis, and so does the reading after Redis lost writes:
 * places are committed only when everything before them is archived and nothing before them waits. What is
 * read again is known by its position. A ticket that was rebuilt takes nothing until the reading has gone back: a later
 * message would make earlier ones, which were lost with Redis, look like repeats.
 */
import type { Clock, CommandBody, CommandResult } from '../actors/ports.js';
import type { DeadLetter } from '../archive/port.js';
import { ticketsOf, type MatchEntry } from '../catalog/match.js';
import type { CatalogLoader, OrderedGateway, Submission, SubmissionResult } from '../http/ports.js';
import type { Logger } from '../process/log.js';
import type { TicketId } from '../rules/index.js';
import { letterOf, messageIdOf, recordOf, type DeadLetters, type RedriveResult } from './dead-letters.js';
import type { IncomingRecord, Log, Places, Subscription } from './port.js';
import { WaitingRoom } from './waiting-room.js';
import { decodeMasterList, decodeSalesMessage, strictnessReport, type DecodedItem } from './wire.js';

/** Tickets worked on at once in a batch. */
export const TICKETS_AT_ONCE = 256;
/** Messages of a ticket submitted together, at most: many in one commit, and few enough to find room among buyers. */
export const TOGETHER_MAX = 100;
/** Tickets that wait for their master-list entry are looked at this often, milliseconds. */
export const WAITING_CHECK_MS = 1_000;
/**
 * Outcomes of messages stay on record this long, milliseconds: a lost answer is asked for again well within
 * it. What took effect is remembered by its position for good; a refusal must not stand in the way of a later
 * re-drive, which has the same id.
 */
export const OUTCOME_KEEP_MS = 10 * 60_000;

/** Places are committed this often, milliseconds. */
export const CHECKPOINT_MS = 2_000;
/** Several tickets are rebuilt at once: reading goes back this much later, once for all of them. */
export const REWIND_DELAY_MS = 500;

/** What became of one message, for metrics. */
export const HANDLED_KINDS = [
  'applied',
  'orphaned',
  'repeated',
  'own',
  'master_list',
  /** Waits for its ticket's master-list entry. */
  'waiting',
  /** In the dead letters. */
  'malformed',
  'refused',
  /** Not now: its batch is handed over again. */
  'retry',
] as const;
export type HandledKind = (typeof HANDLED_KINDS)[number];

/** What Redis has of the messages that were handled. */
export interface Durability {
  /** From now on a loss is noticed: before anything of the reading is handled. */
  begin(): Promise<Reading>;
}

/** Reading the market from the places committed last, until it goes back to them. */
export interface Reading {
  /**
   * The incarnation of a ticket when the reading first met it: all that the reading has handled took effect in it, or
   * may be lost. Null while Redis knows nothing of the ticket.
   */
  incarnationOf(ticket: TicketId): Promise<number | null>;
  /** `durable`: all that was handled before the call is archived. `lost`: since it began Redis may have lost some. */
  check(): Promise<'durable' | 'pending' | 'lost'>;
}

export interface ConsumerOptions {
  readonly log: Pick<Log, 'subscribe'>;
  readonly gateway: OrderedGateway;
  readonly loader: CatalogLoader;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** This marketplace. */
  readonly clientId: string;
  /** Tickets are sold in the order of the log. Absent: at once. */
  readonly ordered?: boolean;
  readonly masterlistTopic: string;
  readonly salesTopic: string;
  /** Messages of a ticket that are submitted together: no more than a job may hold, and than may wait. */
  readonly togetherMax: number;
  /** How long the outcome of a re-driven message stays on record, milliseconds. */
  readonly keepMs: number;
  /** Whether a master list has opened the ticket. Once true it stays true. */
  readonly isOpen: (ticket: TicketId) => Promise<boolean>;
  /** How long a message waits for its master-list entry, milliseconds, and how many may; in the order of the log for ever. */
  readonly waitMs: number;
  readonly waitingMax: number;
  /** Whether a command took effect, as far as the archive knows. */
  readonly tookEffect: (ticket: TicketId, commandId: string) => Promise<boolean>;
  readonly durability: Durability;
  readonly onHandled?: (kind: HandledKind) => void;
}

/** Some messages of a batch could not be settled now; the batch must be handed over again. */
export class BatchUnsettledError extends Error {
  override readonly name = 'BatchUnsettledError';
  readonly retriable = true;
}

/** One ticket's part of a message, with the record it came in. */
interface LaneItem {
  readonly item: DecodedItem;
  readonly record: IncomingRecord;
  readonly reading: Reading;
}
/** How an item is submitted: at its position, or, when later ones of its partition took effect, late and without. */
type Pass = 'positioned' | 'late';
/** What a submission came to. `refused`: it had no effect, and would have none if it came again now. */
type Answer =
  | { readonly kind: 'settled'; readonly outcome: HandledKind }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'retry' | 'waiting'; readonly reason: string };

const nameOf = ({ matchNumber, category }: TicketId): string => `${matchNumber}:${category}`;

export class SalesConsumer {
  readonly #options: ConsumerOptions;
  readonly #waiting: WaitingRoom;
  /** Tickets known to be open. */
  readonly #open = new Set<string>();
  /** Tickets whose master-list entry is being loaded just now. */
  readonly #loading = new Set<string>();
  #subscription: Subscription | null = null;
  #cancelCheckpoint: (() => void) | null = null;
  #checkpoint: Promise<void> = Promise.resolve();
  #committed: Places = new Map();
  /** What is handed over belongs to it; null before the start. Places of one must not be committed in another. */
  #reading: Reading | null = null;
  /** Losses noticed, and how many of them the reading has gone back for: until then nothing is handled. */
  #losses = 0;
  #lossesRead = 0;
  #rewinding: Promise<void> = Promise.resolve();
  #cancelRewind: (() => void) | null = null;
  #cancelCheck: (() => void) | null = null;
  #checking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    const { clock, waitMs, waitingMax, ordered = false } = options;
    this.#waiting = new WaitingRoom({ clock, waitMs: ordered ? Infinity : waitMs, waitingMax });
  }

  async start(): Promise<void> {
    const { log, masterlistTopic, salesTopic } = this.#options;
    this.#stopped = false;
    this.#reading = await this.#options.durability.begin();
    this.#subscription = await log.subscribe([masterlistTopic, salesTopic], (records) =>
      this.#handle(records),
    );
    this.#armCheckpoint();
  }

  /** Resolves after the batch at hand. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelCheck?.();
    this.#cancelRewind?.();
    this.#cancelCheckpoint?.();
    await this.#checkpoint;
    await this.#commitPlaces();
    await this.#subscription?.stop();
    this.#subscription = null;
    await this.#checking;
  }

  /**
   * Redis may have forgotten what only it knew. From now on nothing is handled, until reading has begun again at the
   * last durable place: a little later, and again and again until it could.
   */
  lost(): void {
    this.#losses += 1;
    this.#rewindSoon();
  }

  /** The same at once. Rejects when it could not: it is tried again. */
  rewind(): Promise<void> {
    this.#losses += 1;
    return this.#rewindNow();
  }

  #rewindSoon(): void {
    if (this.#stopped) return;
    this.#cancelRewind ??= this.#options.clock.schedule(REWIND_DELAY_MS, () => {
      this.#cancelRewind = null;
      this.#rewindNow().catch((error: unknown) => {
        this.#options.logger.warn(
          { err: error },
          'could not read the market again after a loss; trying again',
        );
      });
    });
  }

  /** One after the other; one that begins after a loss was noticed is for that loss too. */
  #rewindNow(): Promise<void> {
    this.#rewinding = this.#rewinding
      .catch(() => undefined)
      .then(async () => {
        const losses = this.#losses;
        if (this.#lossesRead === losses) return;
        try {
          // Before anything is read again: what is lost while it is being read must show later.
          this.#reading = await this.#options.durability.begin();
          this.#open.clear();
          await this.#subscription?.rewind();
          // Only what is read here comes again.
          this.#waiting.keepOnly(this.#subscription?.handled() ?? new Map());
          this.#lossesRead = losses;
        } catch (error) {
          this.#rewindSoon();
          throw error;
        }
      });
    return this.#rewinding;
  }

  get #mustRewind(): boolean {
    return this.#lossesRead < this.#losses;
  }

  /** Records that were not handed over yet, by source. */
  lag(): ReadonlyMap<string, number> {
    return this.#subscription?.lag() ?? new Map();
  }

  /** Whether this consumer takes part in reading the market now. */
  get joined(): boolean {
    return this.#subscription?.isJoined() ?? false;
  }

  /** Messages that wait for their ticket's master-list entry. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Tries a dead letter again, under the same id: twice has one effect. */
  async redrive(letter: DeadLetter): Promise<RedriveResult> {
    const original = recordOf(letter);
    if (!original) return { kind: 'refused', reason: 'the letter is not a message of a log' };
    const { record, index } = original;
    if (record.topic === this.#options.masterlistTopic) return this.#redriveMasterList(record);
    const decoded = decodeSalesMessage(record);
    if (decoded.kind === 'malformed') return { kind: 'refused', reason: decoded.reason };
    const items = decoded.items.filter((item) => index === undefined || item.position.index === index);
    for (const item of items) {
      const answer = await this.#redriveItem(item);
      if (answer.kind !== 'settled') return { kind: 'refused', reason: answer.reason };
    }
    return { kind: 'settled' };
  }

  async #redriveItem(item: DecodedItem): Promise<Answer> {
    // Our own took effect before it was published.
    if (this.#isSkipped(item)) return { kind: 'settled', outcome: 'own' };
    if (this.#options.ordered) return { kind: 'refused', reason: BY_ITS_PLACE };
    try {
      if (!(await this.#isOpen(item.ticket))) return { kind: 'refused', reason: 'not_open' };
      return await this.#submitPassed(item, this.#reading);
    } catch (error) {
      return { kind: 'retry', reason: `not now: ${String(error)}` };
    }
  }

  async #redriveMasterList(record: IncomingRecord): Promise<RedriveResult> {
    const decoded = decodeMasterList(record);
    if (decoded.kind === 'malformed') return { kind: 'refused', reason: decoded.reason };
    try {
      await this.#load(decoded.entries, record);
      return { kind: 'settled' };
    } catch (error) {
      return { kind: 'refused', reason: `not now: ${String(error)}` };
    }
  }

  // ---- places -----------------------------------------------------------------------------------------

  #armCheckpoint(): void {
    if (this.#stopped) return;
    this.#cancelCheckpoint = this.#options.clock.schedule(CHECKPOINT_MS, () => {
      this.#checkpoint = this.#commitPlaces().then(() => this.#armCheckpoint());
    });
  }

  /** Commits what is handled, once it is durable. Never rejects: a place not committed is read again. */
  async #commitPlaces(): Promise<void> {
    const subscription = this.#subscription;
    const reading = this.#reading;
    if (!subscription || !reading || this.#mustRewind) return;
    const places = withoutWaiting(subscription.handled(), this.#waiting.oldest(reading));
    const isSame = [...places].every(([source, offset]) => this.#committed.get(source) === offset);
    if (isSame) return;
    try {
      const found = await reading.check();
      if (found === 'lost') await this.rewind();
      if (found !== 'durable' || !(await this.#options.deadLetters.archivedAll())) return;
      if (reading !== this.#reading || this.#mustRewind) return;
      this.#committed = new Map([...this.#committed, ...(await subscription.commit(places))]);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'could not commit how far messages were read; trying again');
    }
  }

  // ---- batches ----------------------------------------------------------------------------------------

  async #handle(records: readonly IncomingRecord[]): Promise<void> {
    const { masterlistTopic } = this.#options;
    const reading = this.#reading;
    // What is handed over may come from before the place to which reading goes back.
    if (!reading || this.#mustRewind)
      throw new BatchUnsettledError('Redis lost writes: messages are read again');
    for (const record of records) {
      if (record.topic === masterlistTopic) await this.#handleMasterList(record);
    }
    const lanes = new Map<string, LaneItem[]>();
    for (const record of records) {
      if (record.topic !== masterlistTopic) await this.#sort(record, reading, lanes);
    }
    let unsettled = 0;
    await eachTicket([...lanes.values()], async (lane) => {
      if (!(await this.#settleLane(lane))) unsettled += 1;
    });
    if (unsettled > 0) {
      throw new BatchUnsettledError(
        `${unsettled} of ${lanes.size} tickets have messages that wait for a retry`,
      );
    }
  }

  /** Puts the items of a sales message into the lanes of their tickets. */
  async #sort(record: IncomingRecord, reading: Reading, lanes: Map<string, LaneItem[]>): Promise<void> {
    const decoded = decodeSalesMessage(record);
    if (decoded.kind === 'malformed') {
      await this.#bury(record, decoded.reason);
      this.#handled('malformed');
      return;
    }
    for (const item of decoded.items) {
      if (this.#isSkipped(item)) {
        this.#handled('own');
        continue;
      }
      const name = nameOf(item.ticket);
      const lane = lanes.get(name);
      if (lane) lane.push({ item, record, reading });
      else lanes.set(name, [{ item, record, reading }]);
    }
  }

  #isSkipped({ clientId }: DecodedItem): boolean {
    return clientId === this.#options.clientId && !this.#options.ordered;
  }

  #submissionOf(item: DecodedItem, pass: Pass, keepMs: number): Submission {
    const isOwn = this.#options.ordered === true && item.clientId === this.#options.clientId;
    const id = messageIdOf(item);
    return {
      ticket: item.ticket,
      id: pass === 'late' ? `${id}/late` : id,
      body: (isOwn && ownBodyOf(item)) || remoteBodyOf(item, pass),
      keepMs,
    };
  }

  /** In order; stops (false) at the first item that cannot be settled: a later position would make it look like a repeat. */
  async #settleLane(lane: readonly LaneItem[]): Promise<boolean> {
    const { togetherMax } = this.#options;
    for (let from = 0; from < lane.length; from += togetherMax) {
      const unsettled = await this.#settle(lane.slice(from, from + togetherMax));
      if (unsettled === null) continue;
      this.#warn(unsettled.one.item, unsettled.reason);
      this.#handled('retry');
      return false;
    }
    return true;
  }

  /** Null when they are settled, else the first that has to come again, with all after it, and why. Never rejects. */
  async #settle(items: readonly LaneItem[]): Promise<{ one: LaneItem; reason: string } | null> {
    const [first] = items;
    if (!first) return null;
    let answers: readonly Answer[];
    try {
      answers = await this.#submitTogether(first, items);
    } catch (error) {
      return { one: first, reason: String(error) };
    }
    for (const [i, one] of items.entries()) {
      try {
        const reason = await this.#conclude(one, answers[i] ?? { kind: 'retry', reason: 'not answered' });
        if (reason !== null) return { one, reason };
      } catch (error) {
        return { one, reason: String(error) };
      }
    }
    return null;
  }

  async #submitTogether({ item, reading }: LaneItem, items: readonly LaneItem[]): Promise<readonly Answer[]> {
    const { ticket } = item;
    const all = (answer: Answer): readonly Answer[] => items.map(() => answer);
    if (!(await this.#isOpen(ticket))) return all(NOT_OPEN);
    if (!(await this.#drain(ticket, reading))) {
      // They wait for their ticket again: these wait behind them.
      return this.#open.has(nameOf(ticket))
        ? all({ kind: 'retry', reason: 'earlier messages of its ticket are not settled' })
        : all(NOT_OPEN);
    }
    // What waited before these may have been left to others: all of it comes again.
    if (reading !== this.#reading) return all({ kind: 'retry', reason: 'reading has gone back' });
    const incarnation = await reading.incarnationOf(ticket);
    // Redis was lost, and the ticket waits to be rebuilt.
    if (incarnation === null) return all(NOT_OPEN);
    const submissions = items.map((one) => ({
      ...this.#submissionOf(one.item, 'positioned', OUTCOME_KEEP_MS),
      incarnation,
    }));
    const results = await this.#options.gateway.submitInOrder(submissions);
    const answers = results.map((result) => this.#answerOf(result, reading));
    if (answers.some(({ kind }) => kind === 'waiting')) this.#open.delete(nameOf(ticket));
    return answers;
  }

  /** Null when it is settled, or waits for its ticket, else why it has to come again. */
  async #conclude(one: LaneItem, answer: Answer): Promise<string | null> {
    const { item, record } = one;
    switch (answer.kind) {
      case 'waiting':
        return this.#wait(one);
      case 'settled':
        await this.#noLongerWaits(item);
        this.#handled(answer.outcome);
        return null;
      case 'refused':
        this.#waiting.remove(item);
        await this.#bury(record, answer.reason, item.position.index);
        this.#handled('refused');
        return null;
      case 'retry':
        return answer.reason;
    }
  }

  async #submit(item: DecodedItem, pass: Pass, reading: Reading | null): Promise<Answer> {
    // Without a position only the archive remembers for good what took effect.
    if (pass !== 'positioned' && (await this.#tookEffect(item)))
      return { kind: 'settled', outcome: 'repeated' };
    const keepMs = pass === 'positioned' ? OUTCOME_KEEP_MS : this.#options.keepMs;
    const incarnation = pass === 'positioned' ? await reading?.incarnationOf(item.ticket) : undefined;
    if (incarnation === null) return NOT_OPEN;
    const result = await this.#options.gateway.submit({
      ...this.#submissionOf(item, pass, keepMs),
      ...(incarnation !== undefined && { incarnation }),
    });
    return this.#answerOf(result, reading);
  }

  #answerOf(result: SubmissionResult, reading: Reading | null): Answer {
    if (result.kind !== 'answered') return { kind: 'retry', reason: result.kind };
    if (result.result.kind === 'incarnation_passed' && reading === this.#reading) this.lost();
    return answerOf(result.result);
  }

  /**
   * An item that others may have overtaken. At its position if it still can, so that reading it again is known
   * as a repeat; else late, unless the archive knows that it took effect.
   */
  async #submitPassed(item: DecodedItem, reading: Reading | null): Promise<Answer> {
    const answer = await this.#submit(item, 'positioned', reading);
    if (answer.kind !== 'settled' || answer.outcome !== 'repeated') return answer;
    if (this.#options.ordered || (await this.#tookEffect(item))) return answer;
    return this.#submit(item, 'late', reading);
  }

  async #tookEffect(item: DecodedItem): Promise<boolean> {
    const { tookEffect } = this.#options;
    const id = messageIdOf(item);
    return (await tookEffect(item.ticket, id)) || tookEffect(item.ticket, `${id}/late`);
  }

  // ---- master lists -----------------------------------------------------------------------------------

  async #handleMasterList(record: IncomingRecord): Promise<void> {
    const decoded = decodeMasterList(record);
    if (decoded.kind === 'malformed') {
      await this.#bury(record, decoded.reason);
      this.#handled('malformed');
      return;
    }
    await this.#load(decoded.entries, record);
    this.#handled('master_list');
  }

  async #load(entries: readonly MatchEntry[], { source, offset }: IncomingRecord): Promise<void> {
    const { loader, logger } = this.#options;
    const names = entries.flatMap(({ matchNumber }) => ticketsOf(matchNumber).map(nameOf));
    const isFirst = names.filter((name) => !this.#open.has(name));
    // Until it is done some of them are known and not yet open.
    for (const name of isFirst) this.#loading.add(name);
    try {
      await loader.load(entries, { source, offset });
      for (const name of isFirst) this.#open.add(name);
    } finally {
      for (const name of isFirst) this.#loading.delete(name);
    }
    logger.info({ entries: entries.length, source, offset }, 'loaded a master list');
    for (const sentence of strictnessReport(entries)) logger.warn(sentence);
    await this.#check();
  }

  async #isOpen(ticket: TicketId): Promise<boolean> {
    const name = nameOf(ticket);
    if (this.#open.has(name)) return true;
    if (this.#loading.has(name) || !(await this.#options.isOpen(ticket))) return false;
    this.#open.add(name);
    return true;
  }

  // ---- messages before their master-list entry --------------------------------------------------------

  /** Null when it waits, or is left to the dead letters, else why it has to come again. */
  async #wait({ item, record, reading }: LaneItem): Promise<string | null> {
    await this.#bury(record, 'not_open', item.position.index);
    // It may not wait in the name of a reading that has not come to it yet.
    if (reading !== this.#reading) return 'reading has gone back';
    const waits = this.#waiting.add(item, reading);
    // Without it all that comes after would be decided otherwise than elsewhere.
    if (!waits && this.#options.ordered) return 'too many messages wait for their master-list entries';
    this.#handled(waits ? 'waiting' : 'refused');
    // Its list may have come meanwhile.
    if (this.#open.has(nameOf(item.ticket))) void this.#check();
    else if (waits) this.#armCheck();
    return null;
  }

  #armCheck(): void {
    if (this.#cancelCheck || this.#stopped) return;
    this.#cancelCheck = this.#options.clock.schedule(WAITING_CHECK_MS, () => {
      this.#cancelCheck = null;
      void this.#check();
    });
  }

  /** Looks at every ticket that has messages waiting, one check at a time. Never rejects. */
  #check(): Promise<void> {
    this.#checking = this.#checking.then(async () => {
      await eachTicket(this.#waiting.tickets(), async (ticket) => {
        if (!this.#stopped) await this.#checkTicket(ticket);
      });
      if (this.#waiting.size > 0) this.#armCheck();
    });
    return this.#checking;
  }

  async #checkTicket(ticket: TicketId): Promise<void> {
    const { logger } = this.#options;
    try {
      // A ticket that was lost again while they were tried has them waiting on, for no longer than any other.
      const isOpen = await this.#isOpen(ticket);
      const isDrained = isOpen && this.#reading !== null && (await this.#drain(ticket, this.#reading));
      if (isOpen && !isDrained && this.#open.has(nameOf(ticket))) return;
      const expired = this.#waiting.expire(ticket);
      if (expired.length === 0) return;
      for (const item of expired) await this.#settleElsewhere(item);
      logger.warn({ ticket, messages: expired.length }, 'no master-list entry came in time');
    } catch (error) {
      logger.warn({ err: error, ticket }, 'could not try waiting messages; trying again');
    }
  }

  /** Tries what waits for an open ticket, in order; false when something has to be tried again. */
  #drain(ticket: TicketId, reading: Reading): Promise<boolean> {
    return this.#waiting.drain(ticket, reading, async (item) => {
      if (reading !== this.#reading) return false;
      const answer = await this.#submitPassed(item, reading);
      if (answer.kind === 'waiting') this.#open.delete(nameOf(item.ticket));
      if (answer.kind === 'waiting' || answer.kind === 'retry') return false;
      if (answer.kind === 'settled') await this.#options.deadLetters.settled(messageIdOf(item));
      this.#handled(answer.kind === 'settled' ? answer.outcome : 'refused');
      return true;
    });
  }

  /** It waited before reading went back, and has been settled by the reading that came to it again. */
  async #noLongerWaits(item: DecodedItem): Promise<void> {
    if (this.#waiting.remove(item)) await this.#options.deadLetters.settled(messageIdOf(item));
  }

  /** It waited before reading went back, and the reader who came to it again may be another. */
  async #settleElsewhere(item: DecodedItem): Promise<void> {
    if (await this.#tookEffect(item)) await this.#options.deadLetters.settled(messageIdOf(item));
  }

  // ---- telling ----------------------------------------------------------------------------------------

  async #bury(record: IncomingRecord, reason: string, index?: number): Promise<void> {
    const { deadLetters, clock } = this.#options;
    await deadLetters.add(letterOf(record, reason, clock.now(), index));
  }

  #handled(kind: HandledKind): void {
    this.#options.onHandled?.(kind);
  }

  #warn(item: DecodedItem, reason: string): void {
    this.#options.logger.warn(
      { messageId: messageIdOf(item), ticket: nameOf(item.ticket), reason },
      'not settled yet',
    );
  }
}

/** Places not behind the first message that still waits. */
function withoutWaiting(handled: Places, oldest: ReadonlyMap<string, bigint>): Places {
  const places = new Map(handled);
  for (const [source, offset] of oldest) {
    const next = places.get(source);
    if (next !== undefined && BigInt(next) > offset) places.set(source, String(offset));
  }
  return places;
}

/** Several tickets at once; `work` must not reject. */
async function eachTicket<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const rest = all.values();
  const worker = async (): Promise<void> => {
    for (const one of rest) await work(one);
  };
  await Promise.all(Array.from({ length: Math.min(TICKETS_AT_ONCE, all.length) }, worker));
}

/** Redis was lost and the ticket is not rebuilt yet, or its list has not come. */
const NOT_OPEN: Answer = { kind: 'waiting', reason: 'not_open' };

const BY_ITS_PLACE =
  'tickets are sold in the order of the log (SALES_MODE=ordered): a message has its effect at its place, or none';

function remoteBodyOf(item: DecodedItem, pass: Pass): CommandBody {
  const { action, clientId, quantity, reservationId, recordedAt, position, ordered } = item;
  return {
    type: 'remote',
    action,
    clientId,
    quantity,
    recordedAt,
    ...(reservationId !== undefined && { reservationId }),
    ...(pass === 'positioned' && { position }),
    ...(ordered && { ordered }),
  };
}

/** Null for what does not say that it goes by the log: nobody takes it for a message that does. */
function ownBodyOf(item: DecodedItem): CommandBody | null {
  const { action, quantity, reservationId, recordedAt, position, ordered } = item;
  if (!ordered || reservationId === undefined) return null;
  return { type: 'own', action, quantity, reservationId, recordedAt, position };
}

function answerOf(result: CommandResult): Answer {
  switch (result.kind) {
    case 'applied':
    case 'orphaned':
    case 'repeated':
      return { kind: 'settled', outcome: result.kind };
    case 'not_open':
      return NOT_OPEN;
    case 'deadline_passed':
    case 'incarnation_passed':
    case 'outbox_full':
      return { kind: 'retry', reason: result.kind };
    default:
      return { kind: 'refused', reason: result.kind };
  }
}
